/**
 * The old manager of index blobs: `n` indexes, `m` compaction logs, `l` cleanup schedules. A log makes its inputs
 * inactive once all its outputs are there; index blobs are deleted before the logs that replace them, never the other
 * way round, or they would come back to life. Spec: kopia-format 5.8.
 */
import { type BlobId, type BlobMetadata, getBlobIfPresent, listAllBlobs } from "../blob/index.ts";
import { type CallOptions, mapConcurrent } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import {
  type CleanupSchedule,
  type CompactionLog,
  decodeCleanupSchedule,
  decodeCompactionLog,
  encodeCleanupSchedule,
  encodeCompactionLog,
  type IndexEntry,
  IndexBuilder,
  oldIndexesToCompact,
  openIndex,
  POISON_BLOB_ID,
  resolveCompactionLogs,
} from "../format/index.ts";
import { type Context, putIndexBlob } from "./context.ts";
import {
  type IndexBlobReader,
  type IndexManager,
  type IndexState,
  NOTHING_DONE,
  PARALLEL_INDEX_READS,
} from "./index-manager.ts";
import type {
  CompactIndexesOptions,
  IndexBlobInfo,
  IndexMaintenanceOptions,
  IndexMaintenanceResult,
} from "./types.ts";

const VALID_MS = 15 * 60_000;
const HOUR_NS = 3_600_000_000_000n;
const RANDOM_TAIL_BYTES = 32;
const MIN_BLOBS = 8;
/** After a flush, blobs are merged when there are this many. */
const LIGHT_BLOBS = 64;

interface StoredLog {
  readonly blob: BlobMetadata;
  readonly log: CompactionLog;
}

export class LogManager implements IndexManager {
  readonly #context: Context;
  readonly #reader: IndexBlobReader;
  /** Logs never change, so each is read once. */
  readonly #logs = new Map<BlobId, CompactionLog>();
  #activeCount = 0;

  constructor(context: Context, reader: IndexBlobReader) {
    this.#context = context;
    this.#reader = reader;
  }

  async load(options: CallOptions = {}): Promise<IndexState> {
    const validUntilMs = this.#context.clock.nowMs() + VALID_MS;
    // Indexes first: a log that appears between the two listings names outputs that are not in the first, so it is not
    // valid yet, and its inputs are still there.
    const indexes = await listAllBlobs(this.#context.storage, "n", options);
    const logs = await this.#readLogs(options);
    const active = resolveCompactionLogs(
      indexes,
      logs.map(({ log }) => log),
    );
    this.#activeCount = active.length;
    return { active, deletionWatermarkS: undefined, validUntilMs };
  }

  async write(
    shards: readonly Uint8Array[],
    session: string,
    options: CallOptions = {},
  ): Promise<{ readonly blobs: readonly BlobMetadata[]; readonly state: IndexState }> {
    const blobs: BlobMetadata[] = [];
    for (const shard of shards) {
      const { id, data } = this.#context.codec.encryptBlob("n", session, shard);
      blobs.push(await putIndexBlob(this.#context, id, data, options));
    }
    return { blobs, state: await this.load(options) };
  }

  async list(
    includeInactive: boolean,
    options: CallOptions = {},
  ): Promise<readonly IndexBlobInfo[]> {
    const { active } = await this.load(options);
    const known = new Set(active.map((blob) => blob.id));
    const all = includeInactive ? await listAllBlobs(this.#context.storage, "n", options) : active;
    return all.map((blob) => ({ ...blob, active: known.has(blob.id) }));
  }

  async compact(options: CompactIndexesOptions): Promise<IndexMaintenanceResult> {
    const written = await this.#compact(options);
    if (written === undefined) return NOTHING_DONE;
    return { ...NOTHING_DONE, deletedBlobs: await this.#deleteReplaced(written, options) };
  }

  async maintain(options: IndexMaintenanceOptions): Promise<IndexMaintenanceResult> {
    const written = await this.#compact(options);
    if (options.cleanup !== true) return NOTHING_DONE;
    const replaced = written === undefined ? [] : await this.#deleteReplaced(written, options);
    return {
      ...NOTHING_DONE,
      deletedBlobs: [...replaced, ...(await this.#deleteScheduled(options))],
    };
  }

  async afterFlush(options: CallOptions = {}): Promise<IndexMaintenanceResult | undefined> {
    if (this.#activeCount < LIGHT_BLOBS) return undefined;
    return (await this.#compact(options)) === undefined ? undefined : NOTHING_DONE;
  }

  async epochState(): Promise<undefined> {
    return await Promise.resolve(undefined);
  }

  async advanceEpoch(): Promise<number> {
    return await Promise.reject(noEpochs());
  }

  async setDeletionWatermark(): Promise<void> {
    await Promise.reject(noEpochs());
  }

  /** Merges and writes the log. `undefined`: not worth while, or somebody else was quicker. */
  async #compact(options: CompactIndexesOptions): Promise<BlobMetadata | undefined> {
    const { format, codec } = this.#context;
    const { active } = await this.load(options);
    const drops =
      options.dropDeletedBeforeS !== undefined || (options.dropContents ?? []).length > 0;
    // What is dropped has to go from all indexes at once: an older entry that stays in one would count again.
    const inputs =
      options.all === true || drops
        ? active.filter((blob) => blob.id !== POISON_BLOB_ID)
        : oldIndexesToCompact(active, {
            maxPackSize: format.maxPackSize,
            minCount: options.minBlobs ?? MIN_BLOBS,
          });
    if (inputs.length === 0 || (inputs.length === 1 && !drops)) return undefined;
    const builder = await this.#merge(inputs, options);
    if (builder === undefined) return undefined;
    const outputs = await this.#writeMerged(dropFrom(builder, options), options);
    const outputIds = new Set(outputs.map((blob) => blob.id));
    const replaced = inputs.filter((blob) => !outputIds.has(blob.id));
    const log = codec.encryptBlob("m", "", encodeCompactionLog({ inputs: replaced, outputs }));
    return await this.#context.storage.put(log.id, log.data, options);
  }

  async #merge(
    inputs: readonly BlobMetadata[],
    options: CallOptions,
  ): Promise<IndexBuilder | undefined> {
    const builder = new IndexBuilder();
    try {
      const reads = mapConcurrent(
        inputs,
        PARALLEL_INDEX_READS,
        async (blob, signal) => await this.#reader.readIndexBlob(blob.id, { signal }),
        options.signal,
      );
      for await (const plain of reads) builder.addAll(openIndex(plain));
    } catch (error) {
      if (!isSejfError(error, "SEJF_BLOB_NOT_FOUND")) throw error;
      this.#context.log("info", `index compaction given up: ${error.message}`);
      return undefined;
    }
    return builder;
  }

  async #writeMerged(builder: IndexBuilder, options: CallOptions): Promise<BlobMetadata[]> {
    const { codec, format, random } = this.#context;
    if (builder.count === 0) return [];
    const outputs: BlobMetadata[] = [];
    for (const shard of builder.buildShards(format.indexVersion, {
      tail: random.bytes(RANDOM_TAIL_BYTES),
    })) {
      const { id, data } = codec.encryptBlob("n", "", shard);
      outputs.push(await putIndexBlob(this.#context, id, data, options));
    }
    return outputs;
  }

  /** Inputs of logs that are at least an hour older than the one just written; those logs are scheduled for deletion. */
  async #deleteReplaced(written: BlobMetadata, options: CallOptions): Promise<readonly BlobId[]> {
    const { storage, codec } = this.#context;
    const old = (await this.#readLogs(options)).filter(
      ({ blob }) => written.timestamp - blob.timestamp >= HOUR_NS,
    );
    if (old.length === 0) return [];
    const present = new Set((await listAllBlobs(storage, "n", options)).map((blob) => blob.id));
    const valid = old.filter(({ log }) => log.outputs.every(({ id }) => present.has(id)));
    const deleted: BlobId[] = [];
    for (const { log } of valid) {
      for (const { id } of log.inputs) {
        if (!present.has(id)) continue;
        await storage.delete(id, options);
        deleted.push(id);
      }
    }
    const schedule = { blobIds: valid.map(({ blob }) => blob.id), cleanupTime: written.timestamp };
    const { id, data } = codec.encryptBlob("l", "", encodeCleanupSchedule(schedule));
    if (valid.length > 0) await storage.put(id, data, options);
    return deleted;
  }

  /** Logs that were scheduled long enough ago, and their schedules. */
  async #deleteScheduled(options: CallOptions): Promise<readonly BlobId[]> {
    const { storage, codec } = this.#context;
    const blobs = await listAllBlobs(storage, "l", options);
    const newest = blobs.reduce(
      (time, blob) => (blob.timestamp > time ? blob.timestamp : time),
      0n,
    );
    const deleted: BlobId[] = [];
    for (const { id } of blobs) {
      const data = await getBlobIfPresent(storage, id, options);
      if (data === undefined) continue;
      const schedule: CleanupSchedule = decodeCleanupSchedule(codec.decryptBlob(id, data));
      if (newest - schedule.cleanupTime < HOUR_NS) continue;
      for (const target of [...schedule.blobIds, id]) {
        await storage.delete(target, options);
        deleted.push(target);
      }
    }
    return deleted;
  }

  async #readLogs(options: CallOptions): Promise<readonly StoredLog[]> {
    const { storage, codec } = this.#context;
    const blobs = await listAllBlobs(storage, "m", options);
    const reads = mapConcurrent(
      blobs,
      PARALLEL_INDEX_READS,
      async (blob, signal): Promise<StoredLog | undefined> => {
        let log = this.#logs.get(blob.id);
        if (log === undefined) {
          const data = await getBlobIfPresent(storage, blob.id, { signal });
          if (data === undefined) return undefined;
          log = decodeCompactionLog(codec.decryptBlob(blob.id, data));
          this.#logs.set(blob.id, log);
        }
        return { blob, log };
      },
      options.signal,
    );
    const logs: StoredLog[] = [];
    for await (const log of reads) if (log !== undefined) logs.push(log);
    return logs;
  }
}

/** Without the entries that the options drop. */
function dropFrom(builder: IndexBuilder, options: CompactIndexesOptions): IndexBuilder {
  const { dropDeletedBeforeS } = options;
  const dropped = new Set(options.dropContents);
  if (dropDeletedBeforeS === undefined && dropped.size === 0) return builder;
  const kept = new IndexBuilder();
  const isDropped = (entry: IndexEntry): boolean =>
    dropped.has(entry.contentId) ||
    (entry.deleted && dropDeletedBeforeS !== undefined && entry.timestampS < dropDeletedBeforeS);
  for (const entry of builder.entries()) if (!isDropped(entry)) kept.add(entry);
  return kept;
}

function noEpochs(): SejfError {
  return new SejfError("SEJF_UNSUPPORTED", "this repository has no epochs", {
    hint: "epochs come with format version 2",
  });
}
