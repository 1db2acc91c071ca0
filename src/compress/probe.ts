/** Is it worth compressing? A few samples answer before time is spent on the whole. */

const PROBES = 8;
const PROBE_BYTES = 8192;
/** A sample that keeps less than this share of its size makes the whole worth a try. */
const WORTHWHILE = 0.9;

/**
 * True when one of 8 samples of 8 KiB, spread evenly, shrinks below 90 %. Data no longer than the samples together
 * are always worth a try: sampling them would cost as much as compressing. `compressedLength` is the length of a
 * sample compressed by a fast method.
 */
export function worthCompressing(
  data: Uint8Array,
  compressedLength: (sample: Uint8Array) => number,
): boolean {
  if (data.length <= PROBES * PROBE_BYTES) return true;
  const step = (data.length - PROBE_BYTES) / (PROBES - 1);
  for (let i = 0; i < PROBES; i++) {
    const at = Math.floor(i * step);
    if (compressedLength(data.subarray(at, at + PROBE_BYTES)) < WORTHWHILE * PROBE_BYTES)
      return true;
  }
  return false;
}
