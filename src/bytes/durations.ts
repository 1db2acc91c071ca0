/** Durations in Go's notation: `1h30m0s` out, `90m` or `1.5h` in. Nanoseconds as bigints. */

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const MAX_NS = 2n ** 63n - 1n;
const PART = /(\d{0,20})(?:\.(\d{0,18}))?(ns|us|µs|μs|ms|s|m|h)/y;

/** Nanoseconds; `undefined` for what Go would not read either. */
export function parseDuration(input: string): bigint | undefined {
  const sign = /^[+-]/.exec(input)?.[0] ?? "";
  const body = input.slice(sign.length);
  if (body === "0") return 0n;
  let total = 0n;
  let at = 0;
  while (at < body.length) {
    PART.lastIndex = at;
    const [whole, integer, fraction, unit] = PART.exec(body) ?? [];
    if (whole === undefined || unit === undefined || `${integer ?? ""}${fraction ?? ""}` === "")
      return undefined;
    total += nanoseconds(integer ?? "", fraction ?? "", UNITS[unit] ?? 0n);
    at += whole.length;
  }
  if (body === "" || total > MAX_NS) return undefined;
  return sign === "-" ? -total : total;
}

function nanoseconds(integer: string, fraction: string, unit: bigint): bigint {
  const whole = BigInt(integer || "0") * unit;
  return fraction === ""
    ? whole
    : whole + (BigInt(fraction) * unit) / 10n ** BigInt(fraction.length);
}

/** `15m0s`, `24h0m0s`, `1.5s`, `120µs`, as Go prints them. */
export function formatDuration(durationNs: bigint): string {
  if (durationNs === 0n) return "0s";
  const sign = durationNs < 0n ? "-" : "";
  const ns = durationNs < 0n ? -durationNs : durationNs;
  if (ns < 1_000n) return `${sign}${ns}ns`;
  if (ns < 1_000_000n) return `${sign}${withFraction(ns, 1_000n)}µs`;
  if (ns < 1_000_000_000n) return `${sign}${withFraction(ns, 1_000_000n)}ms`;
  const minutes = ns / 60_000_000_000n;
  const seconds = `${withFraction(ns % 60_000_000_000n, 1_000_000_000n)}s`;
  if (minutes === 0n) return sign + seconds;
  if (minutes < 60n) return `${sign}${minutes}m${seconds}`;
  return `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

function withFraction(value: bigint, unit: bigint): string {
  const digits = unit.toString().length - 1;
  const fraction = (value % unit).toString().padStart(digits, "0").replace(/0+$/, "");
  return fraction === "" ? `${value / unit}` : `${value / unit}.${fraction}`;
}
