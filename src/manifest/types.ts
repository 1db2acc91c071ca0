/** Labelled JSON items: snapshots, policies, users. Spec: kopia-snapshots 2. */
import type { CallOptions, Clock, Random, TimestampNs } from "../bytes/index.ts";
import type { CompressionEngine } from "../compress/index.ts";
import type { ErrorCode } from "../errors/index.ts";
import type { ContentId, ContentReader, ContentRef, ContentWriter } from "../format/index.ts";

/** 32 lower-case hex digits, never reused. */
export type ManifestId = string & { readonly __brand: "ManifestId" };

export type Labels = Readonly<Record<string, string>>;

export interface ManifestMetadata {
  readonly id: ManifestId;
  /** Bytes of the data as JSON. */
  readonly lengthBytes: number;
  readonly labels: Labels;
  readonly modified: TimestampNs;
}

export interface Manifest extends ManifestMetadata {
  /** Parsed JSON. */
  readonly data: unknown;
  /** The JSON as stored: numbers and order as they were written. */
  readonly text: string;
}

/** A content with items that is missing or damaged. */
export interface ManifestDamage {
  readonly content: ContentRef;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Labelled items; a put never replaces, an update is a new item and a deletion. */
export interface ManifestStore {
  /** `labels` holds a non-empty `type`. Visible at once here, durable after `flush`. */
  put(labels: Labels, data: unknown, options?: CallOptions): Promise<ManifestId>;
  /** @throws SEJF_MANIFEST_NOT_FOUND. */
  get(id: ManifestId, options?: CallOptions): Promise<Manifest>;
  /** All whose labels contain every pair, oldest modification first. */
  find(labels: Labels, options?: CallOptions): Promise<readonly ManifestMetadata[]>;
  /**
   * Contents with items that cannot be read: the items in them are missing from what `find` and `get` give, and deleted
   * ones may be back. Whoever deletes what nothing seems to need must not go on then. Absent where a server looks after
   * it.
   */
  damage?(options?: CallOptions): Promise<readonly ManifestDamage[]>;
  /** Deleting an unknown item does nothing. */
  delete(id: ManifestId, options?: CallOptions): Promise<void>;
  /** Hands pending items to the contents; the contents' own flush makes them durable. */
  flush(options?: CallOptions): Promise<void>;
}

/** What a manifest store needs of the contents beside reading and writing; direct contents have it. */
export interface ContentLister {
  /** Live contents whose ID begins with `prefix`, in pages. */
  list(
    options: CallOptions & { readonly prefix: string },
  ): AsyncIterable<readonly { readonly id: ContentId; readonly ref: ContentRef }[]>;
  delete(id: ContentId, options?: CallOptions): Promise<void>;
  /** Sees what other clients have published. */
  refresh(options?: CallOptions): Promise<void>;
}

/** One of several changes that become visible together. */
export type ManifestChange =
  | {
      readonly kind: "put";
      /** From `newId`. */
      readonly id: ManifestId;
      readonly labels: Labels;
      readonly data: unknown;
    }
  | { readonly kind: "delete"; readonly id: ManifestId };

export interface ManifestStoreOptions {
  readonly contents: ContentReader & ContentWriter;
  readonly contentList: ContentLister;
  readonly clock: Clock;
  readonly random: Random;
  /** For the gzip inside. */
  readonly compression: CompressionEngine;
  /** Told of each content that cannot be read, once. */
  readonly onDamage?: ((damage: ManifestDamage) => void) | undefined;
  /** Puts and deletes fail with SEJF_READ_ONLY. */
  readonly readOnly?: boolean | undefined;
}

/** The store on top of contents. Items are loaded at the first call and kept. */
export interface CompactingManifestStore extends ManifestStore {
  /** Reads all items anew at the next call; pending ones stay. Call it after the contents were refreshed. */
  invalidate(): void;
  /** For an item that is told of before it is put with `apply`. */
  newId(): ManifestId;
  /**
   * As `put` and `delete` one after the other, but all at once here, and written by the same flush. Deleting an unknown
   * item does nothing. @throws SEJF_INVALID_ARGUMENT for labels without a type; then nothing is changed.
   */
  apply(changes: readonly ManifestChange[], options?: CallOptions): Promise<void>;
  /** How many live contents hold items; compaction pays from 16 on. */
  contentCount(options?: CallOptions): Promise<number>;
  /**
   * Joins all contents into one and flushes, pending items included. Refreshes the contents first. Deletions younger
   * than 7 days are kept, so that another client's compaction of an old view does not bring items back. @throws
   * SEJF_CORRUPT while a content cannot be read.
   * Nobody else may flush meanwhile. Gives how many contents were replaced, 0 when there was nothing to do.
   */
  compact(options?: CallOptions): Promise<number>;
}
