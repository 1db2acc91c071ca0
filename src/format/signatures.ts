/** Agreed signatures whose bodies follow file by file. */
import type { BlobId, BlobMetadata } from "../blob/index.ts";
import type { Clock, OwnedBytes, Random, TimestampNs } from "../bytes/index.ts";
import type { CompressionEngine, CompressorId } from "../compress/index.ts";
import type { ContentHash, CryptoEngine } from "../crypto/index.ts";
import type { ContentId } from "./content-id.ts";
import type { IndexEntry } from "./index-entry.ts";

// --- format blob -------------------------------------------------------------------------------------------------

/** Members of a JSON object that this program does not know; kept when the object is written again. */
export type UnknownMembers = Readonly<Record<string, unknown>>;

export declare const FORMAT_BLOB_ID: BlobId;
export declare const BLOB_CONFIG_BLOB_ID: BlobId;
export declare const MAINTENANCE_BLOB_ID: BlobId;

/** `kopia.repository`. */
export interface FormatBlob {
  readonly tool: string | undefined;
  readonly buildVersion: string | undefined;
  readonly buildInfo: string | undefined;
  readonly uniqueId: OwnedBytes;
  readonly keyAlgorithm: string;
  readonly encryption: string;
  readonly encryptedFormat: OwnedBytes;
  readonly unknown: UnknownMembers;
}
export declare function decodeFormatBlob(bytes: Uint8Array): FormatBlob;
export declare function encodeFormatBlob(blob: FormatBlob): OwnedBytes;
export declare const KEY_ALGORITHMS: readonly string[];
export declare const DEFAULT_KEY_ALGORITHM: string;
/** 32 bytes from the password; slow on purpose. */
export declare function deriveFormatKey(
  engine: CryptoEngine,
  blob: Pick<FormatBlob, "uniqueId" | "keyAlgorithm">,
  password: string,
): Promise<OwnedBytes>;

export interface EpochParameters {
  readonly enabled: boolean;
  readonly refreshFrequencyNs: bigint;
  readonly fullCheckpointFrequency: number;
  readonly cleanupSafetyMarginNs: bigint;
  readonly minEpochDurationNs: bigint;
  readonly advanceOnCount: number;
  readonly advanceOnTotalSizeBytes: number;
  readonly deleteParallelism: number;
  readonly unknown: UnknownMembers;
}
export declare const DEFAULT_EPOCH_PARAMETERS: EpochParameters;
export declare const DISABLED_EPOCH_PARAMETERS: EpochParameters;
/** @throws SEJF_INVALID_ARGUMENT naming the parameter. */
export declare function validateEpochParameters(parameters: EpochParameters): void;

export interface RequiredFeature {
  readonly feature: string;
  readonly ifNotUnderstood: {
    readonly warn: boolean;
    readonly message: string;
    readonly url: string;
    readonly upgradeToVersion: string;
    readonly unknown: UnknownMembers;
  };
  readonly unknown: UnknownMembers;
}
/** @throws SEJF_UNSUPPORTED_FORMAT for a feature that must be understood. Returns the warnings of the others. */
export declare function checkRequiredFeatures(
  features: readonly RequiredFeature[],
): readonly string[];

export interface UpgradeLock {
  readonly ownerId: string;
  readonly creationTime: TimestampNs;
  readonly advanceNoticeNs: bigint;
  readonly ioDrainTimeoutNs: bigint;
  readonly statusPollIntervalNs: bigint;
  readonly message: string;
  readonly maxPermittedClockDriftNs: bigint;
  readonly unknown: UnknownMembers;
}
export interface UpgradeLockState {
  readonly locked: boolean;
  readonly writersDrained: boolean;
}
export declare function upgradeLockState(
  lock: UpgradeLock | undefined,
  now: TimestampNs,
): UpgradeLockState;

/** What a codec is made of: plain data, fit to be given to a thread. SECURITY: holds keys, never print it. */
export interface CodecParameters {
  readonly hash: string;
  readonly encryption: string;
  readonly ecc: string;
  readonly eccOverheadPercent: number;
  readonly secret: OwnedBytes;
  readonly masterKey: OwnedBytes;
  readonly indexVersion: number;
}

/** The decrypted format. Absent numbers have their defaults. */
export interface RepositoryFormat extends CodecParameters {
  readonly version: number;
  readonly maxPackSize: number;
  readonly epochParameters: EpochParameters;
  readonly enablePasswordChange: boolean;
  readonly splitter: string;
  readonly upgradeLock: UpgradeLock | undefined;
  readonly requiredFeatures: readonly RequiredFeature[];
  readonly unknown: UnknownMembers;
}
/** @throws SEJF_INVALID_PASSWORD; SEJF_UNSUPPORTED_FORMAT; SEJF_CORRUPT. */
export declare function openFormat(
  engine: CryptoEngine,
  blob: FormatBlob,
  formatKey: Uint8Array,
): RepositoryFormat;
/** The blob with this format inside, everything else as it was. */
export declare function sealFormat(
  engine: CryptoEngine,
  blob: FormatBlob,
  formatKey: Uint8Array,
  format: RepositoryFormat,
  random: Random,
): FormatBlob;

export interface CreateFormatOptions {
  readonly version?: number | undefined;
  readonly hash?: string | undefined;
  readonly encryption?: string | undefined;
  readonly ecc?: string | undefined;
  readonly eccOverheadPercent?: number | undefined;
  readonly splitter?: string | undefined;
  readonly keyAlgorithm?: string | undefined;
  readonly maxPackSize?: number | undefined;
}
/** @throws SEJF_INVALID_ARGUMENT, SEJF_UNSUPPORTED. `blob` has no encrypted format yet: `sealFormat` fills it. */
export declare function createFormat(
  options: CreateFormatOptions,
  random: Random,
): { readonly blob: FormatBlob; readonly format: RepositoryFormat };

/** `kopia.blobcfg`: object lock of everything that is put. */
export interface BlobConfig {
  readonly retentionMode: "" | "GOVERNANCE" | "COMPLIANCE" | "Locked";
  readonly retentionPeriodNs: bigint;
  readonly unknown: UnknownMembers;
}
export declare function openBlobConfig(
  engine: CryptoEngine,
  blob: Pick<FormatBlob, "uniqueId">,
  formatKey: Uint8Array,
  bytes: Uint8Array,
): BlobConfig;
export declare function sealBlobConfig(
  engine: CryptoEngine,
  blob: Pick<FormatBlob, "uniqueId">,
  formatKey: Uint8Array,
  config: BlobConfig,
  random: Random,
): OwnedBytes;

export interface DerivedKeys {
  /** 16 bytes. */
  readonly localCacheIntegrity: OwnedBytes;
  /** 32 bytes. */
  readonly maintenanceSchedule: OwnedBytes;
}
export declare function deriveKeys(
  engine: CryptoEngine,
  blob: Pick<FormatBlob, "uniqueId">,
  formatKey: Uint8Array,
  format: Pick<RepositoryFormat, "secret" | "masterKey" | "enablePasswordChange">,
): DerivedKeys;
export declare function sealMaintenanceSchedule(
  engine: CryptoEngine,
  key: Uint8Array,
  json: Uint8Array,
  random: Random,
): OwnedBytes;
export declare function openMaintenanceSchedule(
  engine: CryptoEngine,
  key: Uint8Array,
  bytes: Uint8Array,
): OwnedBytes;

/** What stands before the contents of a pack where the password cannot be changed. */
export declare function formatBlobCopy(engine: CryptoEngine, formatBlob: Uint8Array): OwnedBytes;
/** From the first or the last 65536 bytes of a pack, whichever has one. */
export declare function findFormatBlobCopy(
  engine: CryptoEngine,
  head: Uint8Array,
  tail: Uint8Array,
): OwnedBytes | undefined;

// --- codec -------------------------------------------------------------------------------------------------------

export interface BlobCodec {
  readonly hash: ContentHash;
  readonly indexVersion: number;
  /** Name is prefix, hash, and `-suffix` where there is one. */
  encryptBlob(
    prefix: string,
    suffix: string,
    plaintext: Uint8Array,
  ): { readonly id: BlobId; readonly data: OwnedBytes };
  /** @throws SEJF_CORRUPT naming the blob. */
  decryptBlob(id: BlobId, data: Uint8Array): OwnedBytes;
  /** Encryption and error correction. `iv`: the last 16 bytes of the content's hash. */
  sealContent(payload: Uint8Array, iv: Uint8Array): OwnedBytes;
  openContent(stored: Uint8Array, iv: Uint8Array): OwnedBytes;
  /** What `sealContent` makes of that many bytes. */
  sealedLength(payloadLength: number): number;
  encodeContent(
    data: Uint8Array,
    contentId: ContentId,
    compressorId: CompressorId | undefined,
  ): { readonly stored: OwnedBytes; readonly compressionId: CompressorId };
  /** Re-hashed. @throws SEJF_CORRUPT naming the content. */
  decodeContent(
    stored: Uint8Array,
    contentId: ContentId,
    compressionId: CompressorId,
    originalLength: number,
  ): OwnedBytes;
}
export declare function createBlobCodec(
  engine: CryptoEngine,
  compression: CompressionEngine,
  parameters: CodecParameters,
  random: Random,
): BlobCodec;

// --- indexes -----------------------------------------------------------------------------------------------------

/** Where things are in an index of either version; all offsets are checked against the length. */
export interface IndexLayout {
  readonly version: number;
  /** Bytes of a key: the prefix byte and the hash. */
  readonly keyLength: number;
  /** Bytes of an entry behind its key. */
  readonly valueLength: number;
  /** Bytes from one entry to the next. */
  readonly stride: number;
  readonly count: number;
  readonly entriesOffset: number;
  readonly packCount: number;
  readonly packTableOffset: number;
  readonly formatCount: number;
  readonly formatTableOffset: number;
  readonly baseTimeS: number;
}
/** From the first bytes of an index (17 are enough) and its whole length. @throws SEJF_CORRUPT. */
export declare function decodeIndexLayout(head: Uint8Array, lengthBytes: number): IndexLayout;

/** First and one behind the last content ID, as text. */
export interface IdRange {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** An index over its bytes, searched where they lie. */
export interface PackedIndex {
  readonly layout: IndexLayout;
  readonly bytes: Uint8Array;
  /** Entries, unusable ones (that name a pack or format which is not there) included. */
  readonly count: number;
  /** Position of this key, -1 when absent. */
  findPosition(key: Uint8Array): number;
  /** First position whose key is not below this one; `count` when there is none. */
  lowerBound(key: Uint8Array): number;
  /** `undefined` for an unusable entry. */
  entryAt(position: number): IndexEntry | undefined;
  /** A view. */
  keyAt(position: number): Uint8Array;
  find(key: Uint8Array): IndexEntry | undefined;
  /** Usable entries in the order of their IDs. */
  entries(range?: IdRange): Iterable<IndexEntry>;
}
/** @throws SEJF_CORRUPT. The bytes are kept, not copied. */
export declare function openIndex(bytes: Uint8Array): PackedIndex;

/** Visits the winner of every content of all inputs, in order. */
export declare function mergeIndexes(inputs: readonly PackedIndex[]): Iterable<IndexEntry>;

export interface BuildIndexOptions {
  /** Ignored bytes at the end: 32 random ones in local indexes and old-manager compactions. */
  readonly tail?: Uint8Array | undefined;
}
/** Collects entries in any order, packed; of several for one content the winner is kept. */
export declare class IndexBuilder {
  /** Entries added so far, losers included. */
  readonly count: number;
  add(entry: IndexEntry): void;
  /** Every usable entry. */
  addAll(index: PackedIndex): void;
  /** Positions of another index, without making objects. */
  addFrom(index: PackedIndex, position: number): void;
  /** Winners in order. */
  entries(): Iterable<IndexEntry>;
  clear(): void;
  build(version: number, options?: BuildIndexOptions): OwnedBytes;
  /** One index, or several where there are more entries than `maxEntries` (16 000 000). */
  buildShards(
    version: number,
    options?: BuildIndexOptions & { readonly maxEntries?: number | undefined },
  ): readonly OwnedBytes[];
}
/** Number of the shard of a content: FNV-1a of its ID. */
export declare function shardIndex(contentId: ContentId, shards: number): number;

// --- packs -------------------------------------------------------------------------------------------------------

export interface PackBuilderOptions {
  readonly codec: BlobCodec;
  readonly packId: BlobId;
  readonly indexVersion: number;
  /** `formatBlobCopy`, where the password cannot be changed. */
  readonly formatCopy?: Uint8Array | undefined;
  readonly random: Random;
  /** Where the pack is built, shared memory for one; by default a growing buffer of its own. */
  readonly buffer?: Uint8Array | undefined;
}
export interface AppendedContent {
  readonly contentId: ContentId;
  readonly originalLength: number;
  readonly timestampS: number;
  readonly formatVersion: number;
  readonly compressionId: CompressorId;
}
export interface FinishedPack {
  readonly packId: BlobId;
  /** The whole pack: a view of the buffer. */
  readonly bytes: Uint8Array;
  readonly entries: readonly IndexEntry[];
  /** Plain index of all entries, as `IndexBuilder.build` makes it, without a random tail. */
  readonly index: OwnedBytes;
}
export declare class PackBuilder {
  constructor(options: PackBuilderOptions);
  readonly packId: BlobId;
  /** Bytes so far. */
  readonly lengthBytes: number;
  readonly contentCount: number;
  /** Whether a content of that many stored bytes, and the end of the pack, fit into the given buffer. */
  fits(storedLength: number): boolean;
  append(stored: Uint8Array, content: AppendedContent): IndexEntry;
  /** A view of `length` bytes behind what is there, to write stored bytes in place; `commit` makes them a content. */
  reserve(length: number): Uint8Array;
  commit(length: number, content: AppendedContent): IndexEntry;
  /** An entry for the local index only: a deletion. */
  record(entry: IndexEntry): void;
  finish(): FinishedPack;
}
/** A fresh name: `p` or `q`, 32 hex digits, the session. */
export declare function newPackId(prefix: "p" | "q", session: SessionId, random: Random): BlobId;
/** The local index of a stored pack, by its postamble. @throws SEJF_CORRUPT. */
export declare function readPackIndex(
  packId: BlobId,
  getRange: (offset: number, length: number) => Promise<Uint8Array>,
  lengthBytes: number,
  codec: BlobCodec,
): Promise<PackedIndex>;

// --- sessions ----------------------------------------------------------------------------------------------------

/** `s0e9099296a9b76fa147`. */
export type SessionId = string & { readonly __brand: "SessionId" };
export interface SessionMarker {
  readonly id: SessionId;
  readonly startTime: TimestampNs;
  readonly checkpointTime: TimestampNs;
  readonly username: string;
  readonly hostname: string;
}
export declare function newSessionId(clock: Clock, random: Random): SessionId;
export declare function sessionOfBlob(id: BlobId): SessionId | undefined;
export declare function encodeSessionMarker(marker: SessionMarker): OwnedBytes;
export declare function decodeSessionMarker(bytes: Uint8Array): SessionMarker;
/** Fresh `s` and 16 hex digits: the set of a compaction, no real session. */
export declare function newCompactionSetId(random: Random): string;

// --- epochs ------------------------------------------------------------------------------------------------------

/** Prefixes to list for `resolveEpochs`. */
export declare const EPOCH_STATE_PREFIXES: readonly string[];
export interface EpochRange {
  readonly min: number;
  readonly max: number;
  readonly blobs: readonly BlobMetadata[];
}
export interface EpochSnapshot {
  readonly writeEpoch: number;
  /** Unix seconds. */
  readonly deletionWatermarkS: number | undefined;
  /** The chosen chain. */
  readonly ranges: readonly EpochRange[];
  /** Complete single-epoch sets. */
  readonly singles: ReadonlyMap<number, readonly BlobMetadata[]>;
  /** Prefixes to list for `activeFor`: `xn3_`, …, or `xn` alone where they would be many. */
  uncompactedPrefixes(): readonly string[];
  /** The active index blobs, from a listing of those prefixes (others in it are ignored). */
  activeFor(uncompacted: readonly BlobMetadata[]): readonly BlobMetadata[];
}
/** From a listing of `EPOCH_STATE_PREFIXES`, in the store's order. Names that cannot be read are skipped. */
export declare function resolveEpochs(listing: readonly BlobMetadata[]): EpochSnapshot;
export declare function uncompactedIndexPrefix(epoch: number): string;
export declare function singleEpochIndexPrefix(epoch: number): string;
export declare function rangeIndexPrefix(min: number, max: number): string;
export declare function epochMarkerBlob(epoch: number): {
  readonly id: BlobId;
  readonly data: OwnedBytes;
};
export declare function watermarkBlob(watermarkS: number): {
  readonly id: BlobId;
  readonly data: OwnedBytes;
};
/** `<session>-c<count>`: the suffix of an index blob. */
export declare function indexSuffix(session: string, count: number): string;
/** The epoch of an uncompacted index blob. */
export declare function epochOfUncompacted(id: BlobId): number | undefined;

export declare function shouldAdvanceEpoch(
  parameters: EpochParameters,
  uncompactedOfWriteEpoch: readonly BlobMetadata[],
): boolean;
/** The epoch to compact next; the caller checks that it has blobs. */
export declare function singleEpochToCompact(snapshot: EpochSnapshot): number | undefined;
export declare function rangeToCompact(
  snapshot: EpochSnapshot,
  parameters: EpochParameters,
): { readonly min: number; readonly max: number } | undefined;
export interface EpochCleanup {
  readonly indexes: readonly BlobMetadata[];
  readonly markers: readonly BlobMetadata[];
  readonly watermarks: readonly BlobMetadata[];
}
/** From a listing of all `x` blobs. */
export declare function epochCleanup(
  listing: readonly BlobMetadata[],
  parameters: EpochParameters,
): EpochCleanup;

// --- old manager -------------------------------------------------------------------------------------------------

export interface CompactionLogBlob {
  readonly id: BlobId;
  readonly lengthBytes: number;
  readonly timestamp: TimestampNs;
}
export interface CompactionLog {
  readonly inputs: readonly CompactionLogBlob[];
  readonly outputs: readonly CompactionLogBlob[];
}
export declare function encodeCompactionLog(log: CompactionLog): OwnedBytes;
export declare function decodeCompactionLog(bytes: Uint8Array): CompactionLog;
/** The active `n` blobs: those that no valid log has replaced. */
export declare function resolveCompactionLogs(
  indexBlobs: readonly BlobMetadata[],
  logs: readonly CompactionLog[],
): readonly BlobMetadata[];
export interface CleanupSchedule {
  readonly blobIds: readonly BlobId[];
  readonly cleanupTime: TimestampNs;
}
export declare function encodeCleanupSchedule(schedule: CleanupSchedule): OwnedBytes;
export declare function decodeCleanupSchedule(bytes: Uint8Array): CleanupSchedule;
/** Which active blobs to merge; empty when it is not worth while. */
export declare function oldIndexesToCompact(
  active: readonly BlobMetadata[],
  options: {
    readonly maxPackSize: number;
    readonly minCount: number;
    readonly all?: boolean | undefined;
  },
): readonly BlobMetadata[];

// --- blob names --------------------------------------------------------------------------------------------------

export type BlobKind =
  | "format"
  | "blob-config"
  | "format-backup"
  | "maintenance"
  | "data-pack"
  | "metadata-pack"
  | "uncompacted-index"
  | "single-epoch-index"
  | "range-index"
  | "epoch-marker"
  | "watermark"
  | "old-index"
  | "compaction-log"
  | "cleanup-schedule"
  | "session"
  | "log"
  | "storage-config"
  | "unknown";
export declare function blobKind(id: BlobId): BlobKind;
