/**
 * Cuts that do not tell which file it is: the rolling hash with a secret table proposes, a keyed hash of the window decides.
 * Spec: sealed 6.
 */
import type { CutScan } from "./scan.ts";
import { splitterSpec, type SplitterSpec, WINDOW_BYTES } from "./specs.ts";

/** Of the bits that make the average, so many are the keyed hash's. */
const KEYED_BITS = 8;

/**
 * What a name stands for where cuts are secret: fixed sizes as they are, all others by the rolling hash, which proposes 256
 * times as many as are taken. @throws SEJF_UNSUPPORTED for an unknown name.
 */
export function keyedSpec(name: string): SplitterSpec {
  const spec = splitterSpec(name);
  return spec.kind === "fixed" ? spec : { ...spec, mask: spec.mask >>> KEYED_BITS };
}

/** `table` has 256 words; `digest` is the keyed hash of the 64 bytes up to a position. */
export function keyedScan(table: Uint32Array, digest: (window: Uint8Array) => Uint8Array): CutScan {
  return (bytes, from, end, mask) => {
    if (from >= end) return -1;
    let hash = 0;
    for (let i = from - WINDOW_BYTES + 1; i <= from; i++)
      hash = ((hash << 1) | (hash >>> 31)) ^ table[bytes[i]!]!;
    for (let i = from; ; ) {
      if (hash !== 0 && (hash & mask) === 0) {
        if (digest(bytes.subarray(i - WINDOW_BYTES + 1, i + 1))[0] === 0) return i;
      }
      if (++i >= end) return -1;
      hash = ((hash << 1) | (hash >>> 31)) ^ table[bytes[i]!]! ^ table[bytes[i - WINDOW_BYTES]!]!;
    }
  };
}
