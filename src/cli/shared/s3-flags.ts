/** The flags of a repository in an S3 bucket. Reference: kopia cli/storage_s3.go. */
import { readFile } from "node:fs/promises";
import type { ConnectionInfo } from "../../blob/index.ts";
import {
  base64ToBytes,
  bytesToBase64,
  formatTimestamp,
  parseTimestamp,
} from "../../bytes/index.ts";
import { errorFromUnknown } from "../../errors/index.ts";
import { decimal, type FlagValues, flag, text } from "../flags.ts";
import { usageError } from "../usage-error.ts";

const BUCKET = { placeholder: "BUCKET" };
const ACCESS_KEY = { commonEnv: "AWS_ACCESS_KEY_ID", placeholder: "KEY" };
const ACCESS_KEY_HELP = "Access key ID (overrides AWS_ACCESS_KEY_ID environment variable)";
const SECRET_KEY = { commonEnv: "AWS_SECRET_ACCESS_KEY", placeholder: "SECRET" };
const SECRET_KEY_HELP =
  "Secret access key (overrides AWS_SECRET_ACCESS_KEY environment variable); every user of this machine sees a command line";

const flags = {
  bucket: text("Name of the S3 bucket", { required: true, ...BUCKET }),
  endpoint: text("Endpoint to use: host or host:port", {
    default: "s3.amazonaws.com",
    placeholder: "HOST",
  }),
  region: text("S3 Region", { default: "", placeholder: "REGION" }),
  accessKey: text(ACCESS_KEY_HELP, { required: true, ...ACCESS_KEY }),
  secretAccessKey: text(SECRET_KEY_HELP, { required: true, ...SECRET_KEY }),
  sessionToken: text("Session token (overrides AWS_SESSION_TOKEN environment variable)", {
    commonEnv: "AWS_SESSION_TOKEN",
    placeholder: "TOKEN",
  }),
  prefix: text(
    "Prefix to use for objects in the bucket, put before their names as it is: my-backup-dir/ is a folder",
    { placeholder: "PREFIX" },
  ),
  disableTls: flag("Disable TLS security (HTTPS)"),
  disableTlsVerification: flag("Disable TLS (HTTPS) certificate verification"),
  maxDownloadSpeed: decimal("Limit the download speed", { placeholder: "BYTES_PER_SEC" }),
  maxUploadSpeed: decimal("Limit the upload speed", { placeholder: "BYTES_PER_SEC" }),
  pointInTime: text(
    "Use the repository as it was at this time, read-only, where the bucket keeps versions",
    { placeholder: "2026-01-02T15:04:05Z" },
  ),
  rootCaPemBase64: text("Certificate authority in-line (base64 enc.)", {
    commonEnv: "ROOT_CA_PEM_BASE64",
    placeholder: "BASE64",
  }),
  rootCaPemPath: text("Certificate authority file path", { placeholder: "FILE" }),
};

type AllFlags = { readonly [K in keyof typeof flags]: (typeof flags)[K] };
export const S3_FLAGS: AllFlags = flags;
export type S3FlagValues = FlagValues<AllFlags>;

const ifAny = {
  ...flags,
  bucket: text("Name of an S3 bucket", BUCKET),
  accessKey: text(ACCESS_KEY_HELP, ACCESS_KEY),
  secretAccessKey: text(SECRET_KEY_HELP, SECRET_KEY),
};

type IfAny = { readonly [K in keyof typeof ifAny]: (typeof ifAny)[K] };
/** For commands that can do without a bucket. */
export const S3_FLAGS_IF_ANY: IfAny = ifAny;

/** `undefined` without `--bucket`. @throws SEJF_INVALID_ARGUMENT for a bucket without keys. */
export async function s3ConnectionIfAny(
  values: FlagValues<IfAny>,
): Promise<ConnectionInfo | undefined> {
  const { bucket, accessKey, secretAccessKey } = values;
  if (bucket === undefined) return undefined;
  if (accessKey === undefined || secretAccessKey === undefined)
    throw usageError("--bucket needs --access-key and --secret-access-key");
  return await s3Connection({ ...values, bucket, accessKey, secretAccessKey });
}

/** In Kopia's order, with the members that it writes even if they are empty. */
export async function s3Connection(values: S3FlagValues): Promise<ConnectionInfo> {
  const { maxUploadSpeed, maxDownloadSpeed } = values;
  const rootCA = await rootCertificate(values);
  const pointInTime = instant(values.pointInTime ?? "");
  return {
    type: "s3",
    config: {
      bucket: values.bucket,
      ...(values.prefix ? { prefix: values.prefix } : {}),
      endpoint: values.endpoint,
      ...(values.disableTls ? { doNotUseTLS: true } : {}),
      ...(values.disableTlsVerification ? { doNotVerifyTLS: true } : {}),
      ...(rootCA === undefined ? {} : { rootCA }),
      accessKeyID: values.accessKey,
      secretAccessKey: values.secretAccessKey,
      sessionToken: values.sessionToken ?? "",
      roleARN: "",
      sessionName: "",
      duration: "0s",
      roleEndpoint: "",
      roleRegion: "",
      ...(values.region === "" ? {} : { region: values.region }),
      ...(maxUploadSpeed ? { maxUploadSpeedBytesPerSecond: maxUploadSpeed } : {}),
      ...(maxDownloadSpeed ? { maxDownloadSpeedBytesPerSecond: maxDownloadSpeed } : {}),
      ...(pointInTime === undefined ? {} : { pointInTime }),
    },
  };
}

/** For what writes. @throws SEJF_INVALID_ARGUMENT with `--point-in-time`. */
export async function s3Destination(values: S3FlagValues, doing: string): Promise<ConnectionInfo> {
  if (values.pointInTime)
    throw usageError(`--point-in-time: ${doing} is not possible in the past`, "leave it out");
  return await s3Connection(values);
}

/** PEM in base64. */
async function rootCertificate(values: S3FlagValues): Promise<string | undefined> {
  const { rootCaPemBase64: inline, rootCaPemPath: path } = values;
  if (path !== undefined && inline !== undefined)
    throw usageError("--root-ca-pem-base64 and --root-ca-pem-path exclude each other");
  if (path !== undefined) {
    try {
      return bytesToBase64(await readFile(path));
    } catch (error) {
      throw errorFromUnknown(error, `reading the certificate authority ${path}`);
    }
  }
  if (inline === undefined) return undefined;
  try {
    return bytesToBase64(base64ToBytes(inline));
  } catch {
    throw usageError("--root-ca-pem-base64: it is no base64");
  }
}

function instant(given: string): string | undefined {
  if (given === "") return undefined;
  try {
    return formatTimestamp(parseTimestamp(given));
  } catch {
    throw usageError(
      `--point-in-time: ${JSON.stringify(given)} is no RFC 3339 time`,
      "expected one like 2026-01-02T15:04:05Z",
    );
  }
}
