/**
 * Index blobs in epochs: which are active, and how a new one is published so that no reader can miss it.
 * Maintenance is in `epoch-maintenance.ts`. Spec: kopia-format 5.1 to 5.6.
 */
import { type BlobId, type BlobMetadata, listAllBlobs } from "../blob/index.ts";
import { type CallOptions, mapConcurrent } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import {
  EPOCH_STATE_PREFIXES,
  epochMarkerBlob,
  epochOfUncompacted,
  indexSuffix,
  resolveEpochs,
  uncompactedIndexPrefix,
} from "../format/index.ts";
import { type Context, msOf, putIndexBlob } from "./context.ts";
import { EpochMaintenance } from "./epoch-maintenance.ts";
import type { IndexBlobReader, IndexManager, IndexState, LoadedEpochs } from "./index-manager.ts";
import type {
  CompactIndexesOptions,
  EpochSet,
  EpochState,
  IndexBlobInfo,
  IndexMaintenanceOptions,
  IndexMaintenanceResult,
} from "./types.ts";

const PARALLEL_LISTS = 8;
const MAX_LOADS = 10;
const MAX_WRITE_ATTEMPTS = 3;
/** A state is used for a write when this share of its lifetime is still to come. */
const REUSE_SHARE = 0.75;

export class EpochManager implements IndexManager {
  readonly #context: Context;
  readonly #maintenance: EpochMaintenance;
  #loaded: LoadedEpochs | undefined;

  constructor(context: Context, reader: IndexBlobReader) {
    this.#context = context;
    this.#maintenance = new EpochMaintenance(
      context,
      reader,
      async (options) => await this.load(options),
    );
  }

  /** @throws SEJF_IO when listing takes longer than a state is valid, ten times in a row. */
  async load(options: CallOptions = {}): Promise<LoadedEpochs> {
    const { storage, clock } = this.#context;
    for (let attempt = 0; attempt < MAX_LOADS; attempt++) {
      options.signal?.throwIfAborted();
      const validUntilMs = clock.nowMs() + this.#refreshMs();
      const snapshot = resolveEpochs(await listPrefixes(storage, EPOCH_STATE_PREFIXES, options));
      const uncompacted = await listPrefixes(storage, snapshot.uncompactedPrefixes(), options);
      if (clock.nowMs() > validUntilMs) continue;
      const active = snapshot.activeFor(uncompacted);
      this.#loaded = {
        active,
        deletionWatermarkS: snapshot.deletionWatermarkS,
        validUntilMs,
        snapshot,
        uncompacted,
      };
      return this.#loaded;
    }
    throw new SejfError(
      "SEJF_IO",
      `listing the index blobs of ${storage.displayName} takes longer than ${this.#refreshMs()} ms, for which a listing is valid`,
      {
        retryable: true,
        hint: "the storage is too slow, or the clock jumps",
      },
    );
  }

  async write(
    shards: readonly Uint8Array[],
    session: string,
    options: CallOptions = {},
  ): Promise<{ readonly blobs: readonly BlobMetadata[]; readonly state: IndexState }> {
    for (let attempt = 0; attempt < MAX_WRITE_ATTEMPTS; attempt++) {
      const { epoch, blobs } = await this.#writeUnderOneEpoch(shards, session, options);
      this.#loaded = undefined;
      const state = await this.load(options);
      if (state.snapshot.writeEpoch < epoch + 2) return { blobs, state };
      await this.#deleteAll(blobs);
      this.#context.log(
        "warn",
        `index of epoch ${epoch} came too late, epoch ${state.snapshot.writeEpoch} has begun`,
      );
    }
    throw new SejfError(
      "SEJF_IO",
      `writing an index took so long that two epochs passed, ${MAX_WRITE_ATTEMPTS} times`,
      {
        retryable: true,
        hint: "nothing is lost: flush again; is the storage very slow, or the computer suspended",
      },
    );
  }

  async list(
    includeInactive: boolean,
    options: CallOptions = {},
  ): Promise<readonly IndexBlobInfo[]> {
    const { active } = await this.load(options);
    const known = new Set(active.map((blob) => blob.id));
    const all = includeInactive
      ? await listPrefixes(this.#context.storage, ["xn", "xs", "xr"], options)
      : active;
    return all.map((blob) => ({ ...blob, active: known.has(blob.id), epoch: epochOf(blob.id) }));
  }

  async epochState(options: CallOptions = {}): Promise<EpochState> {
    const { snapshot, uncompacted, active } = await this.load(options);
    const own = uncompacted.filter((blob) => epochOfUncompacted(blob.id) === snapshot.writeEpoch);
    const marker = epochMarkerBlob(snapshot.writeEpoch).id;
    return {
      writeEpoch: snapshot.writeEpoch,
      writeEpochStart: (await this.#context.storage.stat(marker, options))?.timestamp,
      deletionWatermarkS: snapshot.deletionWatermarkS,
      writeEpochBlobs: own.length,
      writeEpochBytes: own.reduce((sum, blob) => sum + blob.lengthBytes, 0),
      activeBlobs: active.length,
      ranges: snapshot.ranges.map(({ min, max, blobs }) => ({ from: min, to: max, blobs })),
      singleEpochs: [...snapshot.singles.keys()].toSorted((a, b) => a - b),
      singleSets: byEpoch(snapshot.singles),
      uncompactedSets: byEpoch(
        Map.groupBy(
          active.filter((blob) => epochOfUncompacted(blob.id) !== undefined),
          (blob) => epochOfUncompacted(blob.id) ?? 0,
        ),
      ),
    };
  }

  async compact(options: CompactIndexesOptions): Promise<IndexMaintenanceResult> {
    if (options.dropDeletedBeforeS !== undefined || options.dropContents !== undefined) {
      throw new SejfError(
        "SEJF_UNSUPPORTED",
        "this repository has epochs: contents cannot be dropped by compaction",
        {
          hint: "deleted contents are dropped by the deletion watermark, which maintenance moves",
        },
      );
    }
    return await this.#maintenance.compactAll(options);
  }

  async maintain(options: IndexMaintenanceOptions): Promise<IndexMaintenanceResult> {
    return await this.#maintenance.run(options);
  }

  async afterFlush(options: CallOptions = {}): Promise<IndexMaintenanceResult | undefined> {
    const loaded = this.#loaded;
    return loaded === undefined ? undefined : await this.#maintenance.light(loaded, options);
  }

  async advanceEpoch(options: CallOptions = {}): Promise<number> {
    const { snapshot } = await this.load(options);
    return await this.#maintenance.advanceTo(snapshot.writeEpoch + 1, options);
  }

  async setDeletionWatermark(timestampS: number, options: CallOptions = {}): Promise<void> {
    await this.#maintenance.setDeletionWatermark(timestampS, options);
    this.#loaded = undefined;
  }

  async #writeUnderOneEpoch(
    shards: readonly Uint8Array[],
    session: string,
    options: CallOptions,
  ): Promise<{ readonly epoch: number; readonly blobs: readonly BlobMetadata[] }> {
    const { clock, codec } = this.#context;
    let state = await this.#stateForWriting(options);
    let blobs: BlobMetadata[] = [];
    for (let shard = 0; shard < shards.length; shard++) {
      if (clock.nowMs() > state.validUntilMs) {
        const epoch = state.snapshot.writeEpoch;
        state = await this.load(options);
        if (state.snapshot.writeEpoch !== epoch) {
          await this.#deleteAll(blobs);
          blobs = [];
          shard = 0;
        }
      }
      const prefix = uncompactedIndexPrefix(state.snapshot.writeEpoch);
      const { id, data } = codec.encryptBlob(
        prefix,
        indexSuffix(session, shards.length),
        shards[shard] as Uint8Array,
      );
      blobs.push(await putIndexBlob(this.#context, id, data, options));
    }
    return { epoch: state.snapshot.writeEpoch, blobs };
  }

  async #stateForWriting(options: CallOptions): Promise<LoadedEpochs> {
    const loaded = this.#loaded;
    const neededMs = REUSE_SHARE * this.#refreshMs();
    if (loaded !== undefined && loaded.validUntilMs - this.#context.clock.nowMs() >= neededMs)
      return loaded;
    return await this.load(options);
  }

  async #deleteAll(blobs: readonly BlobMetadata[]): Promise<void> {
    for (const blob of blobs) await this.#context.storage.delete(blob.id);
  }

  #refreshMs(): number {
    return msOf(this.#context.format.epochParameters.refreshFrequencyNs);
  }
}

/** Listings of several prefixes at once, one behind the other in the order of the prefixes. */
export async function listPrefixes(
  storage: Context["storage"],
  prefixes: readonly string[],
  options: CallOptions = {},
): Promise<BlobMetadata[]> {
  const all: BlobMetadata[] = [];
  const pages = mapConcurrent(
    prefixes,
    PARALLEL_LISTS,
    async (prefix, signal) => await listAllBlobs(storage, prefix, { signal }),
    options.signal,
  );
  for await (const page of pages) all.push(...page);
  return all;
}

function byEpoch(sets: ReadonlyMap<number, readonly BlobMetadata[]>): readonly EpochSet[] {
  return [...sets]
    .map(([epoch, blobs]) => ({ epoch, blobs }))
    .toSorted((a, b) => a.epoch - b.epoch);
}

/** Of any index blob with an epoch: `xn7_…`, `xs7_…`, the first of `xr0_7_…`. */
function epochOf(id: BlobId): number | undefined {
  const digits = /^x[nsr](\d+)_/.exec(id)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
