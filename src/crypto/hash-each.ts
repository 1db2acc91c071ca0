/** Hashes of many short inputs, one after the other, for hashes that have no faster way. */

/** Of each of the parts of `data`, which lie one behind the other, the first `hashBytes` bytes of its hash, into `hashes`. */
export function hashEach(
  hash: (part: Uint8Array) => Uint8Array,
  data: Uint8Array,
  lengths: Uint32Array,
  { hashes, hashBytes }: { readonly hashes: Uint8Array; readonly hashBytes: number },
): void {
  let at = 0;
  for (const [i, length] of lengths.entries()) {
    hashes.set(hash(data.subarray(at, at + length)).subarray(0, hashBytes), i * hashBytes);
    at += length;
  }
}
