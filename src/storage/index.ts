/** Storage back ends by type: one folder each, all of the same contract. */
export {
  type FilesystemConfig,
  FilesystemStorage,
  type FilesystemStorageOptions,
  openFilesystemStorage,
  parseFilesystemConfig,
} from "./filesystem/index.ts";
export type { S3Config, S3StorageOptions } from "./s3/index.ts";
export { openStorage, type OpenStorageOptions, STORAGE_TYPES } from "./registry.ts";
