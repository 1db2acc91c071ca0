/** Blobs: the storage seam, what wraps it, the layout of directory trees, and whole-store operations. */
export { isBlobId, MAX_BLOB_ID_LENGTH, toBlobId } from "./blob-id.ts";
export {
  blobParts,
  checkRange,
  getBlobIfPresent,
  listAllBlobs,
  MAX_BLOB_BYTES,
  statExisting,
  totalLength,
} from "./blob-calls.ts";
export { MemoryStorage, type MemoryStorageOptions } from "./memory-storage.ts";
export { readOnlyStorage } from "./read-only.ts";
export { retried, type RetryOptions, withRetry } from "./retry.ts";
export {
  BLOB_SUFFIX,
  blobIdOfFile,
  couldHold,
  DEFAULT_MAX_UNSHARDED_LENGTH,
  formatShards,
  parseShards,
  shardPath,
  SHARDS_FILE,
  type ShardOverride,
  type ShardSpec,
} from "./sharding.ts";
export type {
  BlobId,
  BlobMetadata,
  BlobStorage,
  ByteRange,
  ConnectionInfo,
  PutOptions,
  RetentionOptions,
  StorageCapabilities,
} from "./storage.ts";
export {
  copyAllBlobs,
  type CopyBlobsOptions,
  type CopyBlobsProgress,
  type CopyBlobsResult,
} from "./sync.ts";
export {
  isThrottled,
  ThrottledStorage,
  THROTTLING_LIMIT_NAMES,
  type ThrottleOptions,
  type ThrottlingLimits,
  withThrottle,
} from "./throttle.ts";
export { Gate, type Sleep, systemSleep } from "./token-bucket.ts";
export { type StorageValidationOptions, validateStorageProvider } from "./validate.ts";
export { StorageWrapper } from "./wrapper.ts";
