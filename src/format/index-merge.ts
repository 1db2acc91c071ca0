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

/** As `mergeIndexes`, for `IndexBuilder.addFrom`. Of entries that cannot be used some are passed over here, the rest there. */
export function* mergePositions(
  inputs: readonly PackedIndex[],
): Generator<MergePosition, void, void> {
  const heap = new CursorHeap(inputs);
  const winner: MergePosition = { index: inputs[0]!, position: 0 };
  const value = emptyEntryValue();
  for (let cursor = heap.top; cursor !== undefined; cursor = heap.top) {
    winner.index = cursor.index;
    winner.position = cursor.position;
    const { bytes, offset, keyLength } = cursor;
    heap.advance();
    let rank: EntryRank | undefined;
    let other = heap.top;
    while (other !== undefined && compareAt(bytes, offset, keyLength, other) === 0) {
      rank ??= rankOf(winner.index, winner.position, value);
      const otherRank = rankOf(other.index, other.position, value);
      if (otherRank !== undefined && (rank === undefined || compareEntries(otherRank, rank) > 0)) {
        winner.index = other.index;
        winner.position = other.position;
        rank = otherRank;
      }
      heap.advance();
      other = heap.top;
    }
    yield winner;
  }
}

/** `undefined` for an entry that cannot be used. */
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

/** Where a key lies: no view of it is made. */
interface Cursor {
  readonly index: PackedIndex;
  readonly bytes: Uint8Array;
  readonly keyLength: number;
  position: number;
  /** Of the key at `position`. */
  offset: number;
}

function compareAt(bytes: Uint8Array, offset: number, keyLength: number, other: Cursor): number {
  const otherBytes = other.bytes;
  const otherOffset = other.offset;
  const common = Math.min(keyLength, other.keyLength);
  for (let i = 0; i < common; i++) {
    const difference = bytes[offset + i]! - otherBytes[otherOffset + i]!;
    if (difference !== 0) return difference;
  }
  return keyLength - other.keyLength;
}

/** Binary heap of cursors, the one with the lowest key on top. */
class CursorHeap {
  readonly #cursors: Cursor[];

  constructor(inputs: readonly PackedIndex[]) {
    this.#cursors = inputs
      .filter((index) => index.count > 0)
      .map((index) => {
        const { keyLength, entriesOffset } = index.layout;
        return { index, bytes: index.bytes, keyLength, position: 0, offset: entriesOffset };
      });
    for (let i = (this.#cursors.length >>> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  get top(): Cursor | undefined {
    return this.#cursors[0];
  }

  /** Moves the top one on. */
  advance(): void {
    const top = this.#cursors[0]!;
    top.position++;
    top.offset += top.index.layout.stride;
    if (top.position === top.index.count) {
      const last = this.#cursors.pop()!;
      if (this.#cursors.length === 0) return;
      this.#cursors[0] = last;
    }
    this.#sink(0);
  }

  #sink(from: number): void {
    const cursors = this.#cursors;
    const moved = cursors[from]!;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= cursors.length) break;
      if (child + 1 < cursors.length && isBelow(cursors[child + 1]!, cursors[child]!)) child++;
      if (!isBelow(cursors[child]!, moved)) break;
      cursors[at] = cursors[child]!;
      at = child;
    }
    cursors[at] = moved;
  }
}

function isBelow(a: Cursor, b: Cursor): boolean {
  return compareAt(a.bytes, a.offset, a.keyLength, b) < 0;
}
