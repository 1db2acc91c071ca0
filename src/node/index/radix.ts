/**
 * The directory of an index: how many entries there are below each (prefix byte, first bits of the hash). As hashes
 * are uniform, a bucket holds about 128 entries, and interpolation within it lands within a few entries of the key.
 */
import type { RadixDirectory, RadixGroup } from "./descriptor.ts";

const BUCKET_ENTRIES = 128;
const MAX_BITS = 16;

/** Tables of counters that were used, zeroed when they are used again: 256 KiB that every small index would allocate. */
const spareCounts: Uint32Array[] = [];
const MAX_SPARE = 4;

/** Counts keys as they pass, in order. */
export class RadixCounter {
  #groups: { readonly prefix: number; readonly counts: Uint32Array; total: number }[] = [];

  /** `bytes` holds a key at `at`. Keys come in ascending order. */
  add(bytes: Uint8Array, at: number, keyLength: number): void {
    const prefix = bytes[at]!;
    let group = this.#groups.at(-1);
    if (group === undefined || group.prefix !== prefix) {
      group = { prefix, counts: takeCounts(), total: 0 };
      this.#groups.push(group);
    }
    const high = bytes[at + 1]!;
    const low = keyLength > 2 ? bytes[at + 2]! : 0;
    group.counts[(high << 8) | low]!++;
    group.total++;
  }

  finish(): RadixDirectory {
    const groups: RadixGroup[] = [];
    const sized = this.#groups.map((group) => ({ ...group, bits: bitsFor(group.total) }));
    const total = sized.reduce((sum, group) => sum + 2 ** group.bits + 1, 0);
    const starts = new SharedArrayBuffer(total * 4);
    const numbers = new Uint32Array(starts);
    let at = 0;
    let entry = 0;
    for (const { prefix, bits, counts } of sized) {
      groups.push({ prefix, bits, at });
      const merged = 1 << (MAX_BITS - bits);
      for (let bucket = 0; bucket < 1 << bits; bucket++) {
        numbers[at++] = entry;
        for (let i = bucket * merged; i < (bucket + 1) * merged; i++) entry += counts[i]!;
      }
      numbers[at++] = entry;
      if (spareCounts.length < MAX_SPARE) spareCounts.push(counts);
    }
    this.#groups = [];
    return { groups, starts };
  }
}

function takeCounts(): Uint32Array {
  return spareCounts.pop()?.fill(0) ?? new Uint32Array(1 << MAX_BITS);
}

/** The entries among which a key must be, from `first` to before `end`; nothing where `first === end`. */
export interface Bucket {
  first: number;
  end: number;
  /** Bits of the hash that led here. */
  bits: number;
}

/** Writes the bucket of a key into `into`. `false`: no entry has this prefix. */
export function findBucket(
  directory: RadixDirectory,
  starts: Uint32Array,
  key: Uint8Array,
  into: Bucket,
): boolean {
  for (const group of directory.groups) {
    if (group.prefix !== key[0]) continue;
    const bits16 = (key[1]! << 8) | (key[2] ?? 0);
    const at = group.at + (bits16 >>> (MAX_BITS - group.bits));
    into.first = starts[at]!;
    into.end = starts[at + 1]!;
    into.bits = group.bits;
    return true;
  }
  return false;
}

function bitsFor(total: number): number {
  return Math.min(MAX_BITS, Math.max(0, Math.ceil(Math.log2(total / BUCKET_ENTRIES))));
}
