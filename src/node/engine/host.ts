/**
 * What the thread engine needs from the content manager, and what it gives back. The engine owns threads, shared
 * memory, claims and pack buffers; the host owns sessions, the pending index, storage of packs and locations.
 */
import type { CallOptions, OwnedBytes } from "../../bytes/index.ts";
import type { BlobId, BlobStorage, ByteRange } from "../../blob/index.ts";
import type {
  BulkReader,
  BulkWriter,
  CodecParameters,
  ContentRef,
  FileBatch,
  FileResult,
  SealingParameters,
  WriteFilesOptions,
} from "../../format/index.ts";
import type { IndexSetDescriptor } from "../index/index.ts";
import type { ClaimTable } from "./claim-table.ts";

/** Everything a thread must know of the repository, as plain data: it is given once, when the thread begins. */
export interface BulkEngineConfig {
  /** Algorithms and keys. SECURITY: reaches a thread in its first message only. */
  readonly codec: CodecParameters;
  /** Written into index entries. */
  readonly formatVersion: number;
  /** A pack is finished when it has reached this many bytes. */
  readonly maxPackSizeBytes: number;
  /** The repository's default splitter. */
  readonly splitter: string;
  /** Contents that may be new before the index must be committed. Default: 262,144, in 19 MiB for hashes of 32 bytes. */
  readonly claimLimit?: number | undefined;
  /** For `writeSealed`. SECURITY: as `codec`. */
  readonly sealing?: SealingParameters | undefined;
  /** Threads to start. Default: `SEJF_THREADS`, else the number of cores, at most 8. */
  readonly threads?: number | undefined;
}

/** A pack that a thread is about to fill. */
export interface OpenedPack {
  readonly packId: BlobId;
  /** The format blob's copy at the pack's beginning (format blobs without password change). */
  readonly formatCopy?: Uint8Array | undefined;
}

/** Where a content lies. */
export interface ContentLocation {
  readonly packId: BlobId;
  readonly packOffset: number;
  readonly packedLength: number;
  /** Plain bytes. */
  readonly originalLength: number;
  /** 0: not compressed. */
  readonly compressionId: number;
}

/** Implemented by the content manager. All methods are called on the main thread. */
export interface BulkEngineHost {
  readonly storage: BlobStorage;
  /** Seconds for new index entries. */
  nowS(): number;
  /** The committed index as it is now; threads open it themselves and keep it until `indexCommitted`. */
  indexDescriptor(): IndexSetDescriptor;
  /** A fresh pack name. Whatever must lie in the store before the pack does, `storePack` waits for. */
  openPack(prefix: "p" | "q"): Promise<OpenedPack>;
  /**
   * Stores a finished pack and takes over its entries, durable when it resolves. `bytes` is a view of shared memory,
   * valid until the promise settles. `localIndex` is a plain index of the repository's version over the pack's entries.
   */
  storePack(packId: BlobId, bytes: Uint8Array, localIndex: OwnedBytes): Promise<void>;
  /**
   * Makes the entries of all packs stored so far part of the committed index (a flush), because the claim table is
   * filling up. Called with no upload work under way and all partial packs stored.
   */
  commitIndex(): Promise<void>;
  /** Where contents lie, in the order asked; `undefined` where no index names it or it is deleted. */
  locate(refs: readonly ContentRef[]): Promise<readonly (ContentLocation | undefined)[]>;
  /** Bytes of a pack for stores without `localPath`; the host may cache. @throws SEJF_BLOB_NOT_FOUND, SEJF_RANGE. */
  readPackRange(packId: BlobId, range: ByteRange, options?: CallOptions): Promise<OwnedBytes>;
}

/** The writing half of a host. */
export type StoreHost = Pick<
  BulkEngineHost,
  "nowS" | "indexDescriptor" | "openPack" | "storePack" | "commitIndex"
>;

/** Contents without a prefix, one behind the other. */
export interface ContentBatch {
  /** A view of memory that nothing else lies in: it is taken away, and comes back with the result. */
  readonly bytes: OwnedBytes;
  /** Together as long as `bytes`. */
  readonly lengths: Uint32Array;
  /** Compressor IDs, 0 for none. */
  readonly compressors: Uint32Array;
}

export interface StoredBatch {
  /** The memory that was taken, to be used again. */
  readonly bytes: OwnedBytes;
  /** One behind the other. */
  readonly hashes: OwnedBytes;
  /** 1: nobody had it. */
  readonly isNew: OwnedBytes;
}

/** The two bulk paths over one set of threads. Pieces and requests to be read may be sealed ones. */
export interface BulkEngine extends BulkWriter, BulkReader, AsyncDisposable {
  /** Threads that are or will be started; 0 means that the caller should use its portable path. */
  readonly threads: number;
  /** As `writeFiles`, with contents sealed first: pieces come with a `WrittenSeal`. `sealing` was given. */
  writeSealed(
    batches: AsyncIterable<FileBatch>,
    options?: WriteFilesOptions,
  ): AsyncIterable<readonly FileResult[]>;
  /**
   * Stores contents in a thread; `evenly`: contents that are known take the same work as new ones. They are claimed and
   * readable behind `drain`. `undefined` when one is longer than a thread takes (16 MiB): nothing was done, nor the
   * memory taken. @throws as `drain`, with the memory lost.
   */
  storeContents(
    batch: ContentBatch,
    options: { readonly evenly: boolean },
  ): Promise<StoredBatch | undefined>;
  /** Starts a thread before there is work for it. */
  warmUp(): void;
  /** Claims of everything that was written since the committed index was opened; for the host's own writes too. */
  readonly claims: ClaimTable;
  /**
   * Resolves when every content of the file results given so far lies in a stored pack; call before the index is written.
   * @throws SEJF_WORKER when a thread died with contents that others may have taken as stored: nothing written since the
   * last commit may be referenced. The first failure of `storePack` is thrown likewise, now and by every later call.
   */
  drain(): Promise<void>;
  /** The host has published everything stored before; threads will look into the new index when it pays. */
  indexCommitted(): void;
  /** Ends the threads. What was not drained is lost (never referenced). */
  close(): Promise<void>;
}
