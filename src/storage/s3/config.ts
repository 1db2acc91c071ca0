/** The `config` of a connection of type `s3`, under the names that Kopia's connection files use, in its order. */
import { z } from "zod";
import type { ThrottlingLimits } from "../../blob/index.ts";
import { parseDuration, parseTimestamp, type TimestampNs } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { LIMIT_FIELDS, parseStorageConfig } from "../config-fields.ts";

/** Fields that we do not know are kept for whoever wrote them. */
export interface S3Config extends ThrottlingLimits {
  readonly bucket: string;
  /** Stands before every blob's name as it is: a folder's has a `/` at its end. */
  readonly prefix?: string | undefined;
  /** `host` or `host:port`. */
  readonly endpoint: string;
  readonly doNotUseTLS?: boolean | undefined;
  readonly doNotVerifyTLS?: boolean | undefined;
  /** PEM in base64: trusted instead of the system's authorities. */
  readonly rootCA?: string | null | undefined;
  /** Empty: the environment, the AWS files, the machine's own role. */
  readonly accessKeyID?: string | undefined;
  readonly secretAccessKey?: string | undefined;
  readonly sessionToken?: string | undefined;
  readonly webIdentityToken?: string | undefined;
  readonly webIdentityTokenFile?: string | undefined;
  /** A role to take on, with the keys or with the web identity. */
  readonly roleARN?: string | undefined;
  readonly sessionName?: string | undefined;
  /** Of a role's session, as Go writes durations. */
  readonly duration?: string | undefined;
  /** URL of the token service; empty is Amazon's. */
  readonly roleEndpoint?: string | undefined;
  readonly roleRegion?: string | undefined;
  /** Empty: by the endpoint's name, else as the store says. */
  readonly region?: string | undefined;
  /** RFC 3339: the bucket as it was then, to read only. */
  readonly pointInTime?: string | null | undefined;
}

export const DEFAULT_S3_ENDPOINT = "s3.amazonaws.com";

/** A bucket's name, or what other stores than Amazon's allow; it becomes part of a URL. */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,254}$/;
const ENDPOINT =
  /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?)(?::\d{1,5})?$/;
const BASE64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/;

const word = z.string().max(4096).optional();

const schema = z.looseObject({
  bucket: z.string().regex(BUCKET, "is no name of a bucket"),
  prefix: z
    .string()
    .max(700)
    .refine((prefix) => !prefix.includes("\0"), "must not hold a NUL")
    .optional(),
  endpoint: z
    .string()
    .regex(ENDPOINT, "expected host or host:port, without https:// and without a path")
    .default(DEFAULT_S3_ENDPOINT),
  doNotUseTLS: z.boolean().optional(),
  doNotVerifyTLS: z.boolean().optional(),
  rootCA: z.string().max(1_000_000).regex(BASE64, "is no base64").nullish(),
  accessKeyID: word,
  secretAccessKey: word,
  sessionToken: z.string().max(65_536).optional(),
  webIdentityToken: z.string().max(65_536).optional(),
  webIdentityTokenFile: word,
  roleARN: word,
  sessionName: word,
  duration: word.refine(
    (text) => text === undefined || roleDurationNs(text) !== undefined,
    "is no duration such as 1h0m0s",
  ),
  roleEndpoint: word.refine(
    (url) => url === undefined || url === "" || isHttpUrl(url),
    "is no http or https URL",
  ),
  roleRegion: word,
  region: z
    .string()
    .regex(/^[A-Za-z0-9_-]{0,64}$/, "is no name of a region")
    .optional(),
  ...LIMIT_FIELDS,
  pointInTime: z.string().refine(isTime, "is no RFC 3339 time").nullish(),
});

/** @throws SEJF_INVALID_ARGUMENT naming each field with a value that cannot be. */
export function parseS3Config(config: unknown): S3Config {
  const parsed = parseStorageConfig(schema, config, "s3");
  const hasKey = (parsed.accessKeyID ?? "") !== "";
  if (hasKey !== ((parsed.secretAccessKey ?? "") !== "")) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      "configuration of the s3 storage: accessKeyID and secretAccessKey go together",
      { hint: "give both, or neither for the credentials of the environment or the machine" },
    );
  }
  return parsed;
}

/** As Kopia reads them: Go's notation, or a number of nanoseconds. */
export function roleDurationNs(text: string): bigint | undefined {
  const trimmed = text.trim();
  if (trimmed === "") return 0n;
  return /^\d{1,18}$/.test(trimmed) ? BigInt(trimmed) : parseDuration(trimmed);
}

/** `undefined`: the bucket as it is now. Go's zero time means that too. */
export function pointInTimeOf(config: S3Config): TimestampNs | undefined {
  const text = config.pointInTime ?? "";
  return text === "" || text.startsWith("0001-01-01T00:00:00") ? undefined : parseTimestamp(text);
}

function isTime(text: string): boolean {
  try {
    return text === "" || parseTimestamp(text) !== undefined;
  } catch {
    return false;
  }
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text);
}
