/**
 * Failures of the store, the network and the SDK as ours.
 *
 * SECURITY: stores repeat keys, tokens and what was signed in their answers, and the SDK's errors hold the whole answer.
 * They are never kept as a cause: code, status and the store's request ID are all that is passed on.
 */
import type { BlobId } from "../../blob/index.ts";
import { errorFromUnknown, type ErrorCode, SejfError } from "../../errors/index.ts";

/** What can be found out of a failed call. */
export interface S3Failure {
  /** `NoSuchKey`, `ECONNREFUSED`. */
  readonly name: string;
  /** 0: there was no answer. */
  readonly status: number;
  readonly message: string;
  /** Where the store says that the bucket is. */
  readonly region: string | undefined;
  readonly requestId: string | undefined;
  /** The store's clock, as HTTP has it. */
  readonly date: string | undefined;
}

/** What the messages name. */
export interface S3Place {
  readonly bucket: string;
  readonly endpoint: string;
}

/** The bucket is in another region. */
export class S3RegionError extends SejfError {
  readonly region: string | undefined;

  constructor(region: string | undefined, message: string, hint: string | undefined) {
    super("SEJF_INVALID_ARGUMENT", message, { hint });
    this.region = region;
  }
}

interface Meaning {
  readonly code: ErrorCode;
  readonly what: string;
  readonly hint?: string;
  readonly retryable?: boolean;
}

const CREDENTIALS_HINT = "check --access-key, --secret-access-key and --session-token";
const RIGHTS_HINT =
  "the credentials need s3:ListBucket on the bucket, s3:GetObject, s3:PutObject and s3:DeleteObject on its objects; with object lock also s3:PutObjectRetention, for --point-in-time the rights on versions";
const TLS_HINT =
  "name the authority that signed its certificate by --root-ca-pem-path, or see --disable-tls";

/** By the store's own code: what its status alone does not tell. */
const BY_NAME: Readonly<Record<string, Meaning>> = {
  NoSuchBucket: {
    code: "SEJF_NOT_A_REPOSITORY",
    what: "there is no such bucket",
    hint: "check --bucket, --endpoint and --region; buckets are made with the store's own tools",
  },
  InvalidAccessKeyId: {
    code: "SEJF_PERMISSION",
    what: "the store does not know this access key",
    hint: CREDENTIALS_HINT,
  },
  InvalidClientTokenId: {
    code: "SEJF_PERMISSION",
    what: "the token service does not know this access key",
    hint: CREDENTIALS_HINT,
  },
  SignatureDoesNotMatch: {
    code: "SEJF_PERMISSION",
    what: "the secret access key does not fit the access key",
    hint: CREDENTIALS_HINT,
  },
  ExpiredToken: {
    code: "SEJF_PERMISSION",
    what: "the session token has expired",
    hint: "connect again with new credentials, or with a role, which renews them",
  },
  InvalidToken: {
    code: "SEJF_PERMISSION",
    what: "the store does not accept the session token",
    hint: CREDENTIALS_HINT,
  },
  CredentialsProviderError: {
    code: "SEJF_PERMISSION",
    what: "there are no credentials",
    hint: CREDENTIALS_HINT,
  },
  InvalidObjectState: {
    code: "SEJF_IO",
    what: "the blob was moved to an archive",
    hint: "restore it with the store's own tools first",
  },
  XMinioStorageFull: { code: "SEJF_NO_SPACE", what: "the store is full" },
  XMinioAdminBucketQuotaExceeded: { code: "SEJF_NO_SPACE", what: "the bucket's quota is full" },
  QuotaExceeded: { code: "SEJF_NO_SPACE", what: "the quota is full" },
  BadDigest: {
    code: "SEJF_IO",
    what: "what the store received has another checksum than what was sent",
    retryable: true,
  },
  XAmzContentSHA256Mismatch: {
    code: "SEJF_IO",
    what: "what the store received has another checksum than what was sent",
    retryable: true,
  },
  IncompleteBody: { code: "SEJF_IO", what: "the upload was cut off", retryable: true },
  RequestTimeout: { code: "SEJF_IO", what: "the upload stood still for too long", retryable: true },
  OperationAborted: { code: "SEJF_IO", what: "another call is under way", retryable: true },
  ConditionalRequestConflict: {
    code: "SEJF_IO",
    what: "another call is under way",
    retryable: true,
  },
  TimeoutError: {
    code: "SEJF_CONNECTION",
    what: "the store did not answer in time",
    retryable: true,
  },
  EPROTO: {
    code: "SEJF_CONNECTION",
    what: "the store does not speak TLS",
    hint: "check the port, or use --disable-tls",
  },
  ENOTFOUND: {
    code: "SEJF_CONNECTION",
    what: "there is no host of that name",
    hint: "check --endpoint",
    retryable: true,
  },
};

/** System errors after which the same call may succeed. */
const BROKEN_CONNECTION: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
]);

const TLS_PROBLEM =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT|ERR_SSL_|HOSTNAME_MISMATCH|INVALID_CA)/;

/** Takes an error of the SDK apart. */
export function s3Failure(error: unknown): S3Failure {
  const record: Record<string, unknown> =
    typeof error === "object" && error !== null ? (error as Record<string, unknown>) : {};
  const metadata = recordOf(record["$metadata"]);
  const response = recordOf(record["$response"]);
  const headers = recordOf(response["headers"]);
  const status = metadata["httpStatusCode"] ?? response["statusCode"];
  const system = textOf(record["code"]);
  const named = textOf(record["Code"]) ?? textOf(record["name"]) ?? "";
  return {
    name: system !== undefined && /^[A-Z][A-Z_0-9]+$/.test(system) ? system : named,
    status: typeof status === "number" ? status : 0,
    message: error instanceof Error ? error.message : String(error),
    region: textOf(record["Region"]) ?? textOf(headers["x-amz-bucket-region"]),
    requestId: textOf(metadata["requestId"]),
    date: textOf(headers["date"]),
  };
}

/** An abort's reason and our own errors pass as they are. `doing`: `reading blob p1`. */
export function s3Error(
  error: unknown,
  doing: string,
  place: S3Place,
  signal?: AbortSignal,
): unknown {
  if (signal?.aborted === true) return signal.reason;
  if (error instanceof SejfError || error instanceof RangeError) return error;
  const failure = s3Failure(error);
  const meaning = meaningOf(failure);
  if (meaning === undefined) return errorFromUnknown(new Error(failure.message), doing);
  const { code, what, hint, retryable } = meaning;
  const id = failure.requestId === undefined ? "" : `, request ${failure.requestId}`;
  const answer = failure.status === 0 ? failure.name : `${failure.status} ${failure.name}${id}`;
  const message = `${doing} in the bucket ${place.bucket} at ${place.endpoint}: ${what} (${answer})`;
  if (isWrongRegion(failure)) return new S3RegionError(failure.region, message, hint);
  return new SejfError(code, message, { hint, retryable });
}

/** For the caller to throw. */
export function absentBlob(id: BlobId, place: S3Place): SejfError {
  return new SejfError(
    "SEJF_BLOB_NOT_FOUND",
    `blob ${id} is not in the bucket ${place.bucket} at ${place.endpoint}`,
  );
}

function meaningOf(failure: S3Failure): Meaning | undefined {
  const { name, status, date } = failure;
  if (name === "RequestTimeTooSkewed") {
    const theirs = date === undefined ? "" : `, which says ${date},`;
    return {
      code: "SEJF_IO",
      what: `the clock of this machine and the store's${theirs} are too far apart`,
      hint: "set the clock: a repository cannot be kept with a wrong one",
    };
  }
  const known = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
  if (known !== undefined) return known;
  if (isWrongRegion(failure)) {
    return {
      code: "SEJF_INVALID_ARGUMENT",
      what:
        failure.region === undefined
          ? "the bucket is elsewhere"
          : `the bucket is in the region ${failure.region}`,
      hint: "give that region by --region, and its endpoint by --endpoint",
    };
  }
  if (status === 0) return unanswered(name);
  return byStatus(failure);
}

/** The store wants requests for this bucket elsewhere, or signed for another region. */
function isWrongRegion({ name, status }: S3Failure): boolean {
  return (
    status === 301 ||
    status === 307 ||
    name === "PermanentRedirect" ||
    name === "AuthorizationHeaderMalformed" ||
    name === "IllegalLocationConstraintException"
  );
}

function unanswered(name: string): Meaning | undefined {
  if (BROKEN_CONNECTION.has(name)) {
    return {
      code: "SEJF_CONNECTION",
      what: name === "ECONNREFUSED" ? "nothing listens there" : "the connection broke",
      retryable: true,
    };
  }
  if (!TLS_PROBLEM.test(name)) return undefined;
  return { code: "SEJF_CONNECTION", what: "its certificate is not trusted", hint: TLS_HINT };
}

function byStatus({ name, status, message }: S3Failure): Meaning {
  if (status === 401 || status === 403)
    return { code: "SEJF_PERMISSION", what: "the store refuses it", hint: RIGHTS_HINT };
  if (/object ?lock|content-md5/i.test(message) && (status === 400 || status === 404)) {
    return {
      code: "SEJF_UNSUPPORTED",
      what: "the bucket cannot lock objects",
      hint: "Object Lock is switched on when a bucket is made; or leave the retention mode out",
    };
  }
  if (status === 507) return { code: "SEJF_NO_SPACE", what: "the store is full" };
  if (status === 501) return { code: "SEJF_UNSUPPORTED", what: "the store cannot do that" };
  if (status === 429 || status >= 500 || name === "SlowDown")
    return { code: "SEJF_IO", what: "the store is not able to now", retryable: true };
  if (status >= 200 && status < 300)
    return {
      code: "SEJF_IO",
      what: "the answer is not one of S3",
      hint: "check --endpoint",
    };
  return { code: "SEJF_IO", what: "the store refuses it" };
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
