/** Spans of days, which Go's durations have not. */
import { parseDuration } from "../../bytes/index.ts";
import { usageError } from "../usage-error.ts";

const DAY_MS = 24 * 3_600_000;

/** `7d`, or a duration such as `12h`. @throws SEJF_INVALID_ARGUMENT. */
export function parseLifeMs(name: string, text: string): number {
  const days = /^(\d{1,4})d$/.exec(text);
  const ms =
    days === null ? Number((parseDuration(text) ?? 0n) / 1_000_000n) : Number(days[1]) * DAY_MS;
  if (ms > 0) return ms;
  throw usageError(`${name}: ${JSON.stringify(text)} is no time`, "expected one such as 7d or 12h");
}
