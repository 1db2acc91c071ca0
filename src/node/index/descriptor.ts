/**
 * An index set as plain data that can be posted to a thread: shared memory for what is small, paths for what is
 * big. Whoever receives it opens it with `openIndexSet`; nothing in it changes afterwards.
 */

/** One index in shared memory, merged or as it was published: its bytes, of either version, and its directory. */
export interface MemorySegment {
  readonly bytes: SharedArrayBuffer;
  readonly lengthBytes: number;
  readonly directory: RadixDirectory;
}

/** One decrypted index in a local file, of version 1 or 2. */
export interface FileSegment {
  readonly path: string;
  /** Of the index itself; tables of ours may follow it in the file. */
  readonly lengthBytes: number;
  readonly directory: RadixDirectory;
  /** First 16 bytes of SHA-256 of each block of 64 KiB; a block is checked when it is first touched. */
  readonly blockTags: SharedArrayBuffer;
}

/** Where entries begin, by key prefix byte and the first bits of the hash: a probe needs one small read. */
export interface RadixDirectory {
  /** For each prefix present, in order: prefix byte, number of bits, place of its first number in `starts`. */
  readonly groups: readonly RadixGroup[];
  /** Uint32 entry numbers; a group has 2^bits + 1 of them. */
  readonly starts: SharedArrayBuffer;
}

export interface RadixGroup {
  readonly prefix: number;
  readonly bits: number;
  readonly at: number;
}

/** All segments searched together, the later winning only by the merge rule (`kopia-format.md` 4.8). */
export interface IndexSetDescriptor {
  /** Higher for every later state of one store. */
  readonly generation: number;
  readonly files: readonly FileSegment[];
  readonly memory: readonly MemorySegment[];
  /** Deleted entries up to this second do not exist. */
  readonly deletionWatermarkS: number | undefined;
}
