/**
 * The manifest store on top of contents. All items are loaded at the first call: they are few, and any of them may
 * decide what counts. Spec: kopia-snapshots 2.
 */
import {
  bytesToHex,
  type CallOptions,
  goJson,
  type TimestampNs,
  utf8ToBytes,
} from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { type ContentRef, MANIFEST_PREFIX } from "../format/index.ts";
import { deletionEntry, encodeEntries, itemEntry, type StoredEntry } from "./entries.ts";
import { ManifestLoader } from "./loader.ts";
import type {
  CompactingManifestStore,
  Labels,
  Manifest,
  ManifestChange,
  ManifestDamage,
  ManifestId,
  ManifestMetadata,
  ManifestStoreOptions,
} from "./types.ts";

/** zstd-fastest, always; index version 1 cannot record it and stores the gzip stream as it is. */
const CONTENT_COMPRESSOR = 0x1101;
const ID_BYTES = 16;
const KEEP_DELETIONS_NS = 7n * 86_400n * 1_000_000_000n;
/** Characters of entries in one content; more are spread over several. */
const MAX_CONTENT_CHARACTERS = 16 * 1024 * 1024;
/** Types of which those that can be read are of use. Of all others, as of who may do what, a part is not the truth. */
const USEFUL_IN_PART: ReadonlySet<string> = new Set(["snapshot", "policy"]);

/** Costs nothing until the first item is asked for. */
export function openManifests(options: ManifestStoreOptions): CompactingManifestStore {
  return new ContentManifestStore(options);
}

class ContentManifestStore implements CompactingManifestStore {
  readonly #options: ManifestStoreOptions;
  readonly #loader: ManifestLoader;
  /** The winning entry of each item, deletions included; `undefined` before the first load. */
  #committed: Map<ManifestId, StoredEntry> | undefined;
  #loading: Promise<Map<ManifestId, StoredEntry>> | undefined;
  #pending: Map<ManifestId, StoredEntry> = new Map();
  #flushing: Promise<void> = Promise.resolve();
  #lastTime: TimestampNs = 0n;

  constructor(options: ManifestStoreOptions) {
    this.#options = options;
    this.#loader = new ManifestLoader(options);
  }

  // Asynchronous for stores behind a server; here a put only waits for its turn.
  // oxlint-disable-next-line require-await
  async put(labels: Labels, data: unknown, options: CallOptions = {}): Promise<ManifestId> {
    options.signal?.throwIfAborted();
    this.#assertWritable();
    assertTyped(labels);
    const id = this.newId();
    this.#pending.set(id, itemEntry(id, labels, this.#now(0n), goJson(data)));
    return id;
  }

  newId(): ManifestId {
    return bytesToHex(this.#options.random.bytes(ID_BYTES)) as ManifestId;
  }

  async apply(changes: readonly ManifestChange[], options: CallOptions = {}): Promise<void> {
    this.#assertWritable();
    for (const change of changes) if (change.kind === "put") assertTyped(change.labels);
    const committed = await this.#load(options);
    for (const change of changes) {
      const { id } = change;
      if (change.kind === "put")
        this.#pending.set(id, itemEntry(id, change.labels, this.#now(0n), goJson(change.data)));
      else {
        const entry = this.#pending.get(id) ?? committed.get(id);
        if (entry !== undefined && !entry.deleted)
          this.#pending.set(id, deletionEntry(id, this.#now(entry.modified)));
      }
    }
  }

  async get(id: ManifestId, options: CallOptions = {}): Promise<Manifest> {
    const entry = this.#pending.get(id) ?? (await this.#load(options)).get(id);
    if (entry === undefined || entry.deleted)
      throw new SejfError("SEJF_MANIFEST_NOT_FOUND", `there is no manifest ${id}`);
    this.#assertUseful(entry.labels["type"]);
    return { ...metadataOf(entry), data: JSON.parse(entry.data) as unknown, text: entry.data };
  }

  async find(labels: Labels, options: CallOptions = {}): Promise<readonly ManifestMetadata[]> {
    const wanted = Object.entries(labels);
    const committed = await this.#load(options);
    this.#assertUseful(labels["type"]);
    const found: StoredEntry[] = [];
    const consider = (entry: StoredEntry): void => {
      if (
        !entry.deleted &&
        wanted.every(
          ([key, value]) => Object.hasOwn(entry.labels, key) && entry.labels[key] === value,
        )
      )
        found.push(entry);
    };
    for (const entry of committed.values()) if (!this.#pending.has(entry.id)) consider(entry);
    for (const entry of this.#pending.values()) consider(entry);
    return found.toSorted(byTime).map(metadataOf);
  }

  async delete(id: ManifestId, options: CallOptions = {}): Promise<void> {
    this.#assertWritable();
    const entry = this.#pending.get(id) ?? (await this.#load(options)).get(id);
    if (entry === undefined || entry.deleted) return;
    this.#pending.set(id, deletionEntry(id, this.#now(entry.modified)));
  }

  async flush(options: CallOptions = {}): Promise<void> {
    const turn = this.#flushing.then(() => this.#writePending(options));
    this.#flushing = turn.catch(() => undefined);
    await turn;
  }

  async damage(options: CallOptions = {}): Promise<readonly ManifestDamage[]> {
    await this.#load(options);
    return this.#loader.damage;
  }

  invalidate(): void {
    this.#committed = undefined;
    this.#loading = undefined;
  }

  async contentCount(options: CallOptions = {}): Promise<number> {
    let count = 0;
    for await (const page of this.#options.contentList.list({
      ...options,
      prefix: MANIFEST_PREFIX,
    }))
      count += page.length;
    return count;
  }

  async compact(options: CallOptions = {}): Promise<number> {
    this.#assertWritable();
    const { contents, contentList } = this.#options;
    await contentList.refresh(options);
    this.invalidate();
    const merged = new Map(await this.#load(options));
    this.#assertWhole();
    const old = [...this.#loader.contents];
    if (old.length <= 1) {
      await this.flush(options);
      await contents.flush(options);
      return 0;
    }
    const taken = new Map(this.#pending);
    for (const entry of taken.values()) merged.set(entry.id, entry);
    const oldest = this.#now(0n) - KEEP_DELETIONS_NS;
    const kept = [...merged.values()]
      .filter((entry) => !entry.deleted || entry.modified > oldest)
      .toSorted(byTime);
    // The put and the deletions go out with one flush: no reader sees the one without the others.
    const written = await this.#write(kept, options);
    const replaced = old.filter(([ref]) => !written.has(ref));
    for (const [, content] of replaced) await contentList.delete(content.id, options);
    await contents.flush(options);
    for (const [id, entry] of taken) if (this.#pending.get(id) === entry) this.#pending.delete(id);
    this.invalidate();
    return replaced.length;
  }

  #assertWritable(): void {
    if (this.#options.readOnly === true)
      throw new SejfError(
        "SEJF_READ_ONLY",
        "manifests of a read-only repository cannot be changed",
      );
  }

  #assertUseful(type: string | undefined): void {
    if (type !== undefined && !USEFUL_IN_PART.has(type)) this.#assertWhole();
  }

  /** @throws SEJF_CORRUPT. */
  #assertWhole(): void {
    const [first] = this.#loader.damage;
    if (first !== undefined) throw new SejfError("SEJF_CORRUPT", first.message);
  }

  /** Later than everything before in this session and than `after`, so that the change wins. */
  #now(after: TimestampNs): TimestampNs {
    const now = BigInt(Math.round(this.#options.clock.nowMs() * 1000)) * 1000n;
    this.#lastTime = [now, this.#lastTime + 1n, after + 1n].reduce((a, b) => (a > b ? a : b));
    return this.#lastTime;
  }

  async #writePending(options: CallOptions): Promise<void> {
    const taken = new Map(this.#pending);
    if (taken.size === 0) return;
    await this.#write([...taken.values()], options);
    const committed = this.#committed;
    for (const [id, entry] of taken) {
      committed?.set(id, entry);
      if (this.#pending.get(id) === entry) this.#pending.delete(id);
    }
  }

  /** As one content, or several where one would be too large. */
  async #write(
    entries: readonly StoredEntry[],
    options: CallOptions,
  ): Promise<ReadonlySet<ContentRef>> {
    const { contents, compression } = this.#options;
    const refs = new Set<ContentRef>();
    let group: StoredEntry[] = [];
    let characters = 0;
    const writeGroup = async (): Promise<void> => {
      const payload = encodeEntries(group, compression);
      refs.add(
        await contents.write(payload, {
          prefix: MANIFEST_PREFIX,
          compressor: CONTENT_COMPRESSOR,
          signal: options.signal,
        }),
      );
      group = [];
      characters = 0;
    };
    for (const entry of entries) {
      group.push(entry);
      characters += entry.text.length;
      if (characters >= MAX_CONTENT_CHARACTERS) await writeGroup();
    }
    if (group.length > 0 || refs.size === 0) await writeGroup();
    return refs;
  }

  async #load(options: CallOptions): Promise<Map<ManifestId, StoredEntry>> {
    if (this.#committed !== undefined) return this.#committed;
    const loading = (this.#loading ??= this.#loader.load(options));
    try {
      const committed = await loading;
      if (this.#loading === loading) this.#committed = committed;
      return committed;
    } finally {
      if (this.#loading === loading) this.#loading = undefined;
    }
  }
}

/** @throws SEJF_INVALID_ARGUMENT. */
function assertTyped(labels: Labels): void {
  if (labels["type"] === undefined || labels["type"] === "")
    throw new SejfError("SEJF_INVALID_ARGUMENT", "a manifest needs a label `type`");
}

function byTime(a: StoredEntry, b: StoredEntry): number {
  if (a.modified !== b.modified) return a.modified < b.modified ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

function metadataOf(entry: StoredEntry): ManifestMetadata {
  return {
    id: entry.id,
    lengthBytes: utf8ToBytes(entry.data).length,
    labels: entry.labels,
    modified: entry.modified,
  };
}
