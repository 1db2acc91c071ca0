/** Fetching index blobs: from the cache or the store, decrypted, re-hashed against their names. */
import type { BlobId, BlobMetadata } from "../blob/index.ts";
import type { CallOptions, OwnedBytes } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import type { Context } from "./context.ts";
import type { DiskCache } from "./disk-cache.ts";
import type { IndexBlobReader } from "./index-manager.ts";

export class IndexBlobSource implements IndexBlobReader {
  readonly #context: Context;
  readonly #cache: DiskCache;

  constructor(context: Context, cache: DiskCache) {
    this.#context = context;
    this.#cache = cache;
  }

  /** A cached blob that does not verify is fetched again: it is the cache that is damaged. */
  async readIndexBlob(id: BlobId, options: CallOptions = {}): Promise<OwnedBytes> {
    const { codec, storage } = this.#context;
    const cached = await this.#cache.get("index-blobs", id);
    if (cached !== undefined) {
      try {
        return codec.decryptBlob(id, cached);
      } catch (error) {
        if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
        await this.#cache.remove("index-blobs", id);
      }
    }
    const stored = await storage.get(id, options);
    const plain = this.#decrypt(id, stored);
    await this.#cache.put("index-blobs", id, stored);
    return plain;
  }

  /** Not kept in the cache: the decrypted file is. */
  async readLargeIndexBlob(blob: BlobMetadata, options: CallOptions = {}): Promise<OwnedBytes> {
    return this.#decrypt(blob.id, await this.#context.storage.get(blob.id, options));
  }

  #decrypt(id: BlobId, stored: OwnedBytes): OwnedBytes {
    try {
      return this.#context.codec.decryptBlob(id, stored);
    } catch (error) {
      if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
      throw new SejfError("SEJF_CORRUPT", `index ${error.message}`, {
        cause: error,
        hint: "restore the blob from another copy of the storage; where there is none, `index recover --delete-indexes` rebuilds the index from the packs",
      });
    }
  }
}

/** Says of which blob an error speaks. */
export function naming<T>(id: BlobId, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
    throw new SejfError("SEJF_CORRUPT", `index blob ${id}: ${error.message}`, { cause: error });
  }
}
