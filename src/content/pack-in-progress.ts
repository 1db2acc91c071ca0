/** A pack that is being filled by single writes, or is on its way to the store: still readable, from memory. */
import type { BlobId } from "../blob/index.ts";
import {
  type AppendedContent,
  type ContentId,
  type FinishedPack,
  formatBlobCopy,
  type IndexEntry,
  newPackId,
  PackBuilder,
} from "../format/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import type { Context } from "./context.ts";
import type { Session } from "./sessions.ts";

export type PackPrefix = "p" | "q";

interface Held {
  readonly entry: IndexEntry;
  readonly stored: Uint8Array;
}

export class PackInProgress {
  readonly packId: BlobId;
  readonly #builder: PackBuilder;
  /** Bounded by the pack's size; the stored bytes are kept because the pack is sealed only at its end. */
  readonly #contents = new Map<ContentId, Held>();
  #finished: FinishedPack | undefined;

  constructor(packId: BlobId, builder: PackBuilder) {
    this.packId = packId;
    this.#builder = builder;
  }

  get lengthBytes(): number {
    return this.#builder.lengthBytes;
  }

  get contentCount(): number {
    return this.#contents.size;
  }

  append(stored: Uint8Array, content: AppendedContent): IndexEntry {
    const entry = this.#builder.append(stored, content);
    this.#contents.set(content.contentId, { entry, stored });
    return entry;
  }

  /** A deletion, for the pack's local index only: a recovery from packs sees it. */
  record(entry: IndexEntry): void {
    this.#builder.record(entry);
  }

  find(id: ContentId): IndexEntry | undefined {
    return this.#contents.get(id)?.entry;
  }

  storedBytes(id: ContentId): Uint8Array | undefined {
    return this.#contents.get(id)?.stored;
  }

  *entries(): Iterable<IndexEntry> {
    for (const { entry } of this.#contents.values()) yield entry;
  }

  /** The whole pack; the same bytes each time, so that storing can be tried again. */
  finish(): FinishedPack {
    this.#finished ??= this.#builder.finish();
    return this.#finished;
  }
}

/** Makes packs for a session, with the copy of the format blob where the repository wants one. */
export class PackFactory {
  readonly #context: Context;
  readonly formatCopy: Uint8Array | undefined;

  constructor(context: Context, engine: CryptoEngine, formatBlob: Uint8Array | undefined) {
    this.#context = context;
    const wanted = !context.format.enablePasswordChange && formatBlob !== undefined;
    this.formatCopy = wanted ? formatBlobCopy(engine, formatBlob) : undefined;
  }

  newId(prefix: PackPrefix, session: Session): BlobId {
    return newPackId(prefix, session.id, this.#context.random);
  }

  create(packId: BlobId): PackInProgress {
    const { codec, format, random } = this.#context;
    const builder = new PackBuilder({
      codec,
      packId,
      indexVersion: format.indexVersion,
      formatCopy: this.formatCopy,
      random,
    });
    return new PackInProgress(packId, builder);
  }
}
