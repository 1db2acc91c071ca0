/** The SDK's client for one store. Repetition, limits and errors are ours, so that all storages behave alike. */
import { X509Certificate } from "node:crypto";
import type { AgentOptions } from "node:https";
import { S3Client } from "@aws-sdk/client-s3";
import { SejfError } from "../../errors/index.ts";
import type { S3Config } from "./config.ts";
import { s3Credentials } from "./credentials.ts";
import type { S3Target } from "./endpoint.ts";

export interface S3Timeouts {
  /** Until a connection stands, default 10 000. */
  readonly connectMs?: number | undefined;
  /** Without a byte in either direction, default 60 000. */
  readonly idleMs?: number | undefined;
}

const CONNECT_MS = 10_000;
const IDLE_MS = 60_000;
/** Above what the threads, a restore and the tests of a store ask for at once; the rest waits its turn. */
const MAX_SOCKETS = 64;

const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/** @throws SEJF_INVALID_ARGUMENT for a root certificate that is none. */
export async function createS3Client(
  config: S3Config,
  target: S3Target,
  timeouts: S3Timeouts = {},
): Promise<S3Client> {
  const agent = agentOptions(config, target);
  const credentials = await s3Credentials(config);
  return new S3Client({
    region: target.region,
    endpoint: target.url,
    forcePathStyle: target.pathStyle,
    ...(credentials === undefined ? {} : { credentials }),
    maxAttempts: 1,
    retryMode: "standard",
    defaultsMode: "standard",
    // Content-MD5 is what every store checks; contents are authenticated when they are read.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // One round trip less for every blob.
    expectContinueHeader: false,
    disableS3ExpressSessionAuth: true,
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    useArnRegion: false,
    userAgentAppId: "sejf",
    logger: SILENT,
    requestHandler: {
      connectionTimeout: timeouts.connectMs ?? CONNECT_MS,
      socketTimeout: timeouts.idleMs ?? IDLE_MS,
      logger: SILENT,
      httpAgent: agent,
      httpsAgent: agent,
    },
  });
}

function agentOptions(config: S3Config, target: S3Target): AgentOptions {
  const ca = rootCertificates(config.rootCA ?? "");
  const { hostname } = new URL(target.url);
  return {
    keepAlive: true,
    maxSockets: MAX_SOCKETS,
    ...(isLoopback(hostname) ? {} : { proxyEnv: process.env }),
    ...(config.doNotVerifyTLS === true ? { rejectUnauthorized: false } : {}),
    ...(ca === undefined ? {} : { ca }),
  };
}

/** Never behind a proxy, as Go has it. */
function isLoopback(hostname: string): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

function rootCertificates(base64: string): string | undefined {
  if (base64 === "") return undefined;
  const pem = Buffer.from(base64, "base64").toString("utf8");
  try {
    new X509Certificate(pem);
    return pem;
  } catch (error) {
    throw new SejfError("SEJF_INVALID_ARGUMENT", "the root certificate is no certificate in PEM", {
      cause: error,
      hint: "it begins with -----BEGIN CERTIFICATE-----",
    });
  }
}
