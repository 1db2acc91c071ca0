/**
 * Big indexes as decrypted local files: made from their blobs where they are missing, and made again where they are
 * damaged, for they are only copies.
 */
import type { BlobId, BlobMetadata } from "../blob/index.ts";
import { bytesToHex, type CallOptions, utf8ToBytes } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import {
  type FileSegment,
  type IndexFileKeys,
  openIndexFile,
  Segment,
  writeIndexFile,
  writeMergedIndexFile,
} from "../node/index/index.ts";
import type { DiskCache } from "./disk-cache.ts";
import { type IndexBlobSource, naming } from "./index-blobs.ts";

/** Checked as a whole when it is opened; a larger one block by block, as it is read. */
const EAGER_BYTES = 64 << 20;

export interface OpenFile {
  readonly descriptor: FileSegment;
  readonly segment: Segment;
}

/** Gives `undefined` instead of an error where the connection may go on without this blob. */
export type Tolerate = <T>(id: BlobId, read: () => Promise<T>) => Promise<T | undefined>;

export class IndexFiles {
  readonly #cache: DiskCache;
  readonly #source: IndexBlobSource;
  readonly #keys: IndexFileKeys;
  readonly #tolerate: Tolerate;

  constructor(cache: DiskCache, source: IndexBlobSource, keys: IndexFileKeys, tolerate: Tolerate) {
    this.#cache = cache;
    this.#source = source;
    this.#keys = keys;
    this.#tolerate = tolerate;
  }

  /** One file for each of `single`, and one for all of `merged`. The caller closes them. `own`: plain bytes at hand. */
  async open(
    single: readonly BlobMetadata[],
    merged: readonly BlobMetadata[],
    own: ReadonlyMap<BlobId, Uint8Array>,
    options: CallOptions,
  ): Promise<OpenFile[]> {
    const files: OpenFile[] = [];
    try {
      for (const blob of single) {
        const file = await this.#tolerate(
          blob.id,
          async () => await this.#openOne(blob, own.get(blob.id), options),
        );
        if (file !== undefined) files.push(file);
      }
      if (merged.length > 0) {
        const file = await this.#openMerged(merged, own, options);
        if (file !== undefined) files.push(file);
      }
      return files;
    } catch (error) {
      for (const file of files) file.segment.close();
      throw error;
    }
  }

  async #openOne(
    blob: BlobMetadata,
    own: Uint8Array | undefined,
    options: CallOptions,
  ): Promise<OpenFile | undefined> {
    return await this.#openOrMake(blob.id, async (path) => {
      const plain = own ?? (await this.#source.readLargeIndexBlob(blob, options));
      return naming(blob.id, () => writeIndexFile(path, blob.id, plain, this.#keys));
    });
  }

  /** Many middling blobs as one file, named by what is in it. */
  async #openMerged(
    blobs: readonly BlobMetadata[],
    own: ReadonlyMap<BlobId, Uint8Array>,
    options: CallOptions,
  ): Promise<OpenFile | undefined> {
    const ids = blobs.map((blob) => blob.id).toSorted();
    const name = `merged-${bytesToHex(this.#keys.sha256(utf8ToBytes(ids.join("\n"))))}`;
    return await this.#openOrMake(name, async (path) => {
      const parts = await this.open(blobs, [], own, options);
      try {
        const segments = parts.map((part) => part.segment);
        return await writeMergedIndexFile(path, name, segments, this.#keys);
      } finally {
        for (const part of parts) part.segment.close();
      }
    });
  }

  async #openOrMake(
    name: string,
    make: (path: string) => Promise<FileSegment | undefined>,
  ): Promise<OpenFile | undefined> {
    const path = await this.#cache.indexFilePath(name);
    const found = openIndexFile(path, name, this.#keys);
    if (found !== undefined) {
      try {
        const file = this.#openChecked(found);
        await this.#cache.touch(path);
        return file;
      } catch (error) {
        // A damaged or vanished copy.
        if (isSejfError(error) && !isSejfError(error, "SEJF_CORRUPT")) throw error;
      }
    }
    const made = await make(path);
    if (made === undefined) return undefined;
    await this.#cache.wrote("index-files", made.lengthBytes);
    // Not read again as a whole: each of its blocks is checked when it is first needed.
    return { descriptor: made, segment: Segment.fromFile(made, this.#keys.sha256) };
  }

  #openChecked(descriptor: FileSegment): OpenFile {
    const segment = Segment.fromFile(descriptor, this.#keys.sha256);
    try {
      if (descriptor.lengthBytes <= EAGER_BYTES) segment.verify();
      return { descriptor, segment };
    } catch (error) {
      segment.close();
      throw error;
    }
  }
}
