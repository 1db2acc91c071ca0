/** Amounts of data as users type them. */
import { usageError } from "../usage-error.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 1, M: 2, G: 3, T: 4, P: 5 };

/** `10GB` is 10^10, `10GiB` is 10 · 2^30, a bare number is bytes. @throws SEJF_INVALID_ARGUMENT. */
export function parseByteCount(name: string, value: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?(?:([KMGTP])(i?)B?|B)?$/i.exec(value.trim());
  const unit = (match?.[2] ?? "").toUpperCase();
  const scale = unit === "" ? 1 : (match?.[3] === "" ? 1000 : 1024) ** (UNITS[unit] ?? 0);
  const bytes = Math.round(Number(match?.[1]) * scale);
  if (!Number.isSafeInteger(bytes))
    throw usageError(
      `${name}: ${JSON.stringify(value)} is no amount of data`,
      "expected one such as 500MB, 10GB or 1.5TiB",
    );
  return bytes;
}
