/** Fetching index blobs: from the cache or the store, decrypted, re-hashed against their names. */
import type { BlobId, BlobMetadata } from "../blob/index.ts";
import type { CallOptions, OwnedBytes } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
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
    const plain = codec.decryptBlob(id, stored);
    await this.#cache.put("index-blobs", id, stored);
    return plain;
  }

  /** Not kept in the cache: the decrypted file is. */
  async readLargeIndexBlob(blob: BlobMetadata, options: CallOptions = {}): Promise<OwnedBytes> {
    const { codec, storage } = this.#context;
    return codec.decryptBlob(blob.id, await storage.get(blob.id, options));
  }
}
