/** Splitters cut a stream into segments by Kopia's algorithms (`kopia-format.md` 6); each segment becomes a content. */

/** Finds cuts in a stream that arrives in pieces of any size; the result does not depend on the pieces. */
export interface Splitter {
  readonly name: string;
  /** No segment is longer. */
  readonly maxSegmentBytes: number;
  /** No segment but the last is shorter. */
  readonly minSegmentBytes: number;
  /**
   * Looks at the next bytes of the current segment: how many of them end it (1 … length), or -1 when it goes on
   * behind them all. After a cut the next call begins a new segment.
   */
  nextCut(data: Uint8Array): number;
  /** Forgets the current segment: the next byte begins a new stream. */
  reset(): void;
}
