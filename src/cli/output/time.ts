/** Times as Kopia prints them: `2026-11-25 13:35:44 UTC`, in the zone that `--timezone` chooses. */
import type { TimestampNs } from "../../bytes/index.ts";
import { usageError } from "../usage-error.ts";

/** `local`, `utc`, `original` (as stored: UTC) or a name of the zone database. */
export type TimeZone = string;

/** Locales that know more abbreviations than English does. */
const LOCALES = ["en-US", "en-GB", "en-AU", "en-IN", "en-ZA", "ja", "ko", "en-IE"] as const;

/** Whole seconds. */
export function formatTime(time: TimestampNs, zone: TimeZone): string {
  return format(time, zone, "");
}

/** With milliseconds. */
export function formatTimePrecise(time: TimestampNs, zone: TimeZone): string {
  const ms = ((floorDivide(time, 1_000_000n) % 1000n) + 1000n) % 1000n;
  return format(time, zone, `.${String(ms).padStart(3, "0")}`);
}

/** @throws SEJF_INVALID_ARGUMENT for a zone that the system does not know. */
export function checkTimeZone(zone: TimeZone): void {
  if (zone === "local" || zone === "utc" || zone === "original") return;
  try {
    parts(0, "en-US", zone);
  } catch {
    throw usageError(
      `--timezone: ${JSON.stringify(zone)} is not known, expected local, utc, original or a name such as Europe/Warsaw`,
    );
  }
}

function format(time: TimestampNs, zone: TimeZone, fraction: string): string {
  const ms = Number(floorDivide(time, 1_000_000n));
  const utc = inUtc(ms, zone);
  if (utc !== undefined) return `${utc}${fraction} UTC`;
  const get = parts(ms, "en-US", zone);
  const day = `${get("year").padStart(4, "0")}-${get("month")}-${get("day")}`;
  return `${day} ${get("hour")}:${get("minute")}:${get("second")}${fraction} ${abbreviation(ms, zone)}`;
}

/** Whole seconds where the zone is UTC: what knows all other zones takes longer to load than a short command. */
function inUtc(ms: number, zone: TimeZone): string | undefined {
  const date = new Date(ms);
  const isUtc =
    zone === "utc" || zone === "original" || (zone === "local" && UTC_TEXT.test(String(date)));
  const [, day, time] = (isUtc && ISO_TEXT.exec(date.toISOString())) || [];
  return day && `${day} ${time}`;
}

/** Of a local time; in other languages the long way is taken. */
const UTC_TEXT = / GMT\+0000 \(Coordinated Universal Time\)$/;
/** Of the years 0 to 9999. */
const ISO_TEXT = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\./;

function floorDivide(value: bigint, by: bigint): bigint {
  return value >= 0n || value % by === 0n ? value / by : value / by - 1n;
}

/** `CET`, `JST`; where the zone has none, Go's `+03` or `+0530`. */
function abbreviation(ms: number, zone: TimeZone): string {
  for (const locale of LOCALES) {
    const name = parts(ms, locale, zone)("timeZoneName");
    if (/^[A-Z]{2,5}$/.test(name)) return name;
  }
  const [, sign, hours, minutes] =
    /^GMT([+-])(\d+)(?::(\d+))?$/.exec(parts(ms, "en-US", zone)("timeZoneName")) ?? [];
  return sign === undefined || hours === undefined
    ? "UTC"
    : `${sign}${hours.padStart(2, "0")}${minutes ?? ""}`;
}

const formatters = new Map<string, Intl.DateTimeFormat>();

function parts(ms: number, locale: string, zone: TimeZone): (type: string) => string {
  const key = `${locale} ${zone}`;
  let formatter = formatters.get(key);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat(locale, {
      ...(zone === "local"
        ? {}
        : { timeZone: zone === "utc" || zone === "original" ? "UTC" : zone }),
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      timeZoneName: "short",
    });
    formatters.set(key, formatter);
  }
  const all = formatter.formatToParts(ms);
  return (type) => all.find((part) => part.type === type)?.value ?? "";
}
