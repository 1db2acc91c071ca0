/** What restores to archives are made of: one writer for each format, one entry after the other. */
import type { DirEntry } from "./types.ts";

/** `zip-nocompress`: stored; `tgz`: a tar file through gzip. */
export type ArchiveFormat = "zip" | "zip-nocompress" | "tar" | "tgz";

/** Paths have `/` between plain names and none in front. Attributes are taken from the entry. */
export interface ArchiveWriter {
  /** The archive's bytes, to be read while entries are added. */
  readonly bytes: AsyncIterable<Uint8Array>;
  directory(path: string, entry: DirEntry): Promise<void>;
  /** `target` as the bytes that the system has. @throws SEJF_UNSUPPORTED where the format cannot hold them. */
  symlink(path: string, entry: DirEntry, target: Uint8Array): Promise<void>;
  /** `data` has exactly the entry's size; small files come as they are, all at once. */
  file(path: string, entry: DirEntry, data: Uint8Array | AsyncIterable<Uint8Array>): Promise<void>;
  finish(): Promise<void>;
  /** Ends `bytes` with this error. */
  abort(error: unknown): void;
}
