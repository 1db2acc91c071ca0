/**
 * Times as Go writes them in JSON: RFC 3339 in UTC, the fraction without trailing zeros. Nanoseconds since the epoch
 * are bigints: a double loses them. Directory listings hold one a file, so both ways keep the last day's text.
 */
import { SejfError } from "../errors/index.ts";
import type { TimestampNs } from "./clock.ts";

const NS_PER_S = 1_000_000_000n;
const S_PER_DAY = 86_400;

let cachedDay = Number.NaN;
let cachedDate = "";

/** `2026-01-02T03:04:05.123456789Z`. @throws RangeError outside of the years 0 to 9999. */
export function formatTimestamp(timeNs: TimestampNs): string {
  let seconds = timeNs / NS_PER_S;
  let fraction = Number(timeNs - seconds * NS_PER_S);
  if (fraction < 0) {
    seconds -= 1n;
    fraction += 1_000_000_000;
  }
  const secondsNumber = Number(seconds);
  const day = Math.floor(secondsNumber / S_PER_DAY);
  const inDay = secondsNumber - day * S_PER_DAY;
  if (day !== cachedDay) {
    cachedDate = dateText(day);
    cachedDay = day;
  }
  const clock = `${two(Math.floor(inDay / 3600))}:${two(Math.floor(inDay / 60) % 60)}:${two(inDay % 60)}`;
  return `${cachedDate}T${clock}${fractionText(fraction)}Z`;
}

function dateText(day: number): string {
  const date = new Date(day * S_PER_DAY * 1000);
  const year = date.getUTCFullYear();
  if (!(year >= 0 && year <= 9999))
    throw new RangeError(`time outside of the years 0 to 9999: day ${day}`);
  return `${String(year).padStart(4, "0")}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : `${value}`;
}

function fractionText(nanoseconds: number): string {
  if (nanoseconds === 0) return "";
  let text = String(nanoseconds).padStart(9, "0");
  let end = text.length;
  while (text.charCodeAt(end - 1) === 0x30) end--;
  text = text.slice(0, end);
  return `.${text}`;
}

const PATTERN =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,32}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

let parsedDate = "";
let parsedDaySeconds = 0;

/** Any RFC 3339 offset; digits below the nanosecond are dropped, as Go does. @throws SEJF_CORRUPT. */
export function parseTimestamp(text: string): TimestampNs {
  return parseUtc(text) ?? parseAny(text);
}

/** The shape that Go writes, digit by digit; `undefined` for any other. */
function parseUtc(text: string): TimestampNs | undefined {
  const end = text.length - 1;
  if (
    end < 19 ||
    end > 29 ||
    text.charCodeAt(end) !== 0x5a ||
    text[10] !== "T" ||
    text[13] !== ":" ||
    text[16] !== ":"
  )
    return undefined;
  const hours = twoDigits(text, 11);
  const minutes = twoDigits(text, 14);
  const seconds = twoDigits(text, 17);
  // A character that is no digit makes NaN, which fails here.
  if (
    !(hours <= 23 && minutes <= 59 && seconds <= 59) ||
    (end > 19 && (end === 20 || text[19] !== "."))
  )
    return undefined;
  let fraction = 0;
  for (let at = 20; at < 29; at++) fraction = fraction * 10 + (at < end ? digitAt(text, at) : 0);
  if (Number.isNaN(fraction)) return undefined;
  const day = text.startsWith(parsedDate) && parsedDate !== "" ? parsedDaySeconds : undefined;
  return day === undefined
    ? undefined
    : BigInt(day + hours * 3600 + minutes * 60 + seconds) * NS_PER_S + BigInt(fraction);
}

function twoDigits(text: string, at: number): number {
  return digitAt(text, at) * 10 + digitAt(text, at + 1);
}

function digitAt(text: string, at: number): number {
  const digit = text.charCodeAt(at) - 0x30;
  return digit >= 0 && digit <= 9 ? digit : Number.NaN;
}

function parseAny(text: string): TimestampNs {
  const match = PATTERN.exec(text);
  if (match === null) throw malformed(text);
  const hours = Number(match[4]);
  const minutes = Number(match[5]);
  const seconds = Number(match[6]);
  if (hours > 23 || minutes > 59 || seconds > 59) throw malformed(text);
  let total = daySeconds(text) + hours * 3600 + minutes * 60 + seconds;
  if (match[8] !== undefined) {
    const offset = Number(match[9]) * 3600 + Number(match[10]) * 60;
    if (Number(match[9]) > 23 || Number(match[10]) > 59) throw malformed(text);
    total += match[8] === "-" ? offset : -offset;
  }
  const fraction = match[7] === undefined ? 0 : Number(match[7].slice(0, 9).padEnd(9, "0"));
  return BigInt(total) * NS_PER_S + BigInt(fraction);
}

/** Seconds from the epoch to the midnight that begins the day `text` starts with. */
function daySeconds(text: string): number {
  const date = text.slice(0, 10);
  if (date === parsedDate) return parsedDaySeconds;
  const day = Number(date.slice(8));
  const value = new Date(0);
  value.setUTCFullYear(Number(date.slice(0, 4)), Number(date.slice(5, 7)) - 1, day);
  if (value.getUTCDate() !== day || value.getUTCMonth() !== Number(date.slice(5, 7)) - 1)
    throw malformed(text);
  parsedDate = date;
  parsedDaySeconds = value.getTime() / 1000;
  return parsedDaySeconds;
}

function malformed(text: string): SejfError {
  return new SejfError(
    "SEJF_CORRUPT",
    `${JSON.stringify(text.slice(0, 64))} is not an RFC 3339 time`,
  );
}
