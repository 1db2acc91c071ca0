/**
 * Every code a SejfError can carry, with what it means. The list is a versioned promise: codes are added,
 * never renamed. `docs/errors.md` explains each to users.
 */
export const ERROR_CODES = {
  /** The storage has no such blob. */
  SEJF_BLOB_NOT_FOUND: "blob not found",
  /** A range outside of a blob, a content or an object. */
  SEJF_RANGE: "range outside of the data",
  /** Bytes that do not follow their format, or fail authentication. */
  SEJF_CORRUPT: "corrupt data",
  /** A content that no index names. */
  SEJF_CONTENT_NOT_FOUND: "content not found",
  /** A manifest that does not exist (any more). */
  SEJF_MANIFEST_NOT_FOUND: "manifest not found",
  /** An object, snapshot or path inside one that does not exist. */
  SEJF_NOT_FOUND: "not found",
  /** A malformed ID given by the user or found in data. */
  SEJF_INVALID_ID: "malformed ID",
  /** A setting or option with a value that cannot be. */
  SEJF_INVALID_ARGUMENT: "invalid argument",
  /** No repository at that place. */
  SEJF_NOT_A_REPOSITORY: "not a repository",
  /** A repository (or something else) is already there. */
  SEJF_ALREADY_EXISTS: "already exists",
  /** No connection file, or a broken one. */
  SEJF_NOT_CONNECTED: "not connected to a repository",
  /** Wrong password, or a damaged format blob: the two cannot be told apart. */
  SEJF_INVALID_PASSWORD: "invalid repository password",
  /** The repository needs a newer program. */
  SEJF_UNSUPPORTED_FORMAT: "unsupported repository format",
  /** Known, but not offered by this program, store or repository. */
  SEJF_UNSUPPORTED: "not supported",
  /** Writing to a read-only connection. */
  SEJF_READ_ONLY: "read-only",
  /** Another process holds what this one needs. */
  SEJF_LOCKED: "locked",
  /** The repository is locked for an upgrade. */
  SEJF_UPGRADE_IN_PROGRESS: "upgrade in progress",
  /** The server cannot be reached, or the connection to it broke. */
  SEJF_CONNECTION: "no connection to the server",
  /** The server does not let this user in, or not do this. */
  SEJF_ACCESS_DENIED: "access denied",
  /** The disk or the quota is full. */
  SEJF_NO_SPACE: "no space left",
  /** The operating system refused. */
  SEJF_PERMISSION: "permission denied",
  /** Any other failure of a file or of the storage. */
  SEJF_IO: "input/output error",
  /** A file changed, vanished or is of a kind that cannot be stored. */
  SEJF_SOURCE: "source cannot be read",
  /** Work done, but not all of it: see the listed errors. */
  SEJF_PARTIAL: "finished with errors",
  /** Stopped on request. */
  SEJF_CANCELLED: "cancelled",
  /** A worker thread died. */
  SEJF_WORKER: "worker failed",
} as const;

/** The stable name of a kind of failure. */
export type ErrorCode = keyof typeof ERROR_CODES;
