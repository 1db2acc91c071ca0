/** Splitters by name, in plain JavaScript, and the loop that tests and tools run over whole arrays. */
import { portableScan } from "./scan.ts";
import { splitterSpec } from "./specs.ts";
import type { Splitter } from "./splitter.ts";
import { DynamicSplitter, fixedSplitter } from "./streaming.ts";

/** A splitter at the beginning of a stream. @throws SEJF_UNSUPPORTED for a name Kopia does not have. */
export function createSplitter(name: string): Splitter {
  const spec = splitterSpec(name);
  return spec.kind === "fixed"
    ? fixedSplitter(spec)
    : new DynamicSplitter(spec, portableScan(spec.kind));
}

/**
 * Where segments end, as offsets into `bytes`, which are fed in pieces of `pieceBytes`. The rest behind the last cut
 * is the last segment. Begins a new stream.
 */
export function splitAll(
  splitter: Splitter,
  bytes: Uint8Array,
  pieceBytes: number = bytes.length,
): number[] {
  if (!(pieceBytes >= 1) && bytes.length > 0)
    throw new RangeError(`pieces of ${pieceBytes} bytes, expected 1 or more`);
  splitter.reset();
  const cuts: number[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = Math.min(at + pieceBytes, bytes.length);
    while (at < end) {
      const length = splitter.nextCut(bytes.subarray(at, end));
      at = length < 0 ? end : at + length;
      if (length >= 0) cuts.push(at);
    }
  }
  return cuts;
}
