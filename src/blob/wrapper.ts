/** What all wrappers of a storage share: whatever they do not change goes straight to the storage inside. */
import type { CallOptions, OwnedBytes } from "../bytes/index.ts";
import type {
  BlobId,
  BlobMetadata,
  BlobStorage,
  ByteRange,
  ConnectionInfo,
  PutOptions,
  StorageCapabilities,
} from "./storage.ts";

type Capacity = { readonly totalBytes: number; readonly freeBytes: number };

/** Passes every call on. Disposing it disposes the storage inside. */
export class StorageWrapper implements BlobStorage {
  readonly inner: BlobStorage;
  /** Only where the storage inside has it. A wrapper that must see every read sets it to undefined. */
  localPath?: (id: BlobId) => string;
  removeStaleTemporaryFiles?: NonNullable<BlobStorage["removeStaleTemporaryFiles"]>;
  readonly capacity?: (options?: CallOptions) => Promise<Capacity | undefined>;

  constructor(inner: BlobStorage) {
    this.inner = inner;
    if (inner.localPath !== undefined) this.localPath = inner.localPath.bind(inner);
    if (inner.removeStaleTemporaryFiles !== undefined)
      this.removeStaleTemporaryFiles = inner.removeStaleTemporaryFiles.bind(inner);
    if (inner.capacity !== undefined) this.capacity = inner.capacity.bind(inner);
  }

  get capabilities(): StorageCapabilities {
    return this.inner.capabilities;
  }

  get displayName(): string {
    return this.inner.displayName;
  }

  get connectionInfo(): ConnectionInfo {
    return this.inner.connectionInfo;
  }

  async get(
    id: BlobId,
    options?: CallOptions & { readonly range?: ByteRange | undefined },
  ): Promise<OwnedBytes> {
    return this.inner.get(id, options);
  }

  async stat(id: BlobId, options?: CallOptions): Promise<BlobMetadata | undefined> {
    return this.inner.stat(id, options);
  }

  async put(
    id: BlobId,
    data: Uint8Array | readonly Uint8Array[],
    options?: PutOptions,
  ): Promise<BlobMetadata> {
    return this.inner.put(id, data, options);
  }

  async delete(id: BlobId, options?: CallOptions): Promise<void> {
    await this.inner.delete(id, options);
  }

  list(prefix: string, options?: CallOptions): AsyncIterable<readonly BlobMetadata[]> {
    return this.inner.list(prefix, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.inner[Symbol.asyncDispose]();
  }
}
