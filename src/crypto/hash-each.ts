/** Hashes of many short inputs, one after the other, for hashes that have no faster way. */
import type { OwnedBytes } from "../bytes/index.ts";

/** Of each of the parts of `data`, which lie one behind the other, the first `hashBytes` bytes of its hash; likewise. */
export function hashEach(
  hash: (part: Uint8Array) => Uint8Array,
  data: Uint8Array,
  lengths: Uint32Array,
  hashBytes: number,
): OwnedBytes {
  const hashes = new Uint8Array(lengths.length * hashBytes);
  let at = 0;
  for (const [i, length] of lengths.entries()) {
    hashes.set(hash(data.subarray(at, at + length)).subarray(0, hashBytes), i * hashBytes);
    at += length;
  }
  return hashes;
}
