/** A store in memory: for tests, and for what never touches a disk. It keeps the whole contract, ranges and pages included. */
import {
  type CallOptions,
  type Clock,
  concatBytes,
  copyBytes,
  type OwnedBytes,
  systemClock,
} from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { blobParts, checkRange } from "./blob-calls.ts";
import type {
  BlobId,
  BlobMetadata,
  BlobStorage,
  ByteRange,
  ConnectionInfo,
  PutOptions,
  StorageCapabilities,
} from "./storage.ts";

export interface MemoryStorageOptions {
  /** Gives the timestamps of blobs. */
  readonly clock?: Clock | undefined;
  /** Blobs in a page of a listing, default 1000. */
  readonly pageSize?: number | undefined;
}

interface StoredBlob {
  readonly data: OwnedBytes;
  readonly metadata: BlobMetadata;
}

export class MemoryStorage implements BlobStorage {
  readonly capabilities: StorageCapabilities = {
    objectLock: false,
    setTime: true,
    readOnly: false,
  };
  readonly displayName: string = "Memory";
  readonly connectionInfo: ConnectionInfo = { type: "memory", config: {} };
  readonly #blobs = new Map<BlobId, StoredBlob>();
  readonly #clock: Clock;
  readonly #pageSize: number;

  constructor(options: MemoryStorageOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#pageSize = options.pageSize ?? 1000;
  }

  async get(
    id: BlobId,
    options: CallOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<OwnedBytes> {
    options.signal?.throwIfAborted();
    const blob = this.#blobs.get(id);
    if (blob === undefined)
      throw new SejfError("SEJF_BLOB_NOT_FOUND", `blob ${id} is not in memory`);
    const { range } = options;
    if (range === undefined) return copyBytes(blob.data);
    checkRange(id, range, blob.data.byteLength);
    return blob.data.slice(range.offset, range.offset + range.length);
  }

  async stat(id: BlobId, options: CallOptions = {}): Promise<BlobMetadata | undefined> {
    options.signal?.throwIfAborted();
    return this.#blobs.get(id)?.metadata;
  }

  async put(
    id: BlobId,
    data: Uint8Array | readonly Uint8Array[],
    options: PutOptions = {},
  ): Promise<BlobMetadata> {
    options.signal?.throwIfAborted();
    if (options.retention !== undefined)
      throw new SejfError("SEJF_UNSUPPORTED", "a store in memory has no object lock");
    if (options.ifAbsent === true && this.#blobs.has(id)) {
      throw new SejfError("SEJF_ALREADY_EXISTS", `blob ${id} exists already`);
    }
    const bytes = concatBytes(...blobParts(data));
    const timestamp = options.timestamp ?? BigInt(Math.round(this.#clock.nowMs() * 1000)) * 1000n;
    const metadata: BlobMetadata = { id, lengthBytes: bytes.byteLength, timestamp };
    this.#blobs.set(id, { data: bytes, metadata });
    return metadata;
  }

  async delete(id: BlobId, options: CallOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    this.#blobs.delete(id);
  }

  async *list(
    prefix: string,
    options: CallOptions = {},
  ): AsyncGenerator<readonly BlobMetadata[], void, void> {
    options.signal?.throwIfAborted();
    const found = [...this.#blobs.values()]
      .map((blob) => blob.metadata)
      .filter((metadata) => metadata.id.startsWith(prefix))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    for (let at = 0; at < found.length; at += this.#pageSize) {
      yield found.slice(at, at + this.#pageSize);
      options.signal?.throwIfAborted();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
