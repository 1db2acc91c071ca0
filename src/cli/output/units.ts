/** Sizes and counts as Kopia prints them: `300.7 KB`, `1.2 M`. Reference: kopia internal/units. */

const DECIMAL = ["", "K", "M", "G", "T", "P", "E"] as const;
const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] as const;

/** `KOPIA_BYTES_STRING_BASE_2` or `SEJF_BYTES_STRING_BASE_2` chooses KiB instead of KB. */
export function formatBytes(bytes: number | bigint): string {
  return usesBinaryUnits()
    ? scale(Number(bytes), 1024, BINARY, "B")
    : scale(Number(bytes), 1000, DECIMAL, "B");
}

export function formatBytesPerSecond(rate: number): string {
  return scale(rate, 1000, DECIMAL, "B/s");
}

export function formatCount(count: number): string {
  return scale(count, 1000, DECIMAL, "").trimEnd();
}

function usesBinaryUnits(): boolean {
  const value =
    process.env["SEJF_BYTES_STRING_BASE_2"] ?? process.env["KOPIA_BYTES_STRING_BASE_2"] ?? "";
  return /^(?:1|t|true)$/i.test(value);
}

function scale(value: number, thousand: number, prefixes: readonly string[], unit: string): string {
  let rest = value;
  let prefix = "";
  for (const next of prefixes) {
    prefix = next;
    if (rest < 0.9 * thousand || next === prefixes.at(-1)) break;
    rest /= thousand;
  }
  return `${nice(rest)} ${prefix}${unit}`;
}

/** One digit behind the point, none when it is 0. Kopia's way of cutting zeros also turns 0.0 into 0. */
function nice(value: number): string {
  return value.toFixed(1).replace(/\.0$/, "");
}
