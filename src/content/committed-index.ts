/**
 * The committed index: all active index blobs as one set that is searched in place. Small blobs are merged into
 * segments of shared memory, big ones are decrypted files; what a refresh finds is added, what was compacted away
 * makes it load anew. Never used for longer than the manager's state is valid.
 */
import type { BlobId, BlobMetadata } from "../blob/index.ts";
import { type CallOptions, mapConcurrent, Mutex } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import {
  type IndexFileKeys,
  IndexSet,
  type IndexSetDescriptor,
  type MemorySegment,
  mergeToMemory,
  openIndexBytes,
  Segment,
  someEntry,
} from "../node/index/index.ts";
import type { Context } from "./context.ts";
import type { DiskCache } from "./disk-cache.ts";
import { type IndexBlobSource, naming } from "./index-blobs.ts";
import { IndexFiles, type OpenFile } from "./index-files.ts";
import { type IndexManager, type IndexState, PARALLEL_INDEX_READS } from "./index-manager.ts";
import { planLoading } from "./index-plan.ts";
import type { PlanLimits } from "./types.ts";

const MAX_ATTEMPTS = 10;
const FIRST_WAIT_MS = 100;
/** How far additions may exceed the memory that a plan allows before all is planned anew. */
const MEMORY_SLACK = 2;
const MUCH_LARGER = 4;
/** What keys of manifests begin with. */
const MANIFEST_BYTE = 0x6d;

/** A set that is being iterated: its files stay open until it is released. */
export interface Lease extends Disposable {
  readonly set: IndexSet;
}

export class CommittedIndex {
  readonly #context: Context;
  readonly #manager: IndexManager;
  readonly #source: IndexBlobSource;
  readonly #indexFiles: IndexFiles;
  readonly #limits: PlanLimits;
  readonly #mutex = new Mutex();
  #loaded: ReadonlySet<BlobId> = new Set();
  #memory: readonly MemorySegment[] = [];
  #files: readonly OpenFile[] = [];
  #set: IndexSet = new IndexSet(
    { generation: 0, files: [], memory: [], deletionWatermarkS: undefined },
    [],
  );
  #validUntilMs = Number.NEGATIVE_INFINITY;
  #losses = 0;
  #leases = 0;
  #retired: Segment[] = [];

  constructor(
    context: Context,
    manager: IndexManager,
    source: IndexBlobSource,
    cache: DiskCache,
    keys: IndexFileKeys,
    limits: PlanLimits,
  ) {
    this.#context = context;
    this.#manager = manager;
    this.#source = source;
    this.#indexFiles = new IndexFiles(
      cache,
      source,
      keys,
      async (id, read) => await this.#tolerate(id, read),
    );
    this.#limits = limits;
  }

  /** The set as it is; not to be kept over an `await` (see `lease`). */
  get set(): IndexSet {
    return this.#set;
  }

  get descriptor(): IndexSetDescriptor {
    return this.#set.descriptor;
  }

  /**
   * Grows when contents may have ceased to be live: index blobs went away, by compaction or because the store was put
   * back, or somebody else's deletions came in. Deletions of manifests do not count.
   */
  get losses(): number {
    return this.#losses;
  }

  /** Whether the state may be used no longer. */
  get isExpired(): boolean {
    return this.#context.clock.nowMs() > this.#validUntilMs;
  }

  /** Loads again when the state is not valid any more; once for all that ask at the same time. */
  async ensureFresh(options: CallOptions = {}): Promise<void> {
    if (!this.isExpired) return;
    await this.#mutex.run(async () => {
      if (this.isExpired) await this.#reload(options);
    });
  }

  /** Loads what is new. */
  async refresh(options: CallOptions = {}): Promise<void> {
    await this.#mutex.run(async () => await this.#reload(options));
  }

  /** Takes over a state that was read after writing `own`, whose plain bytes are at hand. */
  async published(
    state: IndexState,
    own: ReadonlyMap<BlobId, Uint8Array>,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#mutex.run(async () => {
      try {
        // Somebody may have loaded a later one meanwhile: never go back.
        const outdated = state.validUntilMs < this.#validUntilMs;
        await this.#apply(outdated ? await this.#manager.load(options) : state, own, options);
      } catch (error) {
        // What was written is durable; only our view is old, so it is read anew, now or by the next call.
        this.#validUntilMs = Number.NEGATIVE_INFINITY;
        if (!isSejfError(error, "SEJF_BLOB_NOT_FOUND")) throw error;
        await this.#reload(options);
      }
    });
  }

  /** For iterating over awaits. */
  lease(): Lease {
    this.#leases++;
    let released = false;
    return {
      set: this.#set,
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        this.#leases--;
        this.#closeRetired();
      },
    };
  }

  close(): void {
    this.#set.close();
    for (const segment of this.#retired) segment.close();
    this.#retired = [];
  }

  /** Blobs that vanish meanwhile were compacted: it lists again (`kopia-format.md` 1.5). */
  async #reload(options: CallOptions): Promise<void> {
    let waitMs = FIRST_WAIT_MS;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#apply(await this.#manager.load(options), new Map(), options);
        return;
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || !isSejfError(error, "SEJF_BLOB_NOT_FOUND")) throw error;
        this.#context.log("debug", `index changed while it was loaded: ${error.message}`);
      }
      await this.#context.sleep(waitMs, options.signal);
      waitMs *= 2;
    }
  }

  async #apply(
    state: IndexState,
    own: ReadonlyMap<BlobId, Uint8Array>,
    options: CallOptions,
  ): Promise<void> {
    const active = new Set(state.active.map((blob) => blob.id));
    const added = state.active.filter((blob) => !this.#loaded.has(blob.id));
    const removed = [...this.#loaded].some((id) => !active.has(id));
    let isLoss = removed;
    if (removed) await this.#loadAll(state.active, own, options);
    else if (added.length > 0) isLoss = await this.#add(added, own, options);
    this.#loaded = active;
    this.#validUntilMs = state.validUntilMs;
    const sameWatermark = state.deletionWatermarkS === this.descriptor.deletionWatermarkS;
    if (removed || added.length > 0 || !sameWatermark) this.#makeSet(state.deletionWatermarkS);
    // Not before the set is another one: who has seen them then looks for nothing in one that has what is gone.
    if (isLoss) this.#losses++;
  }

  async #loadAll(
    blobs: readonly BlobMetadata[],
    own: ReadonlyMap<BlobId, Uint8Array>,
    options: CallOptions,
  ): Promise<void> {
    const plan = planLoading(blobs, this.#limits);
    const files = await this.#indexFiles.open(plan.files, plan.mergedFiles, own, options);
    try {
      const memory = toMemory(await this.#readSmall(plan.memory, own, options));
      const before = this.#files;
      this.#files = files;
      this.#memory = memory;
      this.#retired.push(...before.map((file) => file.segment));
    } catch (error) {
      for (const file of files) file.segment.close();
      throw error;
    }
  }

  /** Gives whether contents may have ceased to be live. */
  async #add(
    blobs: readonly BlobMetadata[],
    own: ReadonlyMap<BlobId, Uint8Array>,
    options: CallOptions,
  ): Promise<boolean> {
    const plan = planLoading(blobs, this.#limits);
    const foreign = blobs.some(({ id }) => !own.has(id));
    const memoryBytes = sumBytes(this.#memory) + sumBytes(plan.memory);
    const tooMuch = memoryBytes > MEMORY_SLACK * this.#limits.memoryBytes;
    if (this.#loaded.size === 0 || tooMuch || plan.files.length + plan.mergedFiles.length > 0) {
      await this.#loadAll([...blobs, ...(await this.#stillActive(blobs, options))], own, options);
      return foreign && this.#loaded.size > 0;
    }
    const segments = await this.#readSmall(blobs, own, options);
    const isLoss = foreign && segments.some((one) => someEntry(one, isDeletedData));
    const fresh = mergeToMemory(segments);
    if (fresh !== undefined) this.#memory = addGeometrically(this.#memory, fresh);
    return isLoss;
  }

  /** What was loaded before, with its sizes: a big addition is planned together with it. */
  async #stillActive(
    added: readonly BlobMetadata[],
    options: CallOptions,
  ): Promise<BlobMetadata[]> {
    if (this.#loaded.size === 0) return [];
    const addedIds = new Set(added.map((blob) => blob.id));
    const { active } = await this.#manager.load(options);
    const known = active.filter((blob) => this.#loaded.has(blob.id) && !addedIds.has(blob.id));
    if (known.length === this.#loaded.size) return known;
    throw new SejfError("SEJF_BLOB_NOT_FOUND", "index blobs were compacted while they were loaded");
  }

  async #readSmall(
    blobs: readonly BlobMetadata[],
    own: ReadonlyMap<BlobId, Uint8Array>,
    options: CallOptions,
  ): Promise<Segment[]> {
    const reads = mapConcurrent(
      blobs,
      PARALLEL_INDEX_READS,
      async ({ id }, signal) => {
        const plain = own.get(id);
        return await this.#tolerate(id, async () =>
          openIndexOf(id, plain ?? (await this.#source.readIndexBlob(id, { signal }))),
        );
      },
      options.signal,
    );
    const segments: Segment[] = [];
    for await (const segment of reads) if (segment !== undefined) segments.push(segment);
    return segments;
  }

  /** Leaves out a blob that cannot be read, where the connection allows that. */
  async #tolerate<T>(id: BlobId, read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      if (!this.#context.permissive || !isSejfError(error, "SEJF_CORRUPT")) throw error;
      this.#context.log("warn", `index blob ${id} is left out: ${error.message}`);
      return undefined;
    }
  }

  #makeSet(deletionWatermarkS: number | undefined): void {
    const files = this.#files.map((file) => file.descriptor);
    const generation = this.#set.descriptor.generation + 1;
    const descriptor = { generation, files, memory: this.#memory, deletionWatermarkS };
    const memory = this.#memory.map((segment) => Segment.fromMemory(segment));
    this.#set = new IndexSet(descriptor, [...memory, ...this.#files.map((file) => file.segment)]);
    this.#closeRetired();
  }

  #closeRetired(): void {
    if (this.#leases > 0) return;
    for (const segment of this.#retired) segment.close();
    this.#retired = [];
  }
}

function sumBytes(items: readonly { readonly lengthBytes: number }[]): number {
  return items.reduce((sum, item) => sum + item.lengthBytes, 0);
}

/** One merged index, or two where one is so much larger than all others that it is taken as it is. */
function toMemory(segments: readonly Segment[]): MemorySegment[] {
  const [largest, ...others] = segments.toSorted((a, b) => b.count - a.count);
  if (largest === undefined) return [];
  const count = others.reduce((sum, segment) => sum + segment.count, 0);
  const groups = largest.count > MUCH_LARGER * count ? [[largest], others] : [segments];
  return groups.map(mergeToMemory).filter((segment) => segment !== undefined);
}

/** Like a log-structured merge: a look-up meets few segments, and each entry is copied a few times only. */
function addGeometrically(memory: readonly MemorySegment[], fresh: MemorySegment): MemorySegment[] {
  const rest = [...memory];
  let last = fresh;
  for (
    let before = rest.at(-1);
    before !== undefined && before.lengthBytes <= 2 * last.lengthBytes;
    before = rest.at(-1)
  ) {
    rest.pop();
    last = mergeToMemory([Segment.fromMemory(before), Segment.fromMemory(last)]) ?? last;
  }
  return [...rest, last];
}

function isDeletedData(key: Uint8Array, fields: { readonly deleted: boolean }): boolean {
  return fields.deleted && key[0] !== MANIFEST_BYTE;
}

function openIndexOf(id: BlobId, plain: Uint8Array): Segment {
  return naming(id, () => openIndexBytes(plain));
}
