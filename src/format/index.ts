/**
 * Kopia's repository format, portable: the format blob and its keys, the codec of contents and blobs, indexes,
 * packs, sessions and epochs; and the interfaces through which contents are read and written.
 */
export {
  type BlobCodec,
  createBlobCodec,
  IV_BYTES,
  ivOfHash,
  NO_COMPRESSION,
} from "./blob-codec.ts";
export {
  type BlobConfig,
  NO_BLOB_CONFIG,
  openBlobConfig,
  retentionOf,
  sealBlobConfig,
  validateBlobConfig,
} from "./blob-config.ts";
export * from "./blob-names.ts";
export {
  type ContentId,
  type ContentPrefix,
  contentHashBytes,
  contentIdOf,
  contentIdToKey,
  contentKeyOf,
  contentPrefix,
  isContentId,
  keyToContentId,
  MANIFEST_PREFIX,
  parseContentId,
} from "./content-id.ts";
export {
  CONTENT_LIST_HEAD_BYTES,
  type ContentList,
  decodeContentList,
  type ListedContent,
  listedContents,
} from "./content-list.ts";
export type * from "./contents.ts";
export type * from "./sealed-bulk.ts";
export {
  alteredContent,
  longestSealed,
  MAX_SEALED_PLAIN_BYTES,
  padme,
  padSealed,
  SEALED_HEADER_BYTES,
  SEALED_NONCE,
  SEALED_VERSION,
  sealedAad,
  sealedPrefixByte,
  sealedPrefixOf,
  unpadSealed,
} from "./sealed-content.ts";
export { IdLengths } from "./id-lengths.ts";
export { IdSet } from "./id-set.ts";
export { type CreateFormatOptions, createFormat, packSize } from "./create-format.ts";
export {
  type DerivedKeys,
  deriveKeys,
  openMaintenanceSchedule,
  sealMaintenanceSchedule,
} from "./derived-keys.ts";
export {
  type EpochCleanup,
  epochCleanup,
  rangeToCompact,
  shouldAdvanceEpoch,
  singleEpochToCompact,
} from "./epoch-maintenance.ts";
export {
  epochMarkerBlob,
  epochOf,
  epochOfUncompacted,
  indexSuffix,
  type NamedBlob,
  rangeIndexPrefix,
  singleEpochIndexPrefix,
  uncompactedIndexPrefix,
  watermarkBlob,
} from "./epoch-names.ts";
export {
  DEFAULT_EPOCH_PARAMETERS,
  DISABLED_EPOCH_PARAMETERS,
  type EpochParameters,
  validateEpochParameters,
} from "./epoch-parameters.ts";
export {
  EPOCH_STATE_PREFIXES,
  type EpochRange,
  type EpochSnapshot,
  resolveEpochs,
  UNSETTLED_EPOCHS,
} from "./epochs.ts";
export { decodeFormatBlob, encodeFormatBlob, type FormatBlob } from "./format-blob.ts";
export { FORMAT_COPY_SEARCH_BYTES, findFormatBlobCopy, formatBlobCopy } from "./format-copy.ts";
export {
  type BuildIndexOptions,
  type BuildShardsOptions,
  IndexBuilder,
  MAX_SHARD_ENTRIES,
} from "./index-builder.ts";
export {
  compareEntries,
  type EntryRank,
  type IndexEntry,
  isHiddenByWatermark,
} from "./index-entry.ts";
export {
  decodeIndexLayout,
  type EntryValue,
  emptyEntryValue,
  FORMAT_ROW_BYTES,
  INDEX_HEADER_BYTES,
  type IndexLayout,
  PACK_ROW_BYTES,
  readEntryValue,
  readFormatRow,
  readPackRow,
} from "./index-layout.ts";
export { compareKeys, type MergePosition, mergeIndexes, mergePositions } from "./index-merge.ts";
export { shardIndex } from "./index-shard.ts";
export type { UnknownMembers } from "./json-members.ts";
export {
  type CleanupSchedule,
  type CompactionLog,
  DEFAULT_MIN_OLD_INDEXES,
  type Decoded,
  decodeCleanupSchedule,
  decodeCompactionLog,
  dueCleanups,
  encodeCleanupSchedule,
  encodeCompactionLog,
  type OldCompactionOptions,
  type OldIndexCleanup,
  oldIndexCleanup,
  oldIndexesToCompact,
  resolveCompactionLogs,
} from "./old-indexes.ts";
export {
  type AppendedContent,
  type FinishedPack,
  newPackId,
  PackBuilder,
  type PackBuilderOptions,
} from "./pack-builder.ts";
export {
  decodePostamble,
  encodePostamble,
  MAX_POSTAMBLE_BYTES,
  type Postamble,
} from "./pack-postamble.ts";
export { PACK_TAIL_BYTES, readPackIndex } from "./pack-recovery.ts";
export { type EntryFormat, type IdRange, openIndex, PackedIndex } from "./packed-index.ts";
export {
  DEFAULT_KEY_ALGORITHM,
  deriveFormatKey,
  KEY_ALGORITHMS,
  type KeyDerivation,
} from "./password-box.ts";
export {
  type CodecParameters,
  DEFAULT_MAX_PACK_SIZE,
  MAX_MAX_PACK_SIZE,
  MIN_MAX_PACK_SIZE,
  openFormat,
  type RepositoryFormat,
  sealFormat,
} from "./repository-format.ts";
export { checkRequiredFeatures, type RequiredFeature } from "./required-features.ts";
export {
  decodeSessionMarker,
  encodeSessionMarker,
  isSessionId,
  newCompactionSetId,
  newSessionId,
  type SessionId,
  type SessionMarker,
  sessionOfBlob,
} from "./session.ts";
export {
  assertNotLockedForUpgrade,
  type UpgradeLock,
  type UpgradeLockState,
  upgradeLockState,
} from "./upgrade-lock.ts";
