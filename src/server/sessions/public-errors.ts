/**
 * What a client is told of a failure. SECURITY: errors of the storage name the server's folders and hosts; those stay
 * in the server's log.
 */
import { type ErrorCode, isSejfError, SejfError } from "../../errors/index.ts";
import { QuotaError } from "../holding/index.ts";

/** Errors about what the client asked or sent: their words are for it. */
const TOLD: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "SEJF_INVALID_ARGUMENT",
  "SEJF_INVALID_ID",
  "SEJF_CONTENT_NOT_FOUND",
  "SEJF_MANIFEST_NOT_FOUND",
  "SEJF_NOT_FOUND",
  "SEJF_ACCESS_DENIED",
  "SEJF_UNSUPPORTED",
]);

const INSTEAD: Partial<Record<ErrorCode, string>> = {
  SEJF_NO_SPACE: "the repository's storage is full",
  SEJF_READ_ONLY: "the repository is open for reading only",
  SEJF_CORRUPT: "the data are damaged; the server's log says where",
};

/** The error for the client, and whether it hides something that belongs into the log. */
export function publicError(error: unknown): { readonly told: unknown; readonly hides: boolean } {
  if (!isSejfError(error)) return { told: error, hides: true };
  if (error instanceof QuotaError) return { told: error, hides: false };
  if (TOLD.has(error.code)) return { told: error, hides: false };
  const message = INSTEAD[error.code] ?? "the server could not do it; its log says why";
  return { told: new SejfError(error.code, message, { cause: error }), hides: true };
}
