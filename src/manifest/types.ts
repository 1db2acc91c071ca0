/** Labelled JSON items: snapshots, policies, users. Spec: kopia-snapshots 2. */
import type { CallOptions, TimestampNs } from "../bytes/index.ts";

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
}

/** Labelled items; a put never replaces, an update is a new item and a deletion. */
export interface ManifestStore {
  /** `labels` holds a non-empty `type`. Visible at once here, durable after `flush`. */
  put(labels: Labels, data: unknown, options?: CallOptions): Promise<ManifestId>;
  /** @throws SEJF_MANIFEST_NOT_FOUND. */
  get(id: ManifestId, options?: CallOptions): Promise<Manifest>;
  /** All whose labels contain every pair, oldest modification first. */
  find(labels: Labels, options?: CallOptions): Promise<readonly ManifestMetadata[]>;
  /** Deleting an unknown item does nothing. */
  delete(id: ManifestId, options?: CallOptions): Promise<void>;
  /** Hands pending items to the contents; the contents' own flush makes them durable. */
  flush(options?: CallOptions): Promise<void>;
}
