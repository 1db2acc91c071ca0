/** Search in indexes of any size: by pread in decrypted files, and in merged segments in shared memory. */
export type { FileSegment, IndexSetDescriptor, MemorySegment, RadixDirectory, RadixGroup } from "./descriptor.ts";
