/**
 * What a direct content store is asked for and what it answers: its options, the listing entry, and the
 * administrative half of its interface (everything that `ContentStore` does not have).
 */
import type { BlobId, BlobMetadata, BlobStorage, RetentionOptions } from "../blob/index.ts";
import type { CallOptions, Clock, OwnedBytes, Random, TimestampNs } from "../bytes/index.ts";
import type { CompressionEngine, CompressorId } from "../compress/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import type {
  ContentId,
  ContentPrefix,
  ContentRef,
  ContentStore,
  IdRange,
  PackedIndex,
  RepositoryFormat,
  WriteContentOptions,
} from "../format/index.ts";
import type { ContentBatch, StoredBatch } from "../node/engine/index.ts";

export type { ContentBatch, StoredBatch };

/** How index blobs are held. */
export interface PlanLimits {
  /** A larger blob is always a file. */
  readonly smallBytes: number;
  /** All that is merged in memory. */
  readonly memoryBytes: number;
  /** Files that are searched one by one. */
  readonly files: number;
}

/** Who writes: goes into session markers. */
export interface WriterIdentity {
  readonly username: string;
  readonly hostname: string;
}

/** Bounds of the disk cache. Zero means that this part is not kept. */
export interface CacheLimits {
  /** Stored bytes of file data (`p` packs). */
  readonly contentBytes: number;
  /** Whole `q` packs. */
  readonly metadataBytes: number;
  /** Index blobs, as stored and as decrypted files. */
  readonly indexBytes: number;
  /** Nothing younger than this is swept, whatever the size. */
  readonly minimumAgeMs: number;
}

/** What happens inside, for logs. Messages are for people. */
export interface ContentsEvent {
  readonly level: "debug" | "info" | "warn";
  readonly message: string;
}

export interface DirectContentsOptions {
  readonly storage: BlobStorage;
  readonly format: RepositoryFormat;
  /** The bytes of `kopia.repository` as stored; packs carry a copy where `format.enablePasswordChange` is false. */
  readonly formatBlob?: Uint8Array | undefined;
  readonly engine: CryptoEngine;
  readonly compression: CompressionEngine;
  readonly clock: Clock;
  readonly random: Random;
  readonly identity: WriterIdentity;
  /** Writes fail with SEJF_READ_ONLY. */
  readonly readOnly?: boolean | undefined;
  /** Only with `readOnly`: index blobs that cannot be read are left out instead of failing. */
  readonly permissiveCacheLoading?: boolean | undefined;
  /** The same for a writer: only for rebuilding indexes, for whoever sees half of an index deletes too much. */
  readonly leaveOutBadIndexes?: boolean | undefined;
  /** A folder of our own. Absent: nothing is kept between runs; big decrypted indexes live in a private temporary folder. */
  readonly cacheDirectory?: string | undefined;
  readonly cacheLimits?: Partial<CacheLimits> | undefined;
  /** The repository's `local-cache-integrity` key; needed with `cacheDirectory`. */
  readonly cacheKey?: Uint8Array | undefined;
  /** Object lock of packs and index blobs. */
  readonly retention?: RetentionOptions | undefined;
  /** Worker threads of the bulk path; 0: the portable path without threads. Default: as many as fit the machine. */
  readonly threads?: number | undefined;
  readonly log?: ((event: ContentsEvent) => void) | undefined;
  /** How much of the index is held in memory and how much in files. The default fits repositories of any size. */
  readonly indexLimits?: PlanLimits | undefined;
  /** Waits between retries; a test brings one that does not wait. */
  readonly sleep?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
}

/** What the index says of a content. */
export interface ContentInfo {
  readonly id: ContentId;
  /** What directories store for it; in a direct repository the same text as `id`. */
  readonly ref: ContentRef;
  readonly packId: BlobId;
  readonly packOffset: number;
  /** Bytes in the pack, with encryption and error correction. */
  readonly packedLength: number;
  /** Plain bytes. */
  readonly originalLength: number;
  readonly timestampS: number;
  readonly deleted: boolean;
  readonly formatVersion: number;
  /** 0: stored without compression. */
  readonly compressionId: CompressorId;
}

export interface ListContentsOptions extends CallOptions {
  /** Text that the ID begins with: `k`, `m`, `4535`. */
  readonly prefix?: string | undefined;
  /** First and one behind the last ID, in string order. */
  readonly range?: IdRange | undefined;
  /** Also contents that are marked deleted. Default false. */
  readonly includeDeleted?: boolean | undefined;
}

export interface DirectWriteOptions extends WriteContentOptions {
  /**
   * SECURITY: a content that is known takes the same work as a new one, so that whoever sends it cannot tell by the time
   * whether somebody else did before. Default false.
   */
  readonly evenly?: boolean | undefined;
}

export interface StoreContentsOptions extends CallOptions {
  /** As of `DirectWriteOptions`. */
  readonly evenly: boolean;
}

export interface ReadIntoOptions extends CallOptions {
  /** Memory of that length, with any bytes in it: what is read may lie there. */
  readonly take: (lengthBytes: number) => OwnedBytes;
  /**
   * Whoever gets the bytes hashes them himself and compares: here it is enough that they decrypt under the content's
   * ID, so the same work is not done twice.
   */
  readonly isHashedLater: boolean;
}

export interface RewriteOptions extends CallOptions {
  /** Encodes anew with this compressor (`null`: none); absent: the stored bytes are copied as they are. */
  readonly compressor?: CompressorId | null | undefined;
  /** Checks only: nothing is written. */
  readonly dryRun?: boolean | undefined;
}

export interface IndexBlobInfo extends BlobMetadata {
  /** False: superseded by a compacted one and waiting for its deletion. */
  readonly active: boolean;
  /** Epoch of an uncompacted or single-epoch index, first epoch of a range; absent with the old manager. */
  readonly epoch?: number | undefined;
}

export interface CompactIndexesOptions extends CallOptions {
  /** Everything is merged, whatever the thresholds. */
  readonly all?: boolean | undefined;
  /** Old manager only: from how many blobs on a merge is worth while, 2 or more. Default 8. */
  readonly minBlobs?: number | undefined;
  /** Old manager only: deleted entries older than this disappear. Epoch repositories use the watermark. */
  readonly dropDeletedBeforeS?: number | undefined;
  /** Old manager only: these contents disappear from the index. */
  readonly dropContents?: readonly ContentId[] | undefined;
}

export interface RecoverIndexesOptions extends CallOptions {
  /** Only these packs; absent: all whose ID begins with one of `prefixes`. */
  readonly packs?: readonly BlobId[] | undefined;
  /** Default: `p` and `q`, all packs. */
  readonly prefixes?: readonly string[] | undefined;
  /** Whether an index blob is written, or only counted what would be in it. */
  readonly commit: boolean;
  /** Nothing is written unless every pack could be read. Default false: what can be read is recovered. */
  readonly onlyComplete?: boolean | undefined;
  /**
   * Afterwards the index blobs that were there before are deleted, damaged ones included. Implies `onlyComplete`:
   * the entries of a pack that cannot be read would be lost. @throws RangeError with `packs` or `prefixes`.
   */
  readonly replaceIndexes?: boolean | undefined;
  /** Packs read at the same time. Default 8. */
  readonly parallel?: number | undefined;
  readonly onProgress?: ((packs: number, contents: number) => void) | undefined;
}

export interface RecoverIndexesResult {
  readonly packs: number;
  readonly contents: number;
  /** Packs whose local index could not be read. */
  readonly unreadable: readonly { readonly packId: BlobId; readonly message: string }[];
  readonly indexBlobs: readonly BlobMetadata[];
  /** Index blobs that were replaced; without `commit` those that would be. */
  readonly replaced: readonly BlobId[];
}

export interface FillCacheOptions extends CallOptions {
  /** Packs fetched at the same time. Default 16. */
  readonly parallel?: number | undefined;
}

export interface FillCacheResult {
  readonly packs: number;
  /** Of them in the cache now. */
  readonly cached: number;
}

export interface SessionInfo {
  readonly id: string;
  readonly startTime: string;
  readonly checkpointTime: string;
  readonly username: string;
  readonly hostname: string;
  readonly blobs: readonly BlobMetadata[];
}

export interface VerifyContentsOptions extends CallOptions {
  readonly prefix?: string | undefined;
  /** First and one behind the last ID, in string order. */
  readonly range?: IdRange | undefined;
  readonly includeDeleted?: boolean | undefined;
  /** Share of the contents, 0…100, that are read in full and re-hashed; of the others only the pack's length is checked. */
  readonly fullPercent?: number | undefined;
  readonly parallel?: number | undefined;
  /** Contents looked at so far, and problems found so far. */
  readonly onProgress?: ((done: number, problems: number) => void) | undefined;
}

export interface ContentProblem {
  readonly id: ContentId;
  readonly packId: BlobId;
  readonly code: string;
  readonly message: string;
}

export interface VerifyContentsResult {
  readonly contents: number;
  readonly readInFull: number;
  readonly problems: readonly ContentProblem[];
  /** More problems were found than are listed. */
  readonly problemCount: number;
}

/** Since the store was opened. Contents of files that threads wrote are counted in bytes only. */
export interface ContentsStatistics {
  readonly writtenContents: number;
  readonly writtenBytes: number;
  readonly knownContents: number;
  readonly knownBytes: number;
  readonly storedPacks: number;
  readonly storedPackBytes: number;
  readonly readContents: number;
  readonly readBytes: number;
  readonly indexFlushes: number;
}

/** What one run of index maintenance did. */
export interface IndexMaintenanceResult {
  readonly advancedTo?: number | undefined;
  readonly compactedEpochs: readonly number[];
  readonly range?: { readonly from: number; readonly to: number } | undefined;
  readonly deletedBlobs: readonly BlobId[];
}

export interface IndexMaintenanceOptions extends CallOptions {
  /** Also deletes superseded index blobs and markers by Kopia's margins. Only the owner of maintenance may. Default false. */
  readonly cleanup?: boolean | undefined;
}

/** A repository's contents, read and written without a server. */
export interface DirectContents extends ContentStore, AsyncDisposable {
  readonly readOnly: boolean;
  readonly storage: BlobStorage;
  readonly format: RepositoryFormat;
  /**
   * Grows whenever contents may have ceased to be live since: deleted here or elsewhere, or gone with index blobs. What
   * was concluded about the presence of contents before is to be checked again. Manifests do not count.
   */
  readonly losses: number;
  write(data: Uint8Array, options: DirectWriteOptions): Promise<ContentRef>;
  /** Starts a thread for `storeContents` ahead of it. */
  warmUp(): void;
  /**
   * Stores contents in a thread, each if nobody has it: named and claimed when it resolves, durable after `flush`.
   * `undefined` where there are no threads, or for a content longer than they take: nothing was done, nor the memory taken.
   * @throws the storage's error as long as packs cannot be stored; SEJF_WORKER.
   */
  storeContents(
    batch: ContentBatch,
    options: StoreContentsOptions,
  ): Promise<StoredBatch | undefined>;
  /** What threads hold is in stored packs when it resolves; nothing is published. @throws the storage's error. */
  storeHeld(): Promise<void>;
  /** Sees what other clients have published. */
  refresh(options?: CallOptions): Promise<void>;
  /** Flushes nothing: what was not flushed is lost. Ends threads, closes files. The storage stays open. */
  close(): Promise<void>;
  /** What the index says, of deleted contents too; `undefined` when it does not name it. */
  info(id: ContentId, options?: CallOptions): Promise<ContentInfo | undefined>;
  /** Plain bytes of each content, negative for those that are not there or deleted. Far cheaper than `info` for each. */
  lengths(ids: readonly ContentId[], options?: CallOptions): Promise<Float64Array>;
  /** Pages in order of IDs, what is not flushed yet included. */
  list(options?: ListContentsOptions): AsyncIterable<readonly ContentInfo[]>;
  /** Marks as deleted; nothing happens when it already is. @throws SEJF_CONTENT_NOT_FOUND. */
  delete(id: ContentId, options?: CallOptions): Promise<void>;
  /** A deleted content becomes live again, in a new pack; nothing happens when it is live. @throws SEJF_CONTENT_NOT_FOUND. */
  undelete(id: ContentId, options?: CallOptions): Promise<void>;
  /** Copies contents into new packs; deleted ones stay deleted. Gives the plain bytes copied. */
  rewrite(
    ids: AsyncIterable<readonly ContentId[]> | Iterable<readonly ContentId[]>,
    options?: RewriteOptions,
  ): Promise<{ readonly contents: number; readonly bytes: number }>;
  /** As `read`, into memory that the caller uses again. */
  readInto(ref: ContentRef, options: ReadIntoOptions): Promise<OwnedBytes>;
  /** The name that `write` would give. */
  contentId(data: Uint8Array, prefix: ContentPrefix): ContentId;
  verify(options?: VerifyContentsOptions): Promise<VerifyContentsResult>;

  indexBlobs(
    options?: CallOptions & { readonly includeInactive?: boolean | undefined },
  ): Promise<readonly IndexBlobInfo[]>;
  /** The write epoch and what surrounds it; `undefined` with the old manager. */
  epochState(options?: CallOptions): Promise<EpochState | undefined>;
  /** What one index blob says, active or not. @throws SEJF_BLOB_NOT_FOUND; SEJF_CORRUPT naming the blob. */
  openIndexBlob(id: BlobId, options?: CallOptions): Promise<PackedIndex>;
  compactIndexes(options?: CompactIndexesOptions): Promise<IndexMaintenanceResult>;
  /** What is due by the format's parameters: advance, compaction of epochs and ranges, and, when asked, cleanup. */
  maintainIndexes(options?: IndexMaintenanceOptions): Promise<IndexMaintenanceResult>;
  /** Begins the next epoch, whether or not it is due. */
  advanceEpoch(options?: CallOptions): Promise<number>;
  /** Deleted entries up to this time cease to exist. Never moves back. @throws SEJF_UNSUPPORTED with the old manager. */
  setDeletionWatermark(timestampS: number, options?: CallOptions): Promise<void>;
  recoverIndexes(options: RecoverIndexesOptions): Promise<RecoverIndexesResult>;
  /**
   * Brings all `q` packs into the cache. `cached` is 0 where nothing is kept: without a cache, and with a store whose
   * blobs are local files.
   */
  fillMetadataCache(options?: FillCacheOptions): Promise<FillCacheResult>;
  /** Markers of running (or crashed) writers. */
  sessions(options?: CallOptions): Promise<readonly SessionInfo[]>;
  statistics(): ContentsStatistics;
}

export interface EpochState {
  readonly writeEpoch: number;
  readonly deletionWatermarkS: number | undefined;
  /** How many uncompacted blobs the write epoch has, and their bytes. */
  readonly writeEpochBlobs: number;
  readonly writeEpochBytes: number;
  readonly activeBlobs: number;
  readonly ranges: readonly EpochRangeSet[];
  readonly singleEpochs: readonly number[];
  /** When the write epoch began, where its marker tells. */
  readonly writeEpochStart: TimestampNs | undefined;
  /** Compacted sets of one epoch, ascending. */
  readonly singleSets: readonly EpochSet[];
  /** Index blobs that are read one by one, by their epoch, ascending. */
  readonly uncompactedSets: readonly EpochSet[];
}

export interface EpochSet {
  readonly epoch: number;
  /** At least one. */
  readonly blobs: readonly BlobMetadata[];
}

export interface EpochRangeSet {
  readonly from: number;
  readonly to: number;
  readonly blobs: readonly BlobMetadata[];
}
