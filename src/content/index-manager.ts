/** What the two managers of index blobs, epochs and the old one, have in common. Spec: kopia-format 5. */
import type { BlobId, BlobMetadata } from "../blob/index.ts";
import type { CallOptions, OwnedBytes } from "../bytes/index.ts";
import type { EpochSnapshot } from "../format/index.ts";
import type {
  CompactIndexesOptions,
  EpochState,
  IndexBlobInfo,
  IndexMaintenanceOptions,
  IndexMaintenanceResult,
} from "./types.ts";

/** Which index blobs count, and for how long this may be believed. */
export interface IndexState {
  readonly active: readonly BlobMetadata[];
  readonly deletionWatermarkS: number | undefined;
  /** By the local clock. */
  readonly validUntilMs: number;
}

/** The state of epochs, with what it was computed from. */
export interface LoadedEpochs extends IndexState {
  readonly snapshot: EpochSnapshot;
  /** All `xn` blobs of the epochs that are read uncompacted, and those around the write epoch. */
  readonly uncompacted: readonly BlobMetadata[];
}

/** The plain bytes of index blobs, verified. */
export interface IndexBlobReader {
  /** @throws SEJF_BLOB_NOT_FOUND when it was compacted away meanwhile; SEJF_CORRUPT. */
  readIndexBlob(id: BlobId, options?: CallOptions): Promise<OwnedBytes>;
}

export interface IndexManager {
  /** A fresh state. */
  load(options?: CallOptions): Promise<IndexState>;
  /**
   * Publishes the shards of one index. Durable, and checked against the rules of the manager, when it resolves.
   * @throws SEJF_IO (retryable) when it took so long that readers may not see it: then nothing of it is left.
   */
  write(
    shards: readonly Uint8Array[],
    session: string,
    options?: CallOptions,
  ): Promise<{ readonly blobs: readonly BlobMetadata[]; readonly state: IndexState }>;
  list(includeInactive: boolean, options?: CallOptions): Promise<readonly IndexBlobInfo[]>;
  compact(options: CompactIndexesOptions): Promise<IndexMaintenanceResult>;
  maintain(options: IndexMaintenanceOptions): Promise<IndexMaintenanceResult>;
  /** Light work after a flush, only adding blobs; `undefined` when there was nothing to do. */
  afterFlush(options?: CallOptions): Promise<IndexMaintenanceResult | undefined>;
  epochState(options?: CallOptions): Promise<EpochState | undefined>;
  /** @throws SEJF_UNSUPPORTED with the old manager; likewise `setDeletionWatermark`. */
  advanceEpoch(options?: CallOptions): Promise<number>;
  setDeletionWatermark(timestampS: number, options?: CallOptions): Promise<void>;
}

export const NOTHING_DONE: IndexMaintenanceResult = { compactedEpochs: [], deletedBlobs: [] };

/** Index blobs fetched at the same time. */
export const PARALLEL_INDEX_READS = 8;
