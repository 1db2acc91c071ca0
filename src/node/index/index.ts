/** Search in indexes of any size: by pread in decrypted files, and in merged segments in shared memory. */
export type { Sha256 } from "./byte-source.ts";
export type {
  FileSegment,
  IndexSetDescriptor,
  MemorySegment,
  RadixDirectory,
  RadixGroup,
} from "./descriptor.ts";
export {
  type IndexFileKeys,
  openIndexFile,
  type SortedEntry,
  writeIndexFile,
  writeMergedIndexFile,
  writeSortedIndexFile,
} from "./index-file.ts";
export { someEntry } from "./cursor.ts";
export {
  ABSENT,
  IndexSet,
  LIVE,
  mergeToMemory,
  openIndexBytes,
  openIndexSet,
} from "./index-set.ts";
export { Segment } from "./segment.ts";
export type { WritableEntry } from "./writer.ts";
