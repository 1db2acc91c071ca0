/**
 * What was written and is in no published index yet: packs being filled, packs being stored, local indexes of stored
 * packs, and loose entries (deletions). Bounded by the size of packs and by automatic flushes; stored packs are kept as
 * packed indexes, never as objects.
 */
import type { BlobId } from "../blob/index.ts";
import {
  compareEntries,
  type ContentId,
  contentIdToKey,
  type IndexEntry,
  IndexBuilder,
  openIndex,
} from "../format/index.ts";
import { IndexSet, mergeToMemory, openIndexBytes, Segment } from "../node/index/index.ts";
import { settlesSoon } from "../node/turn/index.ts";
import type { PackInProgress } from "./pack-in-progress.ts";

/** Loose entries beyond this are published by themselves. */
export const MAX_LOOSE_ENTRIES = 100_000;

/** Local indexes of stored packs that are searched one by one before they are merged. */
const MERGED_SEGMENTS = 16;

/** A stored pack whose entries wait for an index. */
export interface StoredPack {
  readonly packId: BlobId;
  /** Plain index bytes of either version. */
  readonly index: Uint8Array;
}

/** What one index will publish; given back to `published` when it is durable. */
export interface PendingBatch {
  readonly packs: readonly BlobId[];
  readonly loose: ReadonlyMap<ContentId, IndexEntry>;
  readonly shards: readonly Uint8Array[];
}

export class Pending {
  /** Being filled or stored, oldest first; they hold their contents' bytes. */
  readonly #inMemory = new Set<PackInProgress>();
  #stored: StoredPack[] = [];
  #storedSet: IndexSet = setOf([]);
  /** The next batch, with so many of the stored packs. */
  #builder = new IndexBuilder();
  #inBuilder = 0;
  readonly #loose = new Map<ContentId, IndexEntry>();

  /** A pack in memory; its contents are found from now on. */
  addPack(pack: PackInProgress): void {
    this.#inMemory.add(pack);
  }

  /** A pack that got no content. */
  dropPack(pack: PackInProgress): void {
    this.#inMemory.delete(pack);
  }

  /** A pack is in the store: its local index takes the place of its bytes. */
  addStored(packId: BlobId, index: Uint8Array, pack?: PackInProgress): void {
    this.#stored.push({ packId, index });
    this.#storedSet = setOf(mergeSmall([...this.#storedSet.segments, openIndexBytes(index)]));
    if (pack !== undefined) this.#inMemory.delete(pack);
  }

  /** A deletion, or any entry that comes without bytes. */
  addLoose(entry: IndexEntry): void {
    this.#loose.set(entry.contentId, entry);
  }

  get looseCount(): number {
    return this.#loose.size;
  }

  /** There is something that `takeBatch` would publish. */
  get hasUnpublished(): boolean {
    return this.#stored.length > 0 || this.#loose.size > 0;
  }

  get isEmpty(): boolean {
    return !this.hasUnpublished && this.#inMemory.size === 0;
  }

  /** The winner among all that is pending. */
  find(id: ContentId, key: Uint8Array = contentIdToKey(id)): IndexEntry | undefined {
    let best = this.#storedSet.find(key);
    for (const pack of this.#inMemory) best = winner(best, pack.find(id));
    return winner(best, this.#loose.get(id));
  }

  /** What the stored packs say of a content, valid until the next question; "else" when something else says more. */
  look(id: ContentId, key: Uint8Array): ReturnType<IndexSet["look"]> | "else" {
    if (this.#loose.has(id)) return "else";
    for (const pack of this.#inMemory) if (pack.find(id) !== undefined) return "else";
    return this.#storedSet.look(key);
  }

  /** Contents that may be referenced, as far as this knows. */
  *liveIds(): Generator<ContentId, void, void> {
    for (const pack of this.#inMemory)
      for (const entry of pack.entries())
        if (this.find(entry.contentId)?.deleted === false) yield entry.contentId;
    for (const entry of this.#storedSet.entries())
      if (this.find(entry.contentId)?.deleted === false) yield entry.contentId;
  }

  /** Stored bytes of a content whose pack is not in the store yet. A view, valid until the next await. */
  bytesOf(entry: IndexEntry): Uint8Array | undefined {
    for (const pack of this.#inMemory)
      if (pack.packId === entry.packId) return pack.storedBytes(entry.contentId);
    return undefined;
  }

  /** Everything pending as segments, as it is now, to be merged with the committed ones. */
  segments(version: number): Segment[] {
    const builder = new IndexBuilder();
    for (const pack of this.#inMemory) for (const entry of pack.entries()) builder.add(entry);
    for (const entry of this.#loose.values()) builder.add(entry);
    const stored = this.#storedSet.segments;
    return builder.count === 0 ? [...stored] : [...stored, openIndexBytes(builder.build(version))];
  }

  /** Waits for packs on their way, and does meanwhile what `takeBatch` has to do with those that are stored. */
  async prepareWhile(storing: Promise<void>): Promise<void> {
    // Between two packs the storing goes on.
    while (!(await settlesSoon(storing)) && this.#prepareNext());
    await storing;
  }

  /** An index over all stored packs and loose entries. Nothing is forgotten until `published`. */
  takeBatch(version: number): PendingBatch {
    while (this.#prepareNext());
    const builder = this.#newBuilder();
    const loose = new Map<ContentId, IndexEntry>();
    for (const [id, entry] of this.#loose) {
      // An index never names a pack that is not in the store.
      if (this.#isInMemory(entry.packId)) continue;
      builder.add(entry);
      loose.set(id, entry);
    }
    const shards = builder.count === 0 ? [] : builder.buildShards(version);
    return { packs: this.#stored.map((pack) => pack.packId), loose, shards };
  }

  /** Forgets a batch that is now in the committed index; what came meanwhile stays. */
  published(batch: PendingBatch): void {
    const packs = new Set(batch.packs);
    this.#newBuilder();
    this.#stored = this.#stored.filter((pack) => !packs.has(pack.packId));
    for (const [id, entry] of batch.loose)
      if (this.#loose.get(id) === entry) this.#loose.delete(id);
    this.#storedSet = setOf(this.#stored.map((pack) => openIndexBytes(pack.index)));
  }

  /** Packs in the store whose entries are not published. */
  get storedPacks(): ReadonlySet<BlobId> {
    return new Set(this.#stored.map((pack) => pack.packId));
  }

  /** False when all are in. */
  #prepareNext(): boolean {
    const next = this.#stored[this.#inBuilder];
    if (next === undefined) return false;
    this.#builder.addAll(openIndex(next.index));
    this.#inBuilder++;
    return true;
  }

  /** Gives the one before. */
  #newBuilder(): IndexBuilder {
    const before = this.#builder;
    this.#builder = new IndexBuilder();
    this.#inBuilder = 0;
    return before;
  }

  #isInMemory(packId: BlobId): boolean {
    for (const pack of this.#inMemory) if (pack.packId === packId) return true;
    return false;
  }
}

/** The entry that wins by the merge rule. */
export function winner(
  a: IndexEntry | undefined,
  b: IndexEntry | undefined,
): IndexEntry | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareEntries(b, a) > 0 ? b : a;
}

/** Merges the last segments when there are many of about one size, so that an entry is copied a few times at most. */
function mergeSmall(segments: readonly Segment[]): readonly Segment[] {
  let from = segments.length - 1;
  while (from > 0 && segments[from - 1]!.count <= 2 * segments.at(-1)!.count) from--;
  if (segments.length - from < MERGED_SEGMENTS) return segments;
  const merged = mergeToMemory(segments.slice(from));
  const rest = segments.slice(0, from);
  return merged === undefined ? rest : [...rest, Segment.fromMemory(merged)];
}

function setOf(segments: readonly Segment[]): IndexSet {
  return new IndexSet(
    { generation: 0, files: [], memory: [], deletionWatermarkS: undefined },
    segments,
  );
}
