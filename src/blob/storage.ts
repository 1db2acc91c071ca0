/** The seam to every store: flat, immutable, named blobs. */
import type { CallOptions, Clock, OwnedBytes, TimestampNs } from "../bytes/index.ts";

/** ASCII letters, digits, `.`, `-`, `_`; made by `toBlobId`. */
export type BlobId = string & { readonly __brand: "BlobId" };

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface BlobMetadata {
  readonly id: BlobId;
  readonly lengthBytes: number;
  /** When the store says that the blob was written. */
  readonly timestamp: TimestampNs;
}

export interface RetentionOptions {
  readonly mode: "GOVERNANCE" | "COMPLIANCE" | "Locked";
  readonly periodNs: bigint;
}

export interface PutOptions extends CallOptions {
  /** Fails with SEJF_ALREADY_EXISTS when the blob exists, as far as the store can tell. */
  readonly ifAbsent?: boolean | undefined;
  /** Sets the blob's time where `capabilities.setTime`; SEJF_UNSUPPORTED elsewhere. */
  readonly timestamp?: TimestampNs | undefined;
  /** Object lock where `capabilities.objectLock`; SEJF_UNSUPPORTED elsewhere. */
  readonly retention?: RetentionOptions | undefined;
}

export interface StorageCapabilities {
  readonly objectLock: boolean;
  readonly setTime: boolean;
  readonly readOnly: boolean;
}

/** Flat store of immutable blobs. A put is atomic, durable when it resolves, and at once visible to get and list. */
export interface BlobStorage extends AsyncDisposable {
  readonly capabilities: StorageCapabilities;
  /** `Filesystem: /backup/repo`. */
  readonly displayName: string;
  /** What the connection file holds: `{"type":"filesystem","config":{…}}`. */
  readonly connectionInfo: ConnectionInfo;
  /** @throws SEJF_BLOB_NOT_FOUND; SEJF_RANGE when the blob ends before `range` does: never a short read. */
  get(
    id: BlobId,
    options?: CallOptions & { readonly range?: ByteRange | undefined },
  ): Promise<OwnedBytes>;
  /** `undefined` when absent: here absence is an answer, not a failure. */
  stat(id: BlobId, options?: CallOptions): Promise<BlobMetadata | undefined>;
  /** Creates or replaces. The caller may reuse `data` once the promise has settled, not before. */
  put(
    id: BlobId,
    data: Uint8Array | readonly Uint8Array[],
    options?: PutOptions,
  ): Promise<BlobMetadata>;
  /** Deleting an absent blob succeeds. */
  delete(id: BlobId, options?: CallOptions): Promise<void>;
  /** Blobs whose ID begins with `prefix`, in pages in the store's own order; a page may be empty. */
  list(prefix: string, options?: CallOptions): AsyncIterable<readonly BlobMetadata[]>;
  /** Where a blob is a plain local file, its path: threads may read it themselves. The file may not exist. */
  localPath?(id: BlobId): string;
  /** Where puts leave something behind when the writer dies: removes what is older than a day. */
  removeStaleTemporaryFiles?(
    clock: Clock,
    options?: CallOptions,
  ): Promise<{ readonly files: number; readonly bytes: number }>;
  /** Bytes of the volume, where the store knows them. */
  capacity?(
    options?: CallOptions,
  ): Promise<{ readonly totalBytes: number; readonly freeBytes: number } | undefined>;
}

export interface ConnectionInfo {
  readonly type: string;
  readonly config: Readonly<Record<string, unknown>>;
}
