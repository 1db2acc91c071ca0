/**
 * The search for a cut, without any state: the hash at a position depends on the 64 bytes that end there and on
 * nothing else. Streams, windows across pieces and limits of segments are the business of `streaming.ts`.
 */
import { BUZHASH_TABLE } from "./buzhash-table.ts";
import { rabinTables } from "./rabin-tables.ts";
import { type SplitterKind, WINDOW_BYTES } from "./specs.ts";

/**
 * The first position p of `from` … `end` - 1 at which hash(bytes[p - 63 … p]) has no bit of `mask`, or -1.
 * `from` is 63 or more.
 */
export type CutScan = (bytes: Uint8Array, from: number, end: number, mask: number) => number;

/** Buzhash, 32 bits. The leaving byte needs no rotation, because 64 is 0 modulo 32. Spec: kopia-format.md 6.3. */
export const scanBuzhash: CutScan = (bytes, from, end, mask) => {
  if (from >= end) return -1;
  const table = BUZHASH_TABLE;
  let hash = 0;
  for (let i = from - WINDOW_BYTES + 1; i <= from; i++) {
    hash = ((hash << 1) | (hash >>> 31)) ^ table[bytes[i]!]!;
  }
  if ((hash & mask) === 0) return from;
  for (let i = from + 1; i < end; i++) {
    hash = ((hash << 1) | (hash >>> 31)) ^ table[bytes[i]!]! ^ table[bytes[i - WINDOW_BYTES]!]!;
    if ((hash & mask) === 0) return i;
  }
  return -1;
};

/**
 * Rabin-Karp: the window as a polynomial over GF(2), modulo one of degree 53. The value of 53 bits is kept in two
 * halves, the lower of 32 bits, since bit operations have no more. Spec: kopia-format.md 6.4.
 */
export const scanRabinKarp: CutScan = (bytes, from, end, mask) => {
  if (from >= end) return -1;
  const { outHigh, outLow, modHigh, modLow } = rabinTables();
  let high = 0;
  let low = 0;
  for (let i = from - WINDOW_BYTES + 1; i < end; i++) {
    if (i > from) {
      const leaving = bytes[i - WINDOW_BYTES]!;
      high ^= outHigh[leaving]!;
      low ^= outLow[leaving]!;
    }
    const top = high >>> 13;
    high = ((high << 8) | (low >>> 24)) ^ modHigh[top]!;
    low = ((low << 8) | bytes[i]!) ^ modLow[top]!;
    // The mask has at most 23 bits, so the upper half has no say.
    if ((low & mask) === 0 && i >= from) return i;
  }
  return -1;
};

const SCANS: Readonly<Record<Exclude<SplitterKind, "fixed">, CutScan>> = {
  buzhash: scanBuzhash,
  rabinkarp: scanRabinKarp,
};

/** The search in plain JavaScript that belongs to a kind. */
export function portableScan(kind: Exclude<SplitterKind, "fixed">): CutScan {
  return SCANS[kind];
}
