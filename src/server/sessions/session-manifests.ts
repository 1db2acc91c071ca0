/**
 * The manifests as one session sees them: the repository's, with what the session has put and deleted and not flushed.
 * Nobody else sees that before the flush, and when the session breaks it is gone.
 */
import { type CallOptions, type Clock, goJson, utf8ToBytes } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import type {
  CompactingManifestStore,
  Labels,
  Manifest,
  ManifestChange,
  ManifestId,
  ManifestMetadata,
  ManifestStore,
} from "../../manifest/index.ts";

/** What a session may keep before it flushes. */
const MAX_CHANGES = 10_000;
/** What all sessions of an account may keep. */
export const MAX_UNFLUSHED_BYTES: number = 32 << 20;

export interface UnflushedLimit {
  readonly maxBytes: number;
  /** Of all sessions of the account, this one too. */
  readonly heldBytes: () => number;
}

export class SessionManifests implements ManifestStore {
  readonly #store: CompactingManifestStore;
  readonly #clock: Clock;
  readonly #limit: UnflushedLimit;
  /** In the order of the requests. */
  #changes: ManifestChange[] = [];
  readonly #put = new Map<ManifestId, Manifest>();
  readonly #deleted = new Set<ManifestId>();
  #bytes = 0;

  constructor(store: CompactingManifestStore, clock: Clock, limit: UnflushedLimit) {
    this.#store = store;
    this.#clock = clock;
    this.#limit = limit;
  }

  /** Of what is to be applied. */
  get unflushedBytes(): number {
    return this.#bytes;
  }

  /** What is to be applied by the next flush. */
  get changes(): readonly ManifestChange[] {
    return this.#changes;
  }

  // Asynchronous for stores that have to wait; here nothing does.
  // oxlint-disable-next-line require-await
  async put(labels: Labels, data: unknown): Promise<ManifestId> {
    const id = this.#store.newId();
    const text = goJson(data);
    const lengthBytes = utf8ToBytes(text).length;
    this.#add({ kind: "put", id, labels, data }, lengthBytes);
    const modified = BigInt(Math.round(this.#clock.nowMs() * 1000)) * 1000n;
    this.#put.set(id, { id, lengthBytes, labels, modified, data, text });
    return id;
  }

  async get(id: ManifestId, options?: CallOptions): Promise<Manifest> {
    const own = this.#put.get(id);
    if (own !== undefined && !this.#deleted.has(id)) return own;
    if (this.#deleted.has(id))
      throw new SejfError("SEJF_MANIFEST_NOT_FOUND", `there is no manifest ${id}`);
    return await this.#store.get(id, options);
  }

  async find(labels: Labels, options?: CallOptions): Promise<readonly ManifestMetadata[]> {
    const wanted = Object.entries(labels);
    const stored = await this.#store.find(labels, options);
    const own = [...this.#put.values()].filter(
      (item) =>
        !this.#deleted.has(item.id) &&
        wanted.every(
          ([key, value]) => Object.hasOwn(item.labels, key) && item.labels[key] === value,
        ),
    );
    if (this.#changes.length === 0) return stored;
    return [
      ...stored.filter(({ id }) => !this.#deleted.has(id) && !this.#put.has(id)),
      ...own.map(({ id, lengthBytes, labels: itsLabels, modified }) => ({
        id,
        lengthBytes,
        labels: itsLabels,
        modified,
      })),
    ];
  }

  // oxlint-disable-next-line require-await
  async delete(id: ManifestId): Promise<void> {
    if (this.#deleted.has(id)) return;
    this.#add({ kind: "delete", id }, 0);
    this.#deleted.add(id);
  }

  /** The session's own flush applies the changes. */
  async flush(): Promise<void> {}

  /** Forgets the first `count` changes: they were applied, or will never be. */
  drop(count: number): void {
    const left = this.#changes.slice(count);
    const kept = new Map(this.#put);
    this.#changes = left;
    this.#put.clear();
    this.#deleted.clear();
    this.#bytes = 0;
    for (const change of left) {
      const item = kept.get(change.id);
      if (change.kind === "delete") this.#deleted.add(change.id);
      else if (item !== undefined) {
        this.#put.set(change.id, item);
        this.#bytes += item.lengthBytes;
      }
    }
  }

  /** @throws SEJF_INVALID_ARGUMENT when the account has put too much without flushing. */
  #add(change: ManifestChange, lengthBytes: number): void {
    const held = this.#limit.heldBytes();
    if (
      this.#changes.length >= MAX_CHANGES ||
      (held > 0 && held + lengthBytes > this.#limit.maxBytes)
    )
      throw new SejfError(
        "SEJF_INVALID_ARGUMENT",
        `${this.#changes.length} changes of manifests wait for a flush, ${held} bytes in all sessions of the account: more are not taken`,
      );
    this.#changes.push(change);
    this.#bytes += lengthBytes;
  }
}
