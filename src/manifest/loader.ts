/**
 * Reads the contents that hold items, each once, and merges their entries. One that cannot be read is set aside and
 * told of: what others hold must stay within reach. Spec: kopia-snapshots 2.2.
 */
import { type CallOptions, mapUnordered } from "../bytes/index.ts";
import { type ErrorCode, SejfError } from "../errors/index.ts";
import { type ContentId, type ContentRef, MANIFEST_PREFIX } from "../format/index.ts";
import { decodeEntries, type StoredEntry } from "./entries.ts";
import type { ManifestDamage, ManifestId, ManifestStoreOptions } from "./types.ts";

const READS_AT_ONCE = 8;
/** How often a load begins again because another client's compaction took a content away. */
const LOAD_ATTEMPTS = 5;

/** What another client's compaction or maintenance looks like until the index is read anew. */
const PERHAPS_MOVED: ReadonlySet<ErrorCode> = new Set([
  "SEJF_CONTENT_NOT_FOUND",
  "SEJF_BLOB_NOT_FOUND",
]);
const DAMAGED: ReadonlySet<ErrorCode> = new Set([...PERHAPS_MOVED, "SEJF_CORRUPT", "SEJF_RANGE"]);

export interface LoadedContent {
  readonly id: ContentId;
  readonly entries: readonly StoredEntry[];
}

export class ManifestLoader {
  readonly #options: ManifestStoreOptions;
  #contents: Map<ContentRef, LoadedContent> = new Map();
  #damage: readonly ManifestDamage[] = [];
  readonly #told: Set<ContentRef> = new Set();

  constructor(options: ManifestStoreOptions) {
    this.#options = options;
  }

  /** Those read by the last load. */
  get contents(): ReadonlyMap<ContentRef, LoadedContent> {
    return this.#contents;
  }

  /** Those that the last load could not read. */
  get damage(): readonly ManifestDamage[] {
    return this.#damage;
  }

  /** The winning entry of each item, deletions included. @throws what is no damage: SEJF_IO, SEJF_CONNECTION. */
  async load(options: CallOptions): Promise<Map<ManifestId, StoredEntry>> {
    for (let attempt = 1; ; attempt++) {
      const { contents, damage } = await this.#read(options);
      const moved = damage.some(({ code }) => PERHAPS_MOVED.has(code));
      if (moved && attempt < LOAD_ATTEMPTS) {
        await this.#options.contentList.refresh(options);
        continue;
      }
      this.#contents = contents;
      this.#damage = damage;
      for (const one of damage) this.#tell(one);
      return mergeEntries([...contents.values()].flatMap((content) => content.entries));
    }
  }

  #tell(damage: ManifestDamage): void {
    if (this.#told.has(damage.content)) return;
    this.#told.add(damage.content);
    this.#options.onDamage?.(damage);
  }

  async #read(options: CallOptions): Promise<{
    readonly contents: Map<ContentRef, LoadedContent>;
    readonly damage: readonly ManifestDamage[];
  }> {
    const contents = new Map<ContentRef, LoadedContent>();
    const damage: ManifestDamage[] = [];
    const missing: { readonly id: ContentId; readonly ref: ContentRef }[] = [];
    const { contentList } = this.#options;
    for await (const page of contentList.list({ ...options, prefix: MANIFEST_PREFIX })) {
      for (const content of page) {
        const known = this.#contents.get(content.ref);
        if (known === undefined) missing.push(content);
        else contents.set(content.ref, known);
      }
    }
    const read = async (
      { id, ref }: { readonly id: ContentId; readonly ref: ContentRef },
      signal: AbortSignal,
    ): Promise<void> => {
      try {
        const payload = await this.#options.contents.read(ref, { signal });
        contents.set(ref, { id, entries: decodeEntries(payload, this.#options.compression) });
      } catch (error) {
        if (!(error instanceof SejfError) || !DAMAGED.has(error.code)) throw error;
        damage.push({ content: ref, code: error.code, message: messageOf(ref, error) });
      }
    };
    for await (const _ of mapUnordered(missing, READS_AT_ONCE, read, options.signal));
    return { contents, damage: damage.toSorted((a, b) => (a.content < b.content ? -1 : 1)) };
  }
}

function messageOf(ref: ContentRef, { message }: SejfError): string {
  return message.includes(ref)
    ? `manifests cannot be read: ${message}`
    : `manifest content ${ref} cannot be read: ${message}`;
}

/** The latest entry of each item; of equal times a deletion, so that the order of contents does not matter. */
function mergeEntries(entries: readonly StoredEntry[]): Map<ManifestId, StoredEntry> {
  const merged = new Map<ManifestId, StoredEntry>();
  for (const entry of entries) {
    const other = merged.get(entry.id);
    const wins =
      other === undefined ||
      entry.modified > other.modified ||
      (entry.modified === other.modified && entry.deleted);
    if (wins) merged.set(entry.id, entry);
  }
  return merged;
}
