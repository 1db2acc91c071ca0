/** The one class of operating errors, and the border at which foreign errors become ours. */
import type { ErrorCode } from "./codes.ts";

export interface SejfErrorOptions {
  /** What the user can do about it: one sentence, lower case, no full stop. */
  readonly hint?: string | undefined;
  /** The same call may succeed later and nothing has changed. Default false. */
  readonly retryable?: boolean | undefined;
  readonly cause?: unknown;
}

/** What helps whatever the circumstances. An error that comes from a thread is a code and a message, no more. */
const HINTS: Partial<Record<ErrorCode, string>> = {
  SEJF_NO_SPACE: "free some space and run the command again; what was done before is safe",
};

/** Every operating error sejf raises. Wrong use of an API stays TypeError or RangeError. */
export class SejfError extends Error {
  override readonly name: string = "SejfError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: SejfErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? HINTS[code];
    this.retryable = options.retryable ?? false;
  }
}

/** True for a SejfError, with that code where one is given. */
export function isSejfError(error: unknown, code?: ErrorCode): error is SejfError {
  return error instanceof SejfError && (code === undefined || error.code === code);
}

/** System error codes by what they mean to a user. */
const SYSTEM_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: "SEJF_NO_SPACE",
  EDQUOT: "SEJF_NO_SPACE",
  EACCES: "SEJF_PERMISSION",
  EPERM: "SEJF_PERMISSION",
  EROFS: "SEJF_PERMISSION",
};

const RETRYABLE_SYSTEM_CODES: ReadonlySet<string> = new Set([
  "EAGAIN",
  "EBUSY",
  "EINTR",
  "EMFILE",
  "ENFILE",
  "ETIMEDOUT",
  "ECONNRESET",
  "EIO",
]);

/**
 * Any caught value as a SejfError; ours pass unchanged, system errors keep their cause and get the code that
 * fits. `doing` names what was under way: `reading /a/b`.
 */
export function errorFromUnknown(error: unknown, doing: string): SejfError {
  if (error instanceof SejfError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const system = systemCode(error);
  const code = (system === undefined ? undefined : SYSTEM_CODES[system]) ?? "SEJF_IO";
  return new SejfError(code, `${doing}: ${message}`, {
    cause: error,
    retryable: system !== undefined && RETRYABLE_SYSTEM_CODES.has(system),
  });
}

function systemCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
