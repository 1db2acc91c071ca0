/**
 * Crontab expressions as Kopia reads them: 5 fields, a sixth is the year, with seven the first is the second. The
 * library has another order of six fields and no long names, so an expression is translated first. It is loaded by who
 * meets the first expression: nearly no command does. Spec: kopia-snapshots 5.9.
 */
import { createRequire } from "node:module";
import type { Cron } from "croner";

const SHORTHANDS: ReadonlyMap<string, string> = new Map([
  ["@yearly", "0 0 0 1 1 * *"],
  ["@annually", "0 0 0 1 1 * *"],
  ["@monthly", "0 0 0 1 * * *"],
  ["@weekly", "0 0 0 * * 0 *"],
  ["@daily", "0 0 0 * * * *"],
  ["@hourly", "0 0 * * * * *"],
]);
const LONG_NAMES =
  /\b(sun|mon|tue|wed|thu|fri|sat|jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec)(?:day|sday|nesday|rsday|urday|uary|ruary|ch|il|e|y|ust|tember|ober|ember)\b/gi;
/** A list of fields longer than this is no schedule anybody wrote. */
const MAX_LENGTH = 1000;
/** Kopia knows no later year. */
const LAST_YEAR = 2099;
/** Kopia's syntax; the library's own extensions would make a policy that Kopia refuses. */
const VALUE = String.raw`(?:\d{1,4}|[a-z]{3})`;
const ENTRY = String.raw`(?:\?|(?:\*|${VALUE}|${VALUE}-${VALUE})(?:/\d{1,4})?|l|lw|\d{1,2}w|${VALUE}l)`;
const FIELD = new RegExp(`^${ENTRY}(?:,${ENTRY})*$`, "i");

/** Whether Kopia and we understand it. Text from a `#` on does not count; nothing at all is allowed, as in Kopia. */
export function isCronExpression(expression: string): boolean {
  const text = withoutComment(expression);
  return text === "" || parse(text) !== undefined;
}

/** The next moment strictly after `afterMs` in the local time zone, in milliseconds; `undefined`: never, or not readable. */
export function nextCronTimeMs(expression: string, afterMs: number): number | undefined {
  const next = parse(withoutComment(expression))?.nextRun(new Date(Math.max(0, afterMs)));
  return next === null || next === undefined || next.getFullYear() > LAST_YEAR
    ? undefined
    : next.getTime();
}

/** Kopia cuts at every `#`, so that its own `FRI#2` never reaches its reader; we follow, both must mean the same. */
function withoutComment(expression: string): string {
  return (expression.split("#", 1)[0] as string).trim();
}

function parse(text: string): Cron | undefined {
  if (text === "" || text.length > MAX_LENGTH) return undefined;
  const fields = (SHORTHANDS.get(text) ?? text).replaceAll(LONG_NAMES, "$1").split(/\s+/);
  if (fields.length < 5 || !fields.every((field) => FIELD.test(field))) return undefined;
  const withSeconds = fields.length === 6 ? ["0", ...fields] : fields.slice(0, 7);
  const CronClass = cronClass();
  try {
    return new CronClass(withSeconds.join(" "), { sloppyRanges: true });
  } catch {
    return undefined;
  }
}

let loaded: typeof Cron | undefined;

function cronClass(): typeof Cron {
  if (loaded === undefined) {
    const library = createRequire(import.meta.url)("croner") as typeof import("croner");
    loaded = library.Cron;
  }
  return loaded;
}
