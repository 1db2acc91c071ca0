/** `--snapshot-time`: points in time as Kopia reads them, and the times of `--start-time`. */
import type { Clock, TimestampNs } from "../../bytes/index.ts";
import type { SnapshotChoice } from "../../snapshot/index.ts";
import { usageError } from "../usage-error.ts";

const NS_PER_MS = 1_000_000n;
const AGO =
  /^(?:(\d{1,3})(?:y|year|years)-)?(?:(\d{1,3})(?:m|mo|month|months)-)?(?:(\d{1,3})(?:d|day|days)-)?ago$/;
const PATTERN =
  /^(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2})(?::(\d{2})(?::(\d{2})(?:\.(\d{3}))?)?)?)?)?)?(?:(Z)|([+-]\d{2}):?(\d{2})?| ([A-Z]{3,5}))?$/;

/**
 * Which snapshots count: by the last nanosecond of their start, nothing for `latest`, the order for `oldest`. A day, month or year given counts as a whole. Without a
 * zone the local one is meant.
 * @throws SEJF_INVALID_ARGUMENT.
 */
export function parseSnapshotTime(spec: string, clock: Clock): SnapshotChoice {
  if (spec === "" || spec === "latest") return {};
  if (spec === "oldest") return { order: "oldest" };
  return { notAfterNs: before(firstThatIsLater(spec, new Date(clock.nowMs()))) };
}

function firstThatIsLater(spec: string, now: Date): Date {
  const [year, month, day] = [now.getFullYear(), now.getMonth(), now.getDate()];
  if (spec === "yesterday") return new Date(year, month, day);
  if (spec === "last-month") return new Date(year, month, 1);
  if (spec === "last-year") return new Date(year, 0, 1);
  const ago = AGO.exec(spec);
  if (ago === null || spec === "ago") return endOf(spec);
  const back = (group: number): number => Number(ago[group] ?? 0);
  return new Date(year - back(1), month - back(2), day - back(3) + 1);
}

/** `2025-06-15 10:20:30 UTC`: the form of `--start-time` and `--end-time`. @throws SEJF_INVALID_ARGUMENT. */
export function parseExactTime(name: string, given: string | undefined): TimestampNs | undefined {
  if (given === undefined || given === "") return undefined;
  const match = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}) ([A-Z]{3,5}|[+-]\d{2}(?:\d{2})?)$/.exec(
    given,
  );
  const [, date = "", time = "", zone = ""] = match ?? [];
  const ms = match === null ? Number.NaN : zoned(`${date}T${time}`, zone);
  if (Number.isNaN(ms))
    throw usageError(
      `${name}: ${JSON.stringify(given)} is not a time`,
      "expected one like 2025-06-15 10:20:30 UTC",
    );
  return BigInt(ms) * NS_PER_MS;
}

/** UTC, the local zone's own abbreviation, or a number; other abbreviations are ambiguous. */
function zoned(local: string, zone: string): number {
  if (zone === "UTC" || zone === "GMT" || zone === "Z") return Date.parse(`${local}Z`);
  const offset = /^([+-]\d{2})(\d{2})?$/.exec(zone);
  if (offset !== null) return Date.parse(`${local}${offset[1] ?? ""}:${offset[2] ?? "00"}`);
  const ms = Date.parse(local);
  const here = new Date(Number.isNaN(ms) ? 0 : ms)
    .toLocaleTimeString("en-GB", { timeZoneName: "short" })
    .split(" ")
    .at(-1);
  return here === zone ? ms : Number.NaN;
}

function before(date: Date): TimestampNs {
  return BigInt(date.getTime()) * NS_PER_MS - 1n;
}

function endOf(spec: string): Date {
  const match = PATTERN.exec(spec);
  if (match === null) throw invalid(spec);
  const part = (group: number): number | undefined =>
    match[group] === undefined ? undefined : Number(match[group]);
  const [year = 0, month, day, hour, minute, second, ms] = [1, 2, 3, 4, 5, 6, 7].map(part);
  const zone =
    match[8] ??
    match[11] ??
    (match[9] === undefined ? undefined : `${match[9]}${match[10] ?? "00"}`);
  if (!isDate(year, month ?? 1, day ?? 1)) throw invalid(spec);
  if (month === undefined) return new Date(year + 1, 0, 1);
  if (day === undefined) return new Date(year, month, 1);
  if (hour === undefined) return new Date(year, month - 1, day + 1);
  const two = (value: number): string => String(value).padStart(2, "0");
  const local = `${year}-${two(month)}-${two(day)}T${two(hour)}:${two(minute ?? 0)}:${two(second ?? 0)}.${String(ms ?? 0).padStart(3, "0")}`;
  const start = zone === undefined ? Date.parse(local) : zoned(local, zone);
  if (Number.isNaN(start)) throw invalid(spec);
  return new Date(start + precisionMs(minute, second, ms));
}

/** Whether the calendar has the day: JavaScript takes the 31st of February for a day in March. */
function isDate(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

function precisionMs(
  minute: number | undefined,
  second: number | undefined,
  ms: number | undefined,
): number {
  if (minute === undefined) return 3_600_000;
  if (second === undefined) return 60_000;
  return ms === undefined ? 1000 : 1;
}

function invalid(spec: string): Error {
  return usageError(
    `--snapshot-time: ${JSON.stringify(spec)} is not a time`,
    "expected latest, oldest, yesterday, 3d-ago, 2025-06-15 or 2025-06-15 10:20:30",
  );
}
