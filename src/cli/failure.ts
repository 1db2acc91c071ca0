/** What a failure looks like: one line on standard error, a hint below it, and the exit status. */
import { type ErrorCode, isSejfError, SejfError } from "../errors/index.ts";
import type { ExitStatus } from "./command.ts";

/** Other codes end with 1. `docs/errors.md` lists them. */
const STATUS: Partial<Record<ErrorCode, ExitStatus>> = {
  SEJF_INVALID_ARGUMENT: 2,
  SEJF_PARTIAL: 3,
};

export interface Failure {
  readonly status: ExitStatus;
  readonly message: string;
  readonly hint: string | undefined;
  readonly code: ErrorCode | undefined;
  /** For the log file: what went wrong inside. */
  readonly details: string;
}

export function describeFailure(error: unknown): Failure {
  const known = error instanceof SejfError ? error : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return {
    status: known === undefined ? 1 : (STATUS[known.code] ?? 1),
    message: known === undefined ? `unexpected failure: ${message}` : message,
    hint:
      known?.hint ??
      (known === undefined
        ? "this is a defect of sejf: please report it with the log file"
        : undefined),
    code: known?.code,
    details: detailsOf(error),
  };
}

/** The stacks of the error and its causes. */
function detailsOf(error: unknown): string {
  const lines: string[] = [];
  for (let at: unknown = error; at instanceof Error && lines.length < 5; at = at.cause)
    lines.push(at.stack ?? at.message);
  return lines.join("\ncaused by ");
}

/** A broken pipe of standard output: who read has gone, nobody is to be told. */
export function isBrokenPipe(error: unknown): boolean {
  if (isSejfError(error)) return isBrokenPipe(error.cause);
  return error instanceof Error && "code" in error && error.code === "EPIPE";
}
