/** What the benchmark commands have in common: amounts of data, the order of results, the lines around them. */
import { type Flag, flag, integer, text } from "../flags.ts";
import { formatBytes } from "../output/units.ts";
import { usageError } from "../usage-error.ts";

export const PARALLEL_FLAG: Flag<number> = integer("Number of parallel threads", { default: 1 });
export const PRINT_OPTIONS_FLAG: Flag<boolean> = flag(
  "Print out options usable for repository creation",
);

export function blockSizeFlag(help: string, size: string): Flag<string> {
  return text(help, { default: size, placeholder: "SIZE" });
}

export function repeatFlag(count: number): Flag<number> {
  return integer("Number of repetitions", { default: count });
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
};
const MAX_BYTES = 2 ** 30;

/** `1MB`, `512KiB`, `100`: powers of 1024 either way, as Kopia reads it. @throws SEJF_INVALID_ARGUMENT. */
export function parseSize(name: string, value: string): number {
  const [, digits = "", unit = ""] = /^(\d{1,10})(?:([KMG])(?:i?B)?|B)?$/.exec(value) ?? [];
  const bytes = Number(digits) * (UNITS[unit] ?? 1);
  if (digits === "" || bytes < 1 || bytes > MAX_BYTES)
    throw usageError(
      `${name}: ${JSON.stringify(value)} is no size from 1B to 1GB`,
      "expected one such as 1MB or 512KB",
    );
  return bytes;
}

/** @throws SEJF_INVALID_ARGUMENT. */
export function assertPositive(name: string, value: number): void {
  if (value < 1) throw usageError(`${name}: ${value} is not possible, expected 1 or more`);
}

export function fastestFirst<T extends { readonly bytesPerSecond: number }>(
  results: readonly T[],
): readonly T[] {
  return results.toSorted((a, b) => b.bytesPerSecond - a.bytesPerSecond);
}

export const RULE: string = "-".repeat(65);

/** `  0. ` and so on. */
export function rank(at: number): string {
  return `${String(at).padStart(3)}. `;
}

export function perSecond(rate: number): string {
  return `${formatBytes(rate)} / second`;
}
