/** Entries of many segments in the order of their keys, of several for one content the winner. Bounded memory. */
import { viewOf } from "../../bytes/index.ts";
import { EntryFields, type Segment } from "./segment.ts";

const BLOCK_BYTES = 65536;

/** Walks one segment. `key` and `fields` belong to the entry it stands on and are overwritten by `next`. */
export class SegmentCursor {
  readonly segment: Segment;
  readonly fields: EntryFields = new EntryFields();
  key: Uint8Array;
  readonly #blockEntries: number;
  #position: number;
  #block: Uint8Array = new Uint8Array(0);
  #view: DataView = viewOf(this.#block);
  #blockFirst = 0;
  #blockEnd = 0;

  /** Stands before the first entry whose key is not below `from`. */
  constructor(segment: Segment, from: Uint8Array | undefined) {
    this.segment = segment;
    this.key = new Uint8Array(segment.layout.keyLength);
    this.#blockEntries = Math.max(1, Math.floor(BLOCK_BYTES / segment.layout.stride));
    this.#position = (from === undefined ? 0 : segment.lowerBound(from)) - 1;
  }

  /** Moves to the next usable entry; false at the end. */
  next(): boolean {
    const { stride, keyLength, count } = this.segment.layout;
    while (++this.#position < count) {
      if (this.#position >= this.#blockEnd) this.#load();
      const at = (this.#position - this.#blockFirst) * stride;
      this.segment.readFields(this.#view, at + keyLength, this.fields);
      if (!this.fields.usable) continue;
      this.key = this.#block.subarray(at, at + keyLength);
      return true;
    }
    return false;
  }

  #load(): void {
    this.#blockFirst = this.#position;
    this.#blockEnd = Math.min(this.segment.count, this.#position + this.#blockEntries);
    this.#block = this.segment.entries(this.#blockFirst, this.#blockEnd);
    this.#view = viewOf(this.#block);
  }
}

/** Whether any usable entry passes. Key and fields are valid during the call only. */
export function someEntry(
  segment: Segment,
  test: (key: Uint8Array, fields: EntryFields) => boolean,
): boolean {
  const cursor = new SegmentCursor(segment, undefined);
  while (cursor.next()) if (test(cursor.key, cursor.fields)) return true;
  return false;
}

/**
 * The winner for each key, in order (`kopia-format.md` 4.8, without the watermark). Each value is one of the cursors
 * and valid until the next step.
 */
export function* mergeCursors(
  segments: readonly Segment[],
  from?: Uint8Array,
): Generator<SegmentCursor, void, void> {
  const heap = segments
    .map((segment) => new SegmentCursor(segment, from))
    .filter((cursor) => cursor.next());
  for (let i = (heap.length >>> 1) - 1; i >= 0; i--) sink(heap, i);
  const tied: SegmentCursor[] = [];
  while (heap.length > 0) {
    const first = heap[0]!;
    let winner = first;
    removeFirst(heap);
    while (heap.length > 0 && compareKeys(heap[0]!.key, first.key) === 0) {
      const other = heap[0]!;
      removeFirst(heap);
      tied.push(other);
      if (wins(other, winner)) winner = other;
    }
    yield winner;
    if (first.next()) insert(heap, first);
    for (const cursor of tied) if (cursor.next()) insert(heap, cursor);
    tied.length = 0;
  }
}

/** Whether `a` wins over `b`: later, else live over deleted, else the greater pack name. */
export function wins(
  a: { readonly segment: Segment; readonly fields: EntryFields },
  b: { readonly segment: Segment; readonly fields: EntryFields },
): boolean {
  if (a.fields.timestampS !== b.fields.timestampS) return a.fields.timestampS > b.fields.timestampS;
  if (a.fields.deleted !== b.fields.deleted) return b.fields.deleted;
  return a.segment.packName(a.fields) > b.segment.packName(b.fields);
}

function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.byteLength, b.byteLength);
  for (let i = 0; i < length; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.byteLength - b.byteLength;
}

function removeFirst(heap: SegmentCursor[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  heap[0] = last;
  sink(heap, 0);
}

function insert(heap: SegmentCursor[], cursor: SegmentCursor): void {
  let at = heap.push(cursor) - 1;
  while (at > 0) {
    const parent = (at - 1) >>> 1;
    if (compareKeys(heap[parent]!.key, cursor.key) <= 0) return;
    heap[at] = heap[parent]!;
    heap[parent] = cursor;
    at = parent;
  }
}

function sink(heap: SegmentCursor[], start: number): void {
  let at = start;
  for (;;) {
    let least = at;
    for (const child of [2 * at + 1, 2 * at + 2]) {
      if (child < heap.length && compareKeys(heap[child]!.key, heap[least]!.key) < 0) least = child;
    }
    if (least === at) return;
    const swap = heap[at]!;
    heap[at] = heap[least]!;
    heap[least] = swap;
    at = least;
  }
}
