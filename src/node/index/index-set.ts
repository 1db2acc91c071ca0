/**
 * Many indexes searched as one: big ones in local files, all small ones merged into a few segments in shared memory,
 * so that a miss costs a few probes whatever the number of index blobs. The merge rule and the deletion watermark
 * (`kopia-format.md` 4.8) are applied here.
 */
import {
  type ContentId,
  isHiddenByWatermark,
  keyToContentId,
  type IndexEntry,
} from "../../format/index.ts";
import type { BlobId } from "../../blob/index.ts";
import { MemorySource, type Sha256 } from "./byte-source.ts";
import { mergeCursors, wins } from "./cursor.ts";
import type { IndexSetDescriptor, MemorySegment } from "./descriptor.ts";
import { EntryFields, Segment } from "./segment.ts";
import { IndexStreamWriter, SharedMemorySink } from "./writer.ts";

/** `probe` of a key that no index has, or whose deletion is older than the watermark. */
export const ABSENT = -1;
/** `probe` of a content that may be referenced. */
export const LIVE = -2;

/** One place to look and one to keep what was found there. */
interface Found {
  segment: Segment;
  fields: EntryFields;
}

/** One thread's view of a descriptor. Not shared: it has scratch memory of its own. */
export class IndexSet implements Disposable {
  readonly descriptor: IndexSetDescriptor;
  readonly #segments: readonly Segment[];
  readonly #best: EntryFields[] = [new EntryFields(), new EntryFields()];

  constructor(descriptor: IndexSetDescriptor, segments: readonly Segment[]) {
    this.descriptor = descriptor;
    this.#segments = segments;
  }

  /** Entries of all segments; what is in several counts several times. */
  get countAtMost(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.count, 0);
  }

  /** For merging with other segments. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** `LIVE`, `ABSENT`, or the second in which the content was deleted. The cheapest question. */
  probe(key: Uint8Array): number {
    const fields = this.#best[0]!;
    let timestampS = ABSENT;
    let deleted = false;
    for (const segment of this.#segments) {
      if (!segment.find(key, fields) || fields.timestampS < timestampS) continue;
      deleted = fields.timestampS > timestampS ? fields.deleted : deleted && fields.deleted;
      timestampS = fields.timestampS;
    }
    if (timestampS === ABSENT) return ABSENT;
    if (!deleted) return LIVE;
    return isHiddenByWatermark({ timestampS, deleted }, this.descriptor.deletionWatermarkS)
      ? ABSENT
      : timestampS;
  }

  /** The winning entry, deleted ones included unless the watermark hides them. @throws SEJF_CORRUPT for a bad index. */
  find(key: Uint8Array): IndexEntry | undefined {
    const found = this.#findBest(key);
    if (
      found === undefined ||
      isHiddenByWatermark(found.fields, this.descriptor.deletionWatermarkS)
    )
      return undefined;
    return entryOf(keyToContentId(key), found.segment, found.fields);
  }

  /** As `find`, deleted ones included, without making an entry: valid until the next question. */
  look(key: Uint8Array): Readonly<EntryFields> | undefined {
    return this.#findBest(key)?.fields;
  }

  /** Winners in order of keys, from the first key not below `from`. */
  *entries(from?: Uint8Array): Generator<IndexEntry, void, void> {
    for (const cursor of mergeCursors(this.#segments, from)) {
      if (isHiddenByWatermark(cursor.fields, this.descriptor.deletionWatermarkS)) continue;
      yield entryOf(keyToContentId(cursor.key), cursor.segment, cursor.fields);
    }
  }

  /** Closes the files. */
  close(): void {
    for (const segment of this.#segments) segment.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #findBest(key: Uint8Array): Found | undefined {
    let best: Found | undefined;
    let free = 0;
    for (const segment of this.#segments) {
      const candidate: Found = { segment, fields: this.#best[free]! };
      if (!segment.find(key, candidate.fields)) continue;
      if (best !== undefined && !wins(candidate, best)) continue;
      best = candidate;
      free = 1 - free;
    }
    return best;
  }
}

/**
 * Opens a descriptor, in any thread. Files that have gone meanwhile make it fail: ask for a new descriptor.
 * @throws SEJF_CORRUPT for a bad index, the system's error for a file that is not there.
 */
export function openIndexSet(descriptor: IndexSetDescriptor, sha256: Sha256): IndexSet {
  const segments: Segment[] = [];
  try {
    for (const memory of descriptor.memory) segments.push(Segment.fromMemory(memory));
    for (const file of descriptor.files) segments.push(Segment.fromFile(file, sha256));
  } catch (error) {
    for (const segment of segments) segment.close();
    throw error;
  }
  return new IndexSet(descriptor, segments);
}

/** A segment over an index in memory, of either version, in any buffer. @throws SEJF_CORRUPT. */
export function openIndexBytes(bytes: Uint8Array): Segment {
  return Segment.scan(new MemorySource(bytes));
}

/** All entries of some segments, winners only, as one segment in shared memory; `undefined` when there are none. */
export function mergeToMemory(segments: readonly Segment[]): MemorySegment | undefined {
  const filled = segments.filter((segment) => segment.count > 0);
  const [first] = filled;
  if (first === undefined) return undefined;
  if (filled.length === 1) return first.toMemory();
  const { keyLength } = first.layout;
  const sink = new SharedMemorySink();
  const writer = new IndexStreamWriter(sink, keyLength);
  for (const cursor of mergeCursors(filled)) {
    writer.add(cursor.key, cursor.fields, cursor.segment.packName(cursor.fields));
  }
  const { directory, lengthBytes } = writer.finish();
  return { bytes: sink.finish(), lengthBytes, directory };
}

function entryOf(contentId: ContentId, segment: Segment, fields: EntryFields): IndexEntry {
  return {
    contentId,
    packId: segment.packName(fields) as BlobId,
    packOffset: fields.packOffset,
    packedLength: fields.packedLength,
    originalLength: fields.originalLength,
    timestampS: fields.timestampS,
    deleted: fields.deleted,
    formatVersion: fields.formatVersion,
    compressionId: fields.compressionId,
  };
}
