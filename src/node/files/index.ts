/** Local files for walking and restoring: exact times, names that are not UTF-8, symlinks never followed. */
export {
  type AttributeOptions,
  setDirectoryAttributes,
  setFileAttributes,
  setLinkAttributes,
} from "./attributes.ts";
export {
  type DirectoryEntry,
  fstatExact,
  localStat,
  lstatExact,
  readDirectory,
  readLink,
  readNames,
  statEntries,
  statExact,
} from "./directory.ts";
export type { EntryKind, EntryStat } from "./entry-stat.ts";
export { DirectoryHandle, openDirectory } from "./handle.ts";
export { nextDataOffset } from "./holes.ts";
export { ListingMemory, type ListingOrder } from "./listing-memory.ts";
export { createChild, createDirectory, createSymlink } from "./make.ts";
export { isPlainName, joinLocal, localName, nameBytes, nameText, pathLike } from "./names.ts";
export { releasePages } from "./pages.ts";
export {
  assertRealDirectory,
  discardRestoreFile,
  finishRestoreFile,
  openRestoreFile,
  type OpenRestoreOptions,
  isSystemError,
  isTemporaryName,
  openSource,
  type RestoreTarget,
} from "./open.ts";
export { SourceDirectory } from "./source-directory.ts";
export { writeFully, writeSparse } from "./sparse.ts";
export { type FileTimes, hasExactTimes, setFileTimes } from "./times.ts";
