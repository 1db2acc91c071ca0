/**
 * A splitter over a stream in pieces, built on a scan of one array: counts the segment's bytes, skips to the first
 * position that can be a cut, keeps the few bytes of a window that began in an earlier piece.
 */
import { type CutScan } from "./scan.ts";
import { type SplitterSpec, WINDOW_BYTES } from "./specs.ts";
import type { Splitter } from "./splitter.ts";

/** Of the window at any position, this many bytes lie before it. */
const BEFORE = WINDOW_BYTES - 1;

/** A splitter by fixed sizes. */
export function fixedSplitter(spec: SplitterSpec): Splitter {
  let count = 0;
  return {
    name: spec.name,
    minSegmentBytes: spec.minBytes,
    maxSegmentBytes: spec.maxBytes,
    nextCut(data: Uint8Array): number {
      const missing = spec.maxBytes - count;
      if (data.length < missing) {
        count += data.length;
        return -1;
      }
      count = 0;
      return missing;
    },
    reset(): void {
      count = 0;
    },
  };
}

/** A splitter by content. The result is the same for every correct `scan`. */
export class DynamicSplitter implements Splitter {
  readonly name: string;
  readonly minSegmentBytes: number;
  readonly maxSegmentBytes: number;
  readonly #scan: CutScan;
  readonly #mask: number;
  /** Bytes of the current segment seen so far. */
  #count = 0;
  /** The last 63 of them, once a position that can be a cut is near; room for 63 more behind. */
  readonly #joined = new Uint8Array(2 * BEFORE);

  constructor(spec: SplitterSpec, scan: CutScan) {
    this.name = spec.name;
    this.minSegmentBytes = spec.minBytes;
    this.maxSegmentBytes = spec.maxBytes;
    this.#mask = spec.mask;
    this.#scan = scan;
  }

  nextCut(data: Uint8Array): number {
    // Position i of `data` is byte number count + i + 1 of the segment.
    const first = Math.max(0, this.minSegmentBytes - this.#count - 1);
    const forced = this.maxSegmentBytes - this.#count;
    const end = Math.min(data.length, forced);
    const hit = first < end ? this.#find(data, first, end) : -1;
    if (hit >= 0) {
      this.#count = 0;
      return hit + 1;
    }
    if (end === forced) {
      this.#count = 0;
      return forced;
    }
    this.#count += data.length;
    if (this.#count >= this.minSegmentBytes - WINDOW_BYTES) this.#keepTail(data);
    return -1;
  }

  reset(): void {
    this.#count = 0;
  }

  /** The first cut at positions `first` … `end` - 1, or -1. */
  #find(data: Uint8Array, first: number, end: number): number {
    if (first < BEFORE) {
      const headEnd = Math.min(BEFORE, end);
      this.#joined.set(data.subarray(0, headEnd), BEFORE);
      const hit = this.#scan(this.#joined, BEFORE + first, BEFORE + headEnd, this.#mask);
      if (hit >= 0) return hit - BEFORE;
    }
    return this.#scan(data, Math.max(first, BEFORE), end, this.#mask);
  }

  #keepTail(data: Uint8Array): void {
    if (data.length >= BEFORE) {
      this.#joined.set(data.subarray(data.length - BEFORE));
    } else {
      this.#joined.copyWithin(0, data.length, BEFORE);
      this.#joined.set(data, BEFORE - data.length);
    }
  }
}
