/**
 * A pack that is being filled by single writes, or is on its way to the store: still readable, from memory. Packs are
 * built in buffers that grow and are used again: most commands write little, and memory that is only asked for already
 * makes the garbage collector run.
 */
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

/** Beside the pack's own size, room for its last content and its end. */
const SLACK_BYTES = 9 << 20;
/** Buffers that wait for their next use. */
const MAX_SPARE_BUFFERS = 2;

export class PackInProgress {
  readonly packId: BlobId;
  readonly #builder: PackBuilder;
  readonly #onDone: () => void;
  /** Bounded by the pack's size; their bytes lie in the builder's buffer. */
  readonly #contents = new Map<ContentId, IndexEntry>();
  #finished: FinishedPack | undefined;

  /** `onDone`: the buffer is free again. */
  constructor(packId: BlobId, builder: PackBuilder, onDone: () => void) {
    this.packId = packId;
    this.#builder = builder;
    this.#onDone = onDone;
  }

  get lengthBytes(): number {
    return this.#builder.lengthBytes;
  }

  get contentCount(): number {
    return this.#contents.size;
  }

  /** `seal` writes that many stored bytes into the place it is given, at once. */
  append(
    storedLength: number,
    seal: (target: Uint8Array) => void,
    content: AppendedContent,
  ): IndexEntry {
    seal(this.#builder.reserve(storedLength));
    const entry = this.#builder.commit(storedLength, content);
    this.#contents.set(content.contentId, entry);
    return entry;
  }

  /** Nobody reads or stores it any more. */
  done(): void {
    this.#onDone();
  }

  /** A deletion, for the pack's local index only: a recovery from packs sees it. */
  record(entry: IndexEntry): void {
    this.#builder.record(entry);
  }

  find(id: ContentId): IndexEntry | undefined {
    return this.#contents.get(id);
  }

  /** A view, valid until the next await. */
  storedBytes(id: ContentId): Uint8Array | undefined {
    const entry = this.#contents.get(id);
    return entry && this.#builder.stored(entry);
  }

  entries(): Iterable<IndexEntry> {
    return this.#contents.values();
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
  readonly #spare: Uint8Array[] = [];

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
      buffer: this.#spare.pop(),
      growsTo: format.maxPackSize + SLACK_BYTES,
    });
    return new PackInProgress(packId, builder, () => this.#takeBack(builder.buffer));
  }

  /** Views of it may be in use until whoever runs now has finished. */
  #takeBack(buffer: Uint8Array): void {
    setImmediate(() => {
      if (this.#spare.length < MAX_SPARE_BUFFERS) this.#spare.push(buffer);
    });
  }
}
