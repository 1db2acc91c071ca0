/**
 * Merging of sorted indexes: a heap over one cursor for each. Nothing is copied; the result is the position of every
 * winner. Spec: kopia-format 4.8. The deletion watermark is for afterwards.
 */
import { compareEntries, type EntryRank, type IndexEntry } from "./index-entry.ts";
import { type EntryValue, emptyEntryValue } from "./index-layout.ts";
import type { PackedIndex } from "./packed-index.ts";

/** Where a winner is. One object serves the whole merge: copy what must be kept. */
export interface MergePosition {
  index: PackedIndex;
  position: number;
}

/** The winning entry of every content of all inputs, in the order of their IDs. */
export function* mergeIndexes(inputs: readonly PackedIndex[]): Generator<IndexEntry, void, void> {
  for (const { index, position } of mergePositions(inputs)) {
    const entry = index.entryAt(position);
    if (entry !== undefined) yield entry;
  }
}

/** As `mergeIndexes`, for `IndexBuilder.addFrom`. Entries that cannot be used do not take part. */
export function* mergePositions(
  inputs: readonly PackedIndex[],
): Generator<MergePosition, void, void> {
  const heap = new CursorHeap(inputs);
  const value = emptyEntryValue();
  while (heap.top !== undefined) {
    let winner: (MergePosition & { readonly rank: EntryRank }) | undefined;
    let key: Uint8Array | undefined;
    for (let cursor = heap.top; cursor !== undefined; cursor = heap.top) {
      const { index, position } = cursor;
      const candidate = index.keyAt(position);
      if (key === undefined) key = candidate;
      else if (compareKeys(key, candidate) !== 0) break;
      const rank = rankOf(index, position, value);
      if (rank !== undefined && (winner === undefined || compareEntries(rank, winner.rank) > 0))
        winner = { index, position, rank };
      heap.advance();
    }
    if (winner !== undefined) yield winner;
  }
}

function rankOf(index: PackedIndex, position: number, value: EntryValue): EntryRank | undefined {
  index.readValue(position, value);
  const packId = index.packIdOf(value);
  if (packId === undefined || index.formatOf(value) === undefined) return undefined;
  return { timestampS: value.timestampS, deleted: value.deleted, packId };
}

/** Bytewise; a key that another begins with comes first. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.byteLength, b.byteLength);
  for (let i = 0; i < common; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.byteLength - b.byteLength;
}

interface Cursor {
  readonly index: PackedIndex;
  position: number;
  key: Uint8Array;
}

/** Binary heap of cursors, the one with the lowest key on top. */
class CursorHeap {
  readonly #cursors: Cursor[];

  constructor(inputs: readonly PackedIndex[]) {
    this.#cursors = inputs
      .filter((index) => index.count > 0)
      .map((index) => ({ index, position: 0, key: index.keyAt(0) }));
    for (let i = (this.#cursors.length >>> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  get top(): Cursor | undefined {
    return this.#cursors[0];
  }

  /** Moves the top one on. */
  advance(): void {
    const top = this.#cursors[0]!;
    top.position++;
    if (top.position < top.index.count) {
      top.key = top.index.keyAt(top.position);
    } else {
      const last = this.#cursors.pop()!;
      if (this.#cursors.length === 0) return;
      this.#cursors[0] = last;
    }
    this.#sink(0);
  }

  #sink(from: number): void {
    const cursors = this.#cursors;
    let at = from;
    for (;;) {
      let lowest = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < cursors.length && compareKeys(cursors[child]!.key, cursors[lowest]!.key) < 0)
          lowest = child;
      }
      if (lowest === at) return;
      [cursors[at], cursors[lowest]] = [cursors[lowest]!, cursors[at]!];
      at = lowest;
    }
  }
}
