/** System errors of the store as ours. */
import { errorFromUnknown, SejfError } from "../../errors/index.ts";

/** The `code` of a system error: `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** As `errorFromUnknown`, with what the user can do; an abort's reason passes as it is. */
export function storageError(error: unknown, doing: string, signal?: AbortSignal): unknown {
  if (signal?.aborted === true && error === signal.reason) return error;
  const ours = errorFromUnknown(error, doing);
  if (ours.code !== "SEJF_PERMISSION" || ours.hint !== undefined) return ours;
  return new SejfError(ours.code, ours.message, {
    cause: ours.cause,
    hint: "check that this user may read and write the repository's folder and everything in it",
  });
}
