/**
 * The hot seam: how everything above stores and reads contents, in two widths.
 *
 * `ContentWriter` / `ContentReader` take one content at a time: listings, seek tables, manifests, a library's own
 * data. `BulkWriter` / `BulkReader` carry file data: work travels as descriptions (a batch is one directory's small
 * files, or one big file), results as references, and the bytes never cross a layer. Direct, remote and sealed
 * repositories all implement these four; nobody above can tell which.
 */
import type { CallOptions, OwnedBytes } from "../bytes/index.ts";
import type { CompressionEngine, CompressorId } from "../compress/index.ts";
import type { ErrorCode } from "../errors/index.ts";
import type { ContentPrefix } from "./content-id.ts";
import type { PieceSeal, SealedBulk, SealingParameters, WrittenSeal } from "./sealed-bulk.ts";

/** What a directory entry or a seek table stores for a content. Opaque above `content/`; nobody else takes it apart. */
export type ContentRef = string & { readonly __brand: "ContentRef" };

export interface WriteContentOptions extends CallOptions {
  readonly prefix: ContentPrefix;
  /** `undefined`: stored as it is. With index version 1 compression of contents is not possible and ignored. */
  readonly compressor?: CompressorId | undefined;
}

/** One content at a time. */
export interface ContentWriter {
  /** The codecs at hand, for objects that are compressed before they are named (index version 1). */
  readonly compression: CompressionEngine;
  /** Resolves when the content is named and claimed (its bytes copied); durable after `flush`. */
  write(data: Uint8Array, options: WriteContentOptions): Promise<ContentRef>;
  /** Packs, then the index, then the session markers: what was written before the call is durable and visible after it. */
  flush(options?: CallOptions): Promise<void>;
}

export interface ContentReader {
  /** The codecs at hand, for objects that were compressed before they were named. */
  readonly compression: CompressionEngine;
  /** The plain bytes, re-hashed. @throws SEJF_CONTENT_NOT_FOUND, SEJF_CORRUPT, SEJF_BLOB_NOT_FOUND (its pack is gone). */
  read(ref: ContentRef, options?: CallOptions): Promise<OwnedBytes>;
  /** Any order that is cheapest (grouped by pack, by offset); every result was re-hashed. One failure is a result, not a throw. */
  readMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options?: CallOptions,
  ): AsyncIterable<readonly ContentResult[]>;
  /** What is known without reading it; `undefined` when no index names it or it is deleted. */
  stat(ref: ContentRef, options?: CallOptions): Promise<ContentStat | undefined>;
  /** Whether `stat` would know it. Present where `stat` has to read the content, for its length is hidden. */
  has?(ref: ContentRef, options?: CallOptions): Promise<boolean>;
}

/** What every repository can say of a content. */
export interface ContentStat {
  readonly ref: ContentRef;
  /** Plain bytes. */
  readonly originalLength: number;
}

export interface ContentRequest {
  /** Chosen by the caller, unique in its call; comes back with the result. */
  readonly job: number;
  readonly ref: ContentRef;
  /** For `SealedBulk` alone. */
  readonly seal?: PieceSeal | undefined;
}

export type ContentResult =
  | { readonly job: number; readonly ok: true; readonly data: OwnedBytes }
  | {
      readonly job: number;
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
    };

/** A name or path as the system gave it: text, or the raw bytes where they are not UTF-8. */
export type LocalName = string | OwnedBytes;

/** What decides whether a file is unchanged, and what a snapshot keeps of it. */
export interface LocalStat {
  readonly sizeBytes: number;
  /** `st_mode`, with the type bits. */
  readonly mode: number;
  readonly mtimeNs: bigint;
  readonly uid: number;
  readonly gid: number;
}

/** A directory's small files, or one big file. */
export interface FileBatch {
  /** The directory's local path. */
  readonly directory: LocalName;
  readonly files: readonly FileJob[];
}

export interface FileJob {
  /** Chosen by the caller, unique in its call. */
  readonly job: number;
  readonly name: LocalName;
  /** From the listing; a hint for the choice between the small and the big path, never a promise. */
  readonly expected: LocalStat;
  readonly compressor: CompressorId | undefined;
  /** The repository's own when absent. */
  readonly splitter?: string | undefined;
  /** Where to begin and how much to read, for a big file uploaded in parts. */
  readonly range?: { readonly offset: number; readonly length: number | undefined } | undefined;
}

/** One segment of a file. `object/` turns pieces into an object ID. */
export interface ContentPiece {
  readonly ref: ContentRef;
  /** Plain bytes. */
  readonly lengthBytes: number;
  /** The content holds header and compressed stream (format version 1): its object ID carries `Z`. */
  readonly objectCompressed?: boolean | undefined;
  /** For `SealedBulk` alone. */
  readonly seal?: PieceSeal | WrittenSeal | undefined;
}

export type FileResult =
  | {
      readonly job: number;
      readonly ok: true;
      /** At least one: an empty file is one content of no bytes. */
      readonly pieces: readonly ContentPiece[];
      /** Bytes really read. */
      readonly sizeBytes: number;
      /**
       * Of them in contents that the repository did not have; behind a server, in those that this client had not sent:
       * whether the server has them it only learns later.
       */
      readonly newBytes: number;
      /** From the open file after the last read: differs from `expected` when the file changed meanwhile. */
      readonly after: LocalStat;
    }
  | {
      readonly job: number;
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly vanished: boolean;
    };

export interface WriteFilesOptions extends CallOptions {
  /** So many files at most are read at once, by as many threads. The first call that needs threads decides for all. */
  readonly parallel?: number | undefined;
  /** Bytes of a big file that were stored, as it goes on: its result comes much later. */
  readonly onBytes?: ((job: number, bytes: number) => void) | undefined;
  /**
   * The reading of a big file begins. Until its result is taken, and after an abort, `soFar` gives the pieces from its
   * beginning on that are stored by then.
   */
  readonly onReading?: ((job: number, soFar: () => readonly ContentPiece[]) => void) | undefined;
}

/** The bulk path of an upload. */
export interface BulkWriter {
  /** Results in any order, by job; back-pressure by the consumer's and the engine's bounds. One file's failure is a result. */
  writeFiles(
    batches: AsyncIterable<FileBatch>,
    options?: WriteFilesOptions,
  ): AsyncIterable<readonly FileResult[]>;
}

/** Small files of one directory to be made by the threads that decrypted them, or one big file. */
export interface RestoreBatch {
  /** An existing local directory. */
  readonly directory: LocalName;
  readonly files: readonly RestoreJob[];
}

export interface RestoreJob {
  readonly job: number;
  /** A plain name: no separators, not `.` or `..`, no NUL. Checked again by the engine. */
  readonly name: LocalName;
  /** In order; together the whole file. */
  readonly pieces: readonly ContentPiece[];
  readonly sizeBytes: number;
  /** What to set while the file is open; absent parts are left alone. */
  readonly attributes: RestoreAttributes;
  readonly options: RestoreFileOptions;
}

export interface RestoreAttributes {
  /** Permission bits with setuid, setgid, sticky as Unix has them. */
  readonly mode?: number | undefined;
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly mtimeNs?: bigint | undefined;
}

export interface RestoreFileOptions {
  /** An existing file: truncated and rewritten in place, or SEJF_ALREADY_EXISTS. Symlinks are never followed. */
  readonly overwrite: boolean;
  /** Temporary name and rename. */
  readonly atomically: boolean;
  /** Blocks of zeros become holes. */
  readonly sparse: boolean;
  readonly fsync: boolean;
  /** EPERM from chown, chmod, utimes is not an error. */
  readonly ignorePermissionErrors: boolean;
}

export type RestoreResult =
  | { readonly job: number; readonly ok: true; readonly sizeBytes: number }
  | {
      readonly job: number;
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
    };

export type VerifyResult =
  | { readonly job: number; readonly ok: true; readonly originalLength: number }
  | {
      readonly job: number;
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
    };

export interface RestoreFilesOptions extends CallOptions {
  /** Groups of files under way at the same time, 1 or more. Default and at most: what keeps all threads busy. */
  readonly parallel?: number | undefined;
}

/** The bulk path of a restore, the mirror of `BulkWriter`. */
export interface BulkReader {
  /** As `readMany`, but the bytes stay where they were decrypted: fetched, decrypted, decompressed, re-hashed, dropped. */
  verifyMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options?: CallOptions,
  ): AsyncIterable<readonly VerifyResult[]>;
  restoreFiles(
    batches: AsyncIterable<RestoreBatch>,
    options?: RestoreFilesOptions,
  ): AsyncIterable<readonly RestoreResult[]>;
}

/** All four: what a repository gives to everything above it. */
export interface ContentStore extends ContentReader, ContentWriter, BulkReader, BulkWriter {
  /** Bulk paths that seal in threads; `undefined`, or absent, where there are no threads for it. */
  sealedBulk?(sealing: SealingParameters): SealedBulk | undefined;
}
