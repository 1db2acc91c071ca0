/** Repositories in a folder: Kopia's directory-tree layout, on a local or mounted file system. */
export { type FilesystemConfig, parseFilesystemConfig } from "./config.ts";
export {
  FilesystemStorage,
  type FilesystemStorageOptions,
  openFilesystemStorage,
} from "./filesystem-storage.ts";
