/**
 * The direct content store: joins index, packs, sessions and threads, and keeps the order that makes a flush durable:
 * packs, then the index, then the check of its epoch, then the session markers (`kopia-format.md` 4.3, 5.5).
 */
import type { BlobId, BlobStorage } from "../blob/index.ts";
import { type CallOptions, type OwnedBytes, Mutex } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import {
  type ContentId,
  type ContentPrefix,
  contentPrefix,
  type ContentRef,
  type ContentRequest,
  type ContentResult,
  type ContentStat,
  type FileBatch,
  type FileResult,
  MANIFEST_PREFIX,
  openIndex,
  type PackedIndex,
  parseContentId,
  type RepositoryFormat,
  type RestoreBatch,
  type RestoreFilesOptions,
  type RestoreResult,
  type SessionId,
  type SealedBulk,
  type SealingParameters,
  type VerifyResult,
  type WriteFilesOptions,
} from "../format/index.ts";
import { Bulk } from "./bulk.ts";
import type { CommittedIndex } from "./committed-index.ts";
import { ContentLoader } from "./content-loader.ts";
import { ContentVerifier, infoOf, listContents } from "./content-lister.ts";
import { SingleWriter } from "./content-writer.ts";
import { assertWritable, type Context, messageOf } from "./context.ts";
import { fillMetadataCache } from "./cache-folder.ts";
import type { DiskCache } from "./disk-cache.ts";
import type { IndexManager } from "./index-manager.ts";
import type { PackFactory } from "./pack-in-progress.ts";
import { PackStore } from "./pack-store.ts";
import { MAX_LOOSE_ENTRIES, Pending } from "./pending.ts";
import { readMany } from "./read-many.ts";
import { recoverIndexes } from "./recovery.ts";
import { listSessions, SessionKeeper } from "./sessions.ts";
import type {
  CompactIndexesOptions,
  ContentBatch,
  ContentInfo,
  ContentsStatistics,
  DirectContents,
  DirectWriteOptions,
  EpochState,
  FillCacheOptions,
  FillCacheResult,
  IndexBlobInfo,
  IndexMaintenanceOptions,
  IndexMaintenanceResult,
  ListContentsOptions,
  ReadIntoOptions,
  RecoverIndexesOptions,
  RecoverIndexesResult,
  RewriteOptions,
  SessionInfo,
  StoreContentsOptions,
  StoredBatch,
  VerifyContentsOptions,
  VerifyContentsResult,
} from "./types.ts";
import type { CompressionEngine } from "../compress/index.ts";

/** A long run publishes what it has this often, so that a crash loses little. */
const AUTOMATIC_FLUSH_MS = 10 * 60_000;

export interface StoreParts {
  readonly context: Context;
  readonly compression: CompressionEngine;
  readonly cache: DiskCache;
  readonly manager: IndexManager;
  readonly committed: CommittedIndex;
  readonly factory: PackFactory;
  readonly threads: number | undefined;
}

export class DirectStore implements DirectContents {
  readonly compression: CompressionEngine;
  readonly #context: Context;
  readonly #cache: DiskCache;
  readonly #manager: IndexManager;
  readonly #committed: CommittedIndex;
  readonly #pending = new Pending();
  readonly #sessions: SessionKeeper;
  readonly #packs: PackStore;
  readonly #loader: ContentLoader;
  readonly #writer: SingleWriter;
  readonly #bulk: Bulk;
  readonly #flushing = new Mutex();
  #deletions = 0;
  #lastFlushMs: number;
  #automatic: Promise<void> | undefined;

  constructor(parts: StoreParts) {
    const { context, cache, manager, committed, factory } = parts;
    const pending = this.#pending;
    this.compression = parts.compression;
    this.#context = context;
    this.#cache = cache;
    this.#manager = manager;
    this.#committed = committed;
    this.#lastFlushMs = context.clock.nowMs();
    const sessions = new SessionKeeper(context);
    const packs = new PackStore(context, pending, sessions, () => this.#flushIfDue());
    const loader = new ContentLoader(
      context,
      cache,
      pending,
      committed,
      async (key) => await this.#bulk.drainFor(key),
    );
    const shared = { context, pending, committed, loader, packs, factory, sessions };
    this.#sessions = sessions;
    this.#packs = packs;
    this.#loader = loader;
    this.#writer = new SingleWriter({ ...shared, claims: () => this.#bulk.claims });
    this.#bulk = new Bulk({
      ...shared,
      threads: parts.threads,
      publish: async () =>
        await this.#flushing.run(async () => await this.#publish(sessions.currentId)),
      flush: async () => await this.flush(),
      portable: {
        format: context.format,
        compression: parts.compression,
        write: async (data, options) => await this.#writeCounting(data, options),
        read: async (ref, options) => await this.read(ref, options),
        readMany: (requests, options) => this.readMany(requests, options),
      },
    });
  }

  get readOnly(): boolean {
    return this.#context.readOnly;
  }

  get losses(): number {
    return this.#committed.losses + this.#deletions;
  }

  get storage(): BlobStorage {
    return this.#context.storage;
  }

  get format(): RepositoryFormat {
    return this.#context.format;
  }

  contentId(data: Uint8Array, prefix: ContentPrefix): ContentId {
    return this.#writer.idOf(data, prefix);
  }

  async write(data: Uint8Array, options: DirectWriteOptions): Promise<ContentRef> {
    return (await this.#writeCounting(data, options)).ref;
  }

  warmUp(): void {
    if (!this.#context.readOnly) this.#bulk.warmUp();
  }

  async storeContents(
    batch: ContentBatch,
    options: StoreContentsOptions,
  ): Promise<StoredBatch | undefined> {
    assertWritable(this.#context);
    const stored = await this.#bulk.storeContents(batch, options);
    this.#flushIfDue();
    return stored;
  }

  async flush(options: CallOptions = {}): Promise<void> {
    if (this.#context.readOnly) return;
    // Before the lock: a thread whose table of claims is full publishes an index by itself.
    await this.#pending.prepareWhile(this.#bulk.drain());
    await this.#flushing.run(async () => {
      this.#writer.closePacks();
      const session = this.#sessions.end();
      await this.#pending.prepareWhile(this.#packs.drain());
      await this.#publish(session, options);
      await this.#sessions.removeMarkers(options);
    });
  }

  async storeHeld(): Promise<void> {
    if (this.#context.readOnly) return;
    await this.#pending.prepareWhile(this.#bulk.drain());
    await this.#flushing.run(async () => await this.#packs.drain());
  }

  async refresh(options: CallOptions = {}): Promise<void> {
    await this.#committed.refresh(options);
  }

  async read(ref: ContentRef, options: CallOptions = {}): Promise<OwnedBytes> {
    return await this.#loader.read(parseContentId(ref), options);
  }

  async readInto(ref: ContentRef, options: ReadIntoOptions): Promise<OwnedBytes> {
    return await this.#loader.readInto(parseContentId(ref), options);
  }

  readMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options: CallOptions = {},
  ): AsyncIterable<readonly ContentResult[]> {
    return readMany(this.#loader, requests, options);
  }

  async stat(ref: ContentRef, options: CallOptions = {}): Promise<ContentStat | undefined> {
    const entry = await this.#loader.findEntry(parseContentId(ref), options);
    return entry === undefined || entry.deleted
      ? undefined
      : { ref, originalLength: entry.originalLength };
  }

  writeFiles(
    batches: AsyncIterable<FileBatch>,
    options: WriteFilesOptions = {},
  ): AsyncIterable<readonly FileResult[]> {
    assertWritable(this.#context);
    return this.#bulk.writeFiles(batches, options);
  }

  restoreFiles(
    batches: AsyncIterable<RestoreBatch>,
    options: RestoreFilesOptions = {},
  ): AsyncIterable<readonly RestoreResult[]> {
    return this.#bulk.restoreFiles(batches, options);
  }

  verifyMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options: CallOptions = {},
  ): AsyncIterable<readonly VerifyResult[]> {
    return this.#bulk.verifyMany(requests, options);
  }

  sealedBulk(sealing: SealingParameters): SealedBulk | undefined {
    return this.#bulk.sealed(sealing);
  }

  async info(id: ContentId, options: CallOptions = {}): Promise<ContentInfo | undefined> {
    const entry = await this.#loader.findEntry(id, options);
    return entry === undefined ? undefined : infoOf(entry);
  }

  async lengths(ids: readonly ContentId[], options: CallOptions = {}): Promise<Float64Array> {
    return await this.#loader.lengthsOf(ids, options);
  }

  async *list(
    options: ListContentsOptions = {},
  ): AsyncGenerator<readonly ContentInfo[], void, void> {
    await this.#bulk.drain();
    yield* listContents(this.#context, this.#committed, this.#pending, options);
  }

  async delete(id: ContentId, options: CallOptions = {}): Promise<void> {
    assertWritable(this.#context);
    if (!(await this.#writer.delete(id, options))) return;
    if (!id.startsWith(MANIFEST_PREFIX)) this.#deletions++;
    // Threads write file data only.
    if (contentPrefix(id) === "") this.#bulk.deleted();
    if (this.#pending.looseCount < MAX_LOOSE_ENTRIES) return;
    await this.#flushing.run(async () => await this.#publish(this.#sessions.currentId, options));
  }

  async undelete(id: ContentId, options: CallOptions = {}): Promise<void> {
    assertWritable(this.#context);
    await this.#writer.undelete(id, options);
  }

  async rewrite(
    ids: AsyncIterable<readonly ContentId[]> | Iterable<readonly ContentId[]>,
    options: RewriteOptions = {},
  ): Promise<{ readonly contents: number; readonly bytes: number }> {
    assertWritable(this.#context);
    let contents = 0;
    let bytes = 0;
    for await (const page of ids) {
      for (const id of page) {
        options.signal?.throwIfAborted();
        bytes += await this.#writer.rewrite(id, options);
        contents++;
      }
    }
    return { contents, bytes };
  }

  async verify(options: VerifyContentsOptions = {}): Promise<VerifyContentsResult> {
    const verifier = new ContentVerifier(
      this.#context,
      (listing) => listContents(this.#context, this.#committed, this.#pending, listing),
      (requests, call) => this.verifyMany(requests, call),
    );
    await this.#bulk.drain();
    return await verifier.run(options);
  }

  async indexBlobs(
    options: CallOptions & { readonly includeInactive?: boolean | undefined } = {},
  ): Promise<readonly IndexBlobInfo[]> {
    return await this.#manager.list(options.includeInactive === true, options);
  }

  async openIndexBlob(id: BlobId, options: CallOptions = {}): Promise<PackedIndex> {
    const { codec, storage } = this.#context;
    try {
      return openIndex(codec.decryptBlob(id, await storage.get(id, options)));
    } catch (error) {
      if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
      throw new SejfError("SEJF_CORRUPT", `index blob ${id}: ${error.message}`, { cause: error });
    }
  }

  async epochState(options: CallOptions = {}): Promise<EpochState | undefined> {
    return await this.#manager.epochState(options);
  }

  async compactIndexes(options: CompactIndexesOptions = {}): Promise<IndexMaintenanceResult> {
    return await this.#maintain(async () => await this.#manager.compact(options), options);
  }

  async maintainIndexes(options: IndexMaintenanceOptions = {}): Promise<IndexMaintenanceResult> {
    return await this.#maintain(async () => await this.#manager.maintain(options), options);
  }

  async advanceEpoch(options: CallOptions = {}): Promise<number> {
    return await this.#maintain(async () => await this.#manager.advanceEpoch(options), options);
  }

  async setDeletionWatermark(timestampS: number, options: CallOptions = {}): Promise<void> {
    await this.#maintain(
      async () => await this.#manager.setDeletionWatermark(timestampS, options),
      options,
    );
  }

  async recoverIndexes(options: RecoverIndexesOptions): Promise<RecoverIndexesResult> {
    if (options.commit) assertWritable(this.#context);
    return await recoverIndexes(this.#context, this.#manager, this.#committed, options);
  }

  async fillMetadataCache(options: FillCacheOptions = {}): Promise<FillCacheResult> {
    return await fillMetadataCache(this.#context, this.#loader, options);
  }

  async sessions(options: CallOptions = {}): Promise<readonly SessionInfo[]> {
    return await listSessions(this.#context, options);
  }

  statistics(): ContentsStatistics {
    return { ...this.#context.statistics };
  }

  async close(): Promise<void> {
    await this.#bulk.close();
    await this.#packs.settle();
    await this.#automatic;
    if (!this.#context.readOnly) await this.#sessions.close(this.#pending.storedPacks);
    this.#committed.close();
    await this.#loader.close();
    await this.#cache.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #writeCounting(
    data: Uint8Array,
    options: DirectWriteOptions,
  ): Promise<{ readonly ref: ContentRef; readonly isNew: boolean }> {
    assertWritable(this.#context);
    const { id, isNew } = await this.#writer.write(data, options);
    this.#flushIfDue();
    return { ref: id as string as ContentRef, isNew };
  }

  /** One index over all stored packs and deletions. Inside the lock. */
  async #publish(session: SessionId, options: CallOptions = {}): Promise<void> {
    const batch = this.#pending.takeBatch(this.#context.format.indexVersion);
    this.#lastFlushMs = this.#context.clock.nowMs();
    if (batch.shards.length === 0) return;
    const { blobs, state } = await this.#manager.write(batch.shards, session, options);
    const own = new Map(blobs.map((blob, i) => [blob.id, batch.shards[i] as Uint8Array]));
    await this.#committed.published(state, own, options);
    this.#pending.published(batch);
    this.#sessions.indexed(batch.packs);
    this.#context.statistics.indexFlushes++;
    this.#bulk.indexCommitted();
    await this.#tidyIndexes(options);
  }

  /** Best effort: what was written is safe already. */
  async #tidyIndexes(options: CallOptions): Promise<void> {
    try {
      const done = await this.#manager.afterFlush(options);
      if (done !== undefined) await this.#committed.refresh(options);
    } catch (error) {
      options.signal?.throwIfAborted();
      this.#context.log("warn", `index blobs could not be merged: ${messageOf(error)}`);
    }
  }

  /** In the background; a failure is only logged, for everything is kept and the next flush tries again. */
  #flushIfDue(): void {
    const due = this.#context.clock.nowMs() - this.#lastFlushMs >= AUTOMATIC_FLUSH_MS;
    if (!due || this.#automatic !== undefined || !this.#pending.hasUnpublished) return;
    this.#automatic = this.#flushing
      .run(async () => await this.#publish(this.#sessions.currentId))
      .catch((error: unknown) => this.#context.log("warn", `automatic flush: ${messageOf(error)}`))
      .finally(() => {
        this.#automatic = undefined;
      });
  }

  async #maintain<T>(work: () => Promise<T>, options: CallOptions): Promise<T> {
    assertWritable(this.#context);
    return await this.#flushing.run(async () => {
      const result = await work();
      await this.#committed.refresh(options);
      return result;
    });
  }
}
