/** Tables of the Rabin-Karp splitter, computed from its polynomial. Spec: kopia-format.md 6.4. */
import { WINDOW_BYTES } from "./specs.ts";

/** Irreducible over GF(2), of degree 53. */
const POLYNOMIAL = 0x2e3e3e4a305605n;
const DEGREE = 53n;

/** 64-bit table entries by byte value, in two signed halves. */
export interface RabinTables {
  /** What a byte contributes when it is the oldest of the window. */
  readonly outHigh: Int32Array;
  readonly outLow: Int32Array;
  /** What reduces a value whose top 8 of 61 bits are the index. */
  readonly modHigh: Int32Array;
  readonly modLow: Int32Array;
}

let tables: RabinTables | undefined;

/** Computed at the first call: it takes 20 ms, and few programs cut by this splitter. */
export function rabinTables(): RabinTables {
  tables ??= makeTables();
  return tables;
}

function makeTables(): RabinTables {
  const [outHigh, outLow, modHigh, modLow] = [0, 0, 0, 0].map(() => new Int32Array(256)) as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  for (let byte = 0; byte < 256; byte++) {
    const value = BigInt(byte);
    const out = reduce(value << BigInt(8 * (WINDOW_BYTES - 1)));
    const shifted = value << DEGREE;
    const mod = reduce(shifted) ^ shifted;
    outHigh[byte] = Number(out >> 32n);
    outLow[byte] = Number(BigInt.asIntN(32, out));
    modHigh[byte] = Number(mod >> 32n);
    modLow[byte] = Number(BigInt.asIntN(32, mod));
  }
  return { outHigh, outLow, modHigh, modLow };
}

/** The remainder of a polynomial of at most 512 bits. */
function reduce(value: bigint): bigint {
  let rest = value;
  for (let bit = BigInt(8 * WINDOW_BYTES); bit >= DEGREE; bit--) {
    if ((rest >> bit) & 1n) rest ^= POLYNOMIAL << (bit - DEGREE);
  }
  return rest;
}
