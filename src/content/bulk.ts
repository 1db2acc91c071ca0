/**
 * The bulk paths: the thread engine, started by the first bulk call, or the portable path where there are no threads.
 * Also the engine's host: sessions, packs and locations on this side of it.
 */
import type { BlobId, ByteRange } from "../blob/index.ts";
import { type CallOptions, type OwnedBytes, Mutex } from "../bytes/index.ts";
import { assert } from "../errors/index.ts";
import {
  contentIdToKey,
  type ContentRef,
  type ContentRequest,
  type FileBatch,
  type FileResult,
  parseContentId,
  type RestoreBatch,
  type RestoreFilesOptions,
  type RestoreResult,
  type SealedBulk,
  type SealingParameters,
  type VerifyResult,
  type WriteFilesOptions,
} from "../format/index.ts";
import type {
  BulkEngine,
  BulkEngineHost,
  ContentBatch,
  ContentLocation,
  OpenedPack,
  StoredBatch,
} from "../node/engine/index.ts";
import type { IndexSetDescriptor } from "../node/index/index.ts";
import { PortableBulk, type PortableParts } from "./bulk-portable.ts";
import type { CommittedIndex } from "./committed-index.ts";
import type { ContentLoader } from "./content-loader.ts";
import type { Claims } from "./content-writer.ts";
import { type Context, messageOf, nowS } from "./context.ts";
import type { PackFactory, PackPrefix } from "./pack-in-progress.ts";
import type { PackStore } from "./pack-store.ts";
import type { Pending } from "./pending.ts";
import { sealedOver } from "./sealed-over.ts";
import type { SessionKeeper } from "./sessions.ts";
import type { StoreContentsOptions } from "./types.ts";

export interface BulkParts {
  readonly context: Context;
  readonly pending: Pending;
  readonly committed: CommittedIndex;
  readonly loader: ContentLoader;
  readonly packs: PackStore;
  readonly factory: PackFactory;
  readonly sessions: SessionKeeper;
  readonly portable: PortableParts;
  readonly threads: number | undefined;
  /** Publishes what is stored, without asking the engine for more. */
  readonly publish: () => Promise<void>;
  /** As the public flush. */
  readonly flush: () => Promise<void>;
}

export class Bulk {
  readonly #parts: BulkParts;
  readonly #portable: PortableBulk;
  readonly #starting = new Mutex();
  readonly #entering = new Mutex();
  #engine: BulkEngine | undefined;
  /** Of the last upload that sealed: threads know one. */
  #sealing: SealingParameters | undefined;
  /** Uploads that use the engine. */
  #uploads = 0;
  /** Those of them that are short. */
  #batches = 0;
  #onBatchesLeft: (() => void) | undefined;
  /** Contents were deleted that the engine's threads still take for live, or threads do not know how to seal. */
  #stale = false;
  /** Of the committed index, when the engine was started. */
  #losses = 0;
  #refreshing = false;

  constructor(parts: BulkParts) {
    this.#parts = parts;
    this.#portable = new PortableBulk(parts.portable);
  }

  /** Absent also when they may name what is gone and no upload needs them: writing twice is better than not at all. */
  get claims(): Claims | undefined {
    return this.#isStale && this.#uploads === 0 ? undefined : this.#engine?.claims;
  }

  get #isStale(): boolean {
    const hasOldIndex = this.#engine !== undefined && this.#losses !== this.#parts.committed.losses;
    return this.#stale || hasOldIndex;
  }

  /** A content was deleted. Threads that start later would take it for live too, as long as no index says so. */
  deleted(): void {
    this.#stale = true;
  }

  async *writeFiles(
    batches: AsyncIterable<FileBatch>,
    options: WriteFilesOptions,
  ): AsyncGenerator<readonly FileResult[], void, void> {
    await this.#parts.committed.ensureFresh(options);
    const engine = await this.#enter(options.parallel);
    try {
      if (engine === undefined) yield* this.#portable.writeFiles(batches, options);
      else yield* this.#counted(engine.writeFiles(batches, options));
    } finally {
      this.#uploads--;
    }
  }

  /** `undefined` without threads. */
  sealed(sealing: SealingParameters): SealedBulk | undefined {
    if (this.#threads === 0) return undefined;
    return sealedOver(this, (batches, options) => this.#writeSealed(sealing, batches, options));
  }

  async *#writeSealed(
    sealing: SealingParameters,
    batches: AsyncIterable<FileBatch>,
    options: WriteFilesOptions,
  ): AsyncGenerator<readonly FileResult[], void, void> {
    await this.#parts.committed.ensureFresh(options);
    if (this.#sealing !== sealing) {
      assert(this.#uploads === 0, "contents are sealed under one account at a time");
      this.#sealing = sealing;
      this.#stale = this.#engine !== undefined;
    }
    const engine = await this.#enter(options.parallel);
    try {
      assert(engine !== undefined, "there are threads that seal");
      yield* this.#counted(engine.writeSealed(batches, options));
    } finally {
      this.#uploads--;
    }
  }

  /** In the background; what fails is met by the first who needs the threads. */
  warmUp(): void {
    this.#start().then(
      (engine) => engine?.warmUp(),
      () => undefined,
    );
  }

  /** `undefined` where threads do not take it, which leaves the memory alone. @throws what the store refuses earlier packs with. */
  async storeContents(
    batch: ContentBatch,
    { evenly, ...options }: StoreContentsOptions,
  ): Promise<StoredBatch | undefined> {
    if (this.#threads === 0) return undefined;
    await this.#parts.committed.ensureFresh(options);
    await this.#parts.packs.retryKept();
    const engine = await this.#enter(undefined);
    this.#batches++;
    try {
      // An index of version 1 cannot tell that a content is compressed.
      const plain = this.#parts.context.format.indexVersion === 1;
      const compressors = plain ? new Uint32Array(batch.lengths.length) : batch.compressors;
      const stored = await engine?.storeContents({ ...batch, compressors }, { evenly });
      if (stored !== undefined) this.#count(batch.lengths, stored.isNew);
      return stored;
    } finally {
      this.#uploads--;
      if (--this.#batches === 0) this.#onBatchesLeft?.();
    }
  }

  async *restoreFiles(
    batches: AsyncIterable<RestoreBatch>,
    options: RestoreFilesOptions,
  ): AsyncGenerator<readonly RestoreResult[], void, void> {
    await this.#parts.committed.ensureFresh(options);
    yield* ((await this.#start()) ?? this.#portable).restoreFiles(batches, options);
  }

  async *verifyMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options: CallOptions,
  ): AsyncGenerator<readonly VerifyResult[], void, void> {
    await this.#parts.committed.ensureFresh(options);
    yield* ((await this.#start()) ?? this.#portable).verifyMany(requests, options);
  }

  /** What threads hold of the key is in a stored pack when it resolves; false when they hold nothing. */
  async drainFor(key: Uint8Array): Promise<boolean> {
    if (this.#engine?.claims.has(key) !== true) return false;
    await this.#engine.drain();
    return true;
  }

  /** @throws what the engine could not store. */
  async drain(): Promise<void> {
    await this.#engine?.drain();
  }

  indexCommitted(): void {
    this.#engine?.indexCommitted();
  }

  async close(): Promise<void> {
    await this.#engine?.close();
    this.#engine = undefined;
  }

  #count(lengths: Uint32Array, isNew: Uint8Array): void {
    const { statistics } = this.#parts.context;
    for (const [i, length] of lengths.entries()) {
      if (isNew[i] === 1) {
        statistics.writtenContents++;
        statistics.writtenBytes += length;
      } else {
        statistics.knownContents++;
        statistics.knownBytes += length;
      }
    }
  }

  async *#counted(
    pages: AsyncIterable<readonly FileResult[]>,
  ): AsyncGenerator<readonly FileResult[], void, void> {
    const { statistics } = this.#parts.context;
    for await (const page of pages) {
      for (const result of page) {
        if (!result.ok) continue;
        statistics.writtenBytes += result.newBytes;
        statistics.knownBytes += result.sizeBytes - result.newBytes;
      }
      yield page;
    }
  }

  /** In the background of a long run: threads must not take an old index for the present one for ever. */
  #refreshIfExpired(): void {
    const { committed, context } = this.#parts;
    if (!committed.isExpired || this.#refreshing) return;
    this.#refreshing = true;
    committed
      .ensureFresh()
      .then(
        () => this.indexCommitted(),
        (error: unknown) =>
          context.log("warn", `the index could not be refreshed: ${messageOf(error)}`),
      )
      .finally(() => {
        this.#refreshing = false;
      });
  }

  /**
   * The engine, with an index that knows of all deletions as long as no other upload keeps the old one; counted among
   * the uploads.
   */
  async #enter(threads: number | undefined): Promise<BulkEngine | undefined> {
    return await this.#entering.run(async () => {
      if (this.#isStale) await this.#batchesLeft();
      if (this.#isStale && this.#uploads === 0) await this.#renew();
      const engine = await this.#start(threads);
      this.#uploads++;
      return engine;
    });
  }

  /** All that was deleted is in the index that the next engine starts with; what is deleted meanwhile makes that one stale. */
  async #renew(): Promise<void> {
    this.#stale = false;
    try {
      await this.#parts.flush();
      await this.close();
    } catch (error) {
      this.#stale = true;
      throw error;
    }
  }

  /** Coming one after the other without a gap, they would keep an old index for ever. */
  async #batchesLeft(): Promise<void> {
    if (this.#batches === 0) return;
    await new Promise<void>((resolve) => {
      this.#onBatchesLeft = resolve;
    });
    this.#onBatchesLeft = undefined;
  }

  async #start(threads?: number): Promise<BulkEngine | undefined> {
    if (this.#threads === 0) return undefined;
    return await this.#starting.run(async () => {
      if (this.#engine !== undefined) return this.#engine;
      const { createBulkEngine } = await import("../node/engine/index.ts");
      const { format } = this.#parts.context;
      const engine = createBulkEngine(this.#host(), {
        codec: format,
        formatVersion: format.version,
        maxPackSizeBytes: format.maxPackSize,
        splitter: format.splitter,
        threads: this.#parts.threads ?? threads,
        sealing: this.#sealing,
      });
      if (engine.threads === 0) {
        await engine.close();
        return undefined;
      }
      for (const id of this.#parts.pending.liveIds()) engine.claims.claim(contentIdToKey(id));
      this.#losses = this.#parts.committed.losses;
      this.#engine = engine;
      return engine;
    });
  }

  get #threads(): number | undefined {
    const fromEnvironment = process.env["SEJF_THREADS"];
    return this.#parts.threads ?? (fromEnvironment === "0" ? 0 : undefined);
  }

  #host(): BulkEngineHost {
    const { context, committed, loader, packs, factory, sessions, publish } = this.#parts;
    return {
      storage: context.storage,
      nowS: (): number => {
        this.#refreshIfExpired();
        return nowS(context);
      },
      indexDescriptor: (): IndexSetDescriptor => committed.descriptor,
      openPack: async (prefix: PackPrefix): Promise<OpenedPack> => {
        const packId = sessions.addPack((session) => factory.newId(prefix, session));
        return { packId, formatCopy: factory.formatCopy };
      },
      storePack: async (packId: BlobId, bytes: Uint8Array, localIndex: OwnedBytes): Promise<void> =>
        await packs.storeForeign(packId, bytes, localIndex, this.#engine?.threads ?? 0),
      commitIndex: publish,
      locate: async (
        refs: readonly ContentRef[],
      ): Promise<readonly (ContentLocation | undefined)[]> => {
        await committed.ensureFresh();
        const found: (ContentLocation | undefined)[] = [];
        for (const ref of refs) {
          const id = parseContentId(ref);
          found.push(loader.entryOf(id) ?? (await loader.findEntry(id)));
        }
        return found;
      },
      readPackRange: async (
        packId: BlobId,
        range: ByteRange,
        options?: CallOptions,
      ): Promise<OwnedBytes> => await loader.packRange(packId, range, options),
    };
  }
}
