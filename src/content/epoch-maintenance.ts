/**
 * Advance, compaction and cleanup of epochs. Advancing and compacting only add blobs and may be done by anybody, even
 * by two at once: both results are valid. Deleting is for the owner of maintenance alone, so it happens only where
 * the caller asks for `cleanup`. Spec: kopia-format 5.6.
 */
import { type BlobId, type BlobMetadata, listAllBlobs } from "../blob/index.ts";
import { type CallOptions, mapConcurrent } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import {
  epochCleanup,
  epochMarkerBlob,
  epochOfUncompacted,
  IndexBuilder,
  indexSuffix,
  newCompactionSetId,
  openIndex,
  rangeIndexPrefix,
  rangeToCompact,
  shouldAdvanceEpoch,
  singleEpochIndexPrefix,
  singleEpochToCompact,
  uncompactedIndexPrefix,
  watermarkBlob,
} from "../format/index.ts";
import { type Context, putIndexBlob } from "./context.ts";
import {
  type IndexBlobReader,
  type LoadedEpochs,
  NOTHING_DONE,
  PARALLEL_INDEX_READS,
} from "./index-manager.ts";
import type { IndexMaintenanceOptions, IndexMaintenanceResult } from "./types.ts";

/** After a flush nothing is merged that is larger than this: a backup should not wait for maintenance. */
const LIGHT_INPUT_BYTES = 64 << 20;
/** Light work begins when there are this many times the blobs after which an epoch may end. */
const LIGHT_FACTOR = 2;
/** Compactions in one run: as many as there can be epochs waiting, but not without end. */
const MAX_COMPACTIONS = 1000;

type Load = (options: CallOptions) => Promise<LoadedEpochs>;

export class EpochMaintenance {
  readonly #context: Context;
  readonly #reader: IndexBlobReader;
  readonly #load: Load;

  constructor(context: Context, reader: IndexBlobReader, load: Load) {
    this.#context = context;
    this.#reader = reader;
    this.#load = load;
  }

  /** Everything that is due. */
  async run(options: IndexMaintenanceOptions): Promise<IndexMaintenanceResult> {
    const compactedEpochs = await this.#compactSingles(options);
    const advancedTo = await this.#advanceIfDue(await this.#load(options), options);
    const range = await this.#compactRange(await this.#load(options), options);
    const deletedBlobs = options.cleanup === true ? await this.#cleanUp(options) : [];
    return { advancedTo, compactedEpochs, range, deletedBlobs };
  }

  /** All settled epochs become single-epoch sets, and then one range where that is allowed. */
  async compactAll(options: CallOptions): Promise<IndexMaintenanceResult> {
    const compactedEpochs = await this.#compactSingles(options);
    const loaded = await this.#load(options);
    const first = (loaded.snapshot.ranges.at(-1)?.max ?? -1) + 1;
    const last = loaded.snapshot.writeEpoch - 2;
    const range = last > first ? await this.#writeRange(loaded, first, last, options) : undefined;
    return { compactedEpochs, range, deletedBlobs: [] };
  }

  /** What a flush does when index blobs have become many: at most one advance and one single-epoch compaction. */
  async light(
    loaded: LoadedEpochs,
    options: CallOptions,
  ): Promise<IndexMaintenanceResult | undefined> {
    const { advanceOnCount } = this.#context.format.epochParameters;
    if (loaded.active.length < LIGHT_FACTOR * advanceOnCount) return undefined;
    const advancedTo = await this.#advanceIfDue(loaded, options);
    const epoch = singleEpochToCompact(loaded.snapshot);
    const compacted =
      epoch !== undefined && (await this.#compactSingle(epoch, LIGHT_INPUT_BYTES, options));
    if (advancedTo === undefined && !compacted) return undefined;
    return { ...NOTHING_DONE, advancedTo, compactedEpochs: compacted ? [epoch] : [] };
  }

  async advanceTo(epoch: number, options: CallOptions): Promise<number> {
    const { id, data } = epochMarkerBlob(epoch);
    await this.#context.storage.put(id, data, options);
    return epoch;
  }

  /** @throws RangeError for a time before the current watermark. */
  async setDeletionWatermark(timestampS: number, options: CallOptions): Promise<void> {
    const { snapshot } = await this.#load(options);
    const current = snapshot.deletionWatermarkS;
    if (!Number.isSafeInteger(timestampS) || timestampS < (current ?? 0)) {
      throw new RangeError(
        `deletion watermark ${timestampS}, expected whole seconds not before ${current ?? 0}`,
      );
    }
    if (timestampS === current) return;
    const { id, data } = watermarkBlob(timestampS);
    await this.#context.storage.put(id, data, options);
  }

  async #advanceIfDue(loaded: LoadedEpochs, options: CallOptions): Promise<number | undefined> {
    const { snapshot, uncompacted } = loaded;
    const own = uncompacted.filter((blob) => epochOfUncompacted(blob.id) === snapshot.writeEpoch);
    if (!shouldAdvanceEpoch(this.#context.format.epochParameters, own)) return undefined;
    return await this.advanceTo(snapshot.writeEpoch + 1, options);
  }

  async #compactSingles(options: CallOptions): Promise<number[]> {
    const done: number[] = [];
    while (done.length < MAX_COMPACTIONS) {
      options.signal?.throwIfAborted();
      const epoch = singleEpochToCompact((await this.#load(options)).snapshot);
      // An epoch without blobs ends the run: there is nothing to make a set of, and later ones wait for a range.
      if (
        epoch === undefined ||
        done.includes(epoch) ||
        !(await this.#compactSingle(epoch, Number.POSITIVE_INFINITY, options))
      )
        break;
      done.push(epoch);
    }
    return done;
  }

  async #compactSingle(
    epoch: number,
    maxInputBytes: number,
    options: CallOptions,
  ): Promise<boolean> {
    const inputs = await listAllBlobs(
      this.#context.storage,
      uncompactedIndexPrefix(epoch),
      options,
    );
    const bytes = inputs.reduce((sum, blob) => sum + blob.lengthBytes, 0);
    if (inputs.length === 0 || bytes > maxInputBytes) return false;
    return await this.#writeSet(inputs, singleEpochIndexPrefix(epoch), options);
  }

  async #compactRange(
    loaded: LoadedEpochs,
    options: CallOptions,
  ): Promise<{ readonly from: number; readonly to: number } | undefined> {
    const due = rangeToCompact(loaded.snapshot, this.#context.format.epochParameters);
    return due === undefined
      ? undefined
      : await this.#writeRange(loaded, due.min, due.max, options);
  }

  async #writeRange(
    loaded: LoadedEpochs,
    min: number,
    max: number,
    options: CallOptions,
  ): Promise<{ readonly from: number; readonly to: number } | undefined> {
    const inputs: BlobMetadata[] = [];
    for (let epoch = min; epoch <= max; epoch++) {
      const single = loaded.snapshot.singles.get(epoch);
      inputs.push(
        ...(single ??
          (await listAllBlobs(this.#context.storage, uncompactedIndexPrefix(epoch), options))),
      );
    }
    if (inputs.length === 0) return undefined;
    const written = await this.#writeSet(inputs, rangeIndexPrefix(min, max), options);
    return written ? { from: min, to: max } : undefined;
  }

  /** False: an input was gone, so somebody else is compacting the same. No set is ever written without all inputs. */
  async #writeSet(
    inputs: readonly BlobMetadata[],
    prefix: string,
    options: CallOptions,
  ): Promise<boolean> {
    const { codec, random, format, log } = this.#context;
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
      log("info", `compaction into ${prefix} given up: ${error.message}`);
      return false;
    }
    if (builder.count === 0) return false;
    const shards = builder.buildShards(format.indexVersion);
    const suffix = indexSuffix(newCompactionSetId(random), shards.length);
    for (const shard of shards) {
      const { id, data } = codec.encryptBlob(prefix, suffix, shard);
      await putIndexBlob(this.#context, id, data, options);
    }
    log("debug", `merged ${inputs.length} index blobs into ${prefix}`);
    return true;
  }

  async #cleanUp(options: CallOptions): Promise<readonly BlobId[]> {
    const { storage, format } = this.#context;
    const { indexes, markers, watermarks } = epochCleanup(
      await listAllBlobs(storage, "x", options),
      format.epochParameters,
    );
    const deleted: BlobId[] = [];
    for (const blobs of [indexes, watermarks, markers]) {
      const deletions = mapConcurrent(
        blobs,
        Math.max(1, format.epochParameters.deleteParallelism),
        async (blob, signal) => {
          await storage.delete(blob.id, { signal });
          return blob.id;
        },
        options.signal,
      );
      for await (const id of deletions) deleted.push(id);
    }
    return deleted;
  }
}
