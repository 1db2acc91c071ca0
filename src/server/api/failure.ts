/** Failures of the endpoints, as Kopia's interface expects them. Spec: kopia-server 9. */
import { type ErrorCode, isSejfError } from "../../errors/index.ts";
import { type ApiErrorCode, errorReply } from "../http/replies.ts";

/** A failure with a code of the interface's own. */
export class ApiFailure extends Error {
  readonly code: ApiErrorCode;
  readonly status: number | undefined;

  /** `status`: another one than the code's. */
  constructor(code: ApiErrorCode, message: string, status?: number) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** What this server does not do at all: said plainly, with a status that no retry changes. */
export function unsupported(message: string): ApiFailure {
  return new ApiFailure("INTERNAL", message, 501);
}

export function malformed(message: string): ApiFailure {
  return new ApiFailure("MALFORMED_REQUEST", message);
}

const CODES: Partial<Record<ErrorCode, ApiErrorCode>> = {
  SEJF_INVALID_ARGUMENT: "MALFORMED_REQUEST",
  SEJF_INVALID_ID: "MALFORMED_REQUEST",
  SEJF_ACCESS_DENIED: "ACCESS_DENIED",
  SEJF_NOT_FOUND: "NOT_FOUND",
  SEJF_MANIFEST_NOT_FOUND: "NOT_FOUND",
  SEJF_SOURCE: "PATH_NOT_FOUND",
  SEJF_NOT_CONNECTED: "NOT_CONNECTED",
  SEJF_INVALID_PASSWORD: "INVALID_PASSWORD",
  SEJF_NOT_A_REPOSITORY: "NOT_INITIALIZED",
  SEJF_ALREADY_EXISTS: "ALREADY_INITIALIZED",
};

/**
 * The answer to a failed request. SECURITY: the text of foreign errors is not told, it may hold anything; `unknown`
 * gets it for the log.
 */
export function failureReplyOf(error: unknown, unknown: (error: unknown) => void): Response {
  if (error instanceof ApiFailure) return errorReply(error.code, error.message, error.status);
  if (!isSejfError(error)) {
    unknown(error);
    return errorReply("INTERNAL", "internal server error");
  }
  const { code, message, hint } = error;
  const text = hint === undefined ? message : `${message} (${hint})`;
  if (code === "SEJF_UNSUPPORTED") return errorReply("INTERNAL", text, 501);
  return errorReply(CODES[code] ?? "INTERNAL", text);
}
