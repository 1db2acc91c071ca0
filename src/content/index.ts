/** Direct contents: packs, indexes, epochs and sessions of a repository in a blob store, read and written without a server. */
export { PortableBulk, type PortableParts } from "./bulk-portable.ts";
export { sealedOver } from "./sealed-over.ts";
export {
  type CacheFolder,
  type CacheFolderUsage,
  cacheUsage,
  clearCache,
  type FolderUsage,
  folderUsage,
  SERVER_CONTENTS,
} from "./cache-folder.ts";
export { markCacheFolder } from "./cache-tag.ts";
export { DEFAULT_CACHE_LIMITS, TOUCH_AGE_MS } from "./disk-cache.ts";
export {
  type CollectionAges,
  collectPacks,
  type CollectPacksOptions,
  type CollectPacksResult,
  FULL_COLLECTION_AGES,
  NO_COLLECTION_AGES,
} from "./pack-collection.ts";
export {
  FULL_REWRITE_AGE_MS,
  rewriteContents,
  type RewriteContentsOptions,
  type RewriteContentsResult,
  type RewriteSelection,
  selectContents,
} from "./rewrite-selection.ts";
export { openDirectContents } from "./direct-contents.ts";
export type {
  CacheLimits,
  CompactIndexesOptions,
  ContentBatch,
  ContentInfo,
  ContentProblem,
  ContentsEvent,
  ContentsStatistics,
  DirectContents,
  DirectContentsOptions,
  DirectWriteOptions,
  EpochRangeSet,
  EpochSet,
  EpochState,
  FillCacheOptions,
  FillCacheResult,
  IndexBlobInfo,
  IndexMaintenanceOptions,
  IndexMaintenanceResult,
  ListContentsOptions,
  PlanLimits,
  ReadIntoOptions,
  RecoverIndexesOptions,
  RecoverIndexesResult,
  RewriteOptions,
  SessionInfo,
  StoreContentsOptions,
  StoredBatch,
  VerifyContentsOptions,
  VerifyContentsResult,
  WriterIdentity,
} from "./types.ts";
