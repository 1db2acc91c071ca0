/** Ownership of byte arrays: parameters are `Uint8Array`, results are `OwnedBytes`, which nobody else holds. */

/** A buffer of its own: not a view of shared memory, not part of a pool, and the receiver may keep or transfer it. */
export type OwnedBytes = Uint8Array<ArrayBuffer>;

/** A DataView of exactly these bytes. `new DataView(bytes.buffer)` would see the whole buffer behind a view. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A copy that the caller owns. */
export function copyBytes(bytes: Uint8Array): OwnedBytes {
  const copy = new Uint8Array(bytes.byteLength);
  copy.set(bytes);
  return copy;
}

/** All parts, one behind the other. */
export function concatBytes(...parts: readonly Uint8Array[]): OwnedBytes {
  let length = 0;
  for (const part of parts) length += part.byteLength;
  const all = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.byteLength;
  }
  return all;
}

/** Same length and same bytes. SECURITY: not constant time; for secrets use `equalSecrets` of `crypto/`. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  for (let i = 0; i < a.byteLength; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Of the words that V8 copies. */
const WORD_BYTES = 8;
/** What `alignedPlace` may add. */
export const ALIGNMENT_BYTES: number = WORD_BYTES - 1;

/**
 * The first place in `target` from `at` on to which `source` should be copied when one of them is shared memory: V8 copies
 * there by words only where both lie alike, else byte by byte, which takes six times as long.
 */
export function alignedPlace(target: Uint8Array, at: number, source: Uint8Array): number {
  return at + ((source.byteOffset - target.byteOffset - at) & (WORD_BYTES - 1));
}
