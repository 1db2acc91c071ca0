/**
 * Single writes: hash → known? → encode → pack, one pack being filled for file data (`p`) and one for everything with
 * a prefix (`q`). Deletions, undeletions and rewrites are new entries with later times. Spec: kopia-format 4.3.
 */
import { type CallOptions, copyBytes, Mutex } from "../bytes/index.ts";
import type { CompressorId } from "../compress/index.ts";
import { SejfError } from "../errors/index.ts";
import {
  type ContentId,
  contentIdOf,
  contentIdToKey,
  contentKeyOf,
  contentPrefix,
  type ContentPrefix,
  type IndexEntry,
  ivOfHash,
} from "../format/index.ts";
import { LIVE } from "../node/index/index.ts";
import type { CommittedIndex } from "./committed-index.ts";
import type { ContentLoader } from "./content-loader.ts";
import { type Context, nowS } from "./context.ts";
import type { PackFactory, PackInProgress, PackPrefix } from "./pack-in-progress.ts";
import type { PackStore } from "./pack-store.ts";
import type { Pending } from "./pending.ts";
import type { SessionKeeper } from "./sessions.ts";
import type { DirectWriteOptions, RewriteOptions } from "./types.ts";

/** Lengths in an index of version 2 have 28 bits. */
const MAX_CONTENT_BYTES = (1 << 28) - 65536;

/** Claims shared with the threads; absent while there are none. */
export interface Claims {
  claim(key: Uint8Array): boolean;
  has(key: Uint8Array): boolean;
  release(key: Uint8Array): void;
}

export interface WriterParts {
  readonly context: Context;
  readonly pending: Pending;
  readonly committed: CommittedIndex;
  readonly loader: ContentLoader;
  readonly packs: PackStore;
  readonly factory: PackFactory;
  readonly sessions: SessionKeeper;
  readonly claims: () => Claims | undefined;
}

/** What became of a write. */
export interface Written {
  readonly id: ContentId;
  /** Nobody had it. */
  readonly isNew: boolean;
}

/** `gone`: there is an entry, which a new one has to outdo. */
type ContentState = "live" | "gone" | "new";

/** What a pack gets. */
interface Stored {
  readonly id: ContentId;
  readonly storedLength: number;
  /** Writes the stored bytes into their place. */
  readonly seal: (target: Uint8Array) => void;
  readonly originalLength: number;
  readonly compressionId: CompressorId;
  readonly timestampS: number;
}

export class SingleWriter {
  readonly #parts: WriterParts;
  readonly #open = new Map<PackPrefix, PackInProgress>();
  readonly #opening = new Mutex();

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  idOf(data: Uint8Array, prefix: ContentPrefix): ContentId {
    return contentIdOf(prefix, this.#parts.context.codec.hash.hash(data));
  }

  /** @throws RangeError for more than 256 MiB. */
  async write(data: Uint8Array, options: DirectWriteOptions): Promise<Written> {
    if (data.byteLength > MAX_CONTENT_BYTES) {
      throw new RangeError(
        `content of ${data.byteLength} bytes, at most ${MAX_CONTENT_BYTES} fit into an index`,
      );
    }
    const { context, committed, claims } = this.#parts;
    await committed.ensureFresh(options);
    const hash = context.codec.hash.hash(data);
    const id = contentIdOf(options.prefix, hash);
    const key = contentKeyOf(options.prefix, hash);
    const compressor = context.format.indexVersion === 1 ? undefined : options.compressor;
    const before = this.#stateOf(id, key);
    if (before === "live") {
      if (options.evenly === true) context.codec.encodeContent(data, id, compressor);
      return this.#countKnown(id, data);
    }
    const { codec } = context;
    const { payload, compressionId } = codec.compressContent(data, compressor);
    const originalLength = data.byteLength;
    const seal = (target: Uint8Array): void =>
      codec.sealContentInto(payload, ivOfHash(key), target);
    return await this.#withPack(id, (pack, hasWaited) => {
      // Another write of the same bytes may have come before.
      const state = hasWaited ? this.#stateOf(id, key) : before;
      if (state === "live") return this.#countKnown(id, data);
      claims()?.claim(key);
      this.#append(pack, {
        id,
        storedLength: codec.sealedLength(payload.byteLength),
        seal,
        originalLength,
        compressionId,
        timestampS: state === "new" ? nowS(context) : this.#nextTime(id),
      });
      context.statistics.writtenContents++;
      context.statistics.writtenBytes += originalLength;
      return { id, isNew: true };
    });
  }

  /** @throws SEJF_CONTENT_NOT_FOUND. */
  async delete(id: ContentId, options: CallOptions): Promise<boolean> {
    const { pending, loader, claims } = this.#parts;
    const entry = await loader.mustFind(id, options);
    if (entry.deleted) return false;
    const deleted: IndexEntry = { ...entry, deleted: true, timestampS: this.#nextTime(id) };
    pending.addLoose(deleted);
    this.#open.get(packPrefix(id))?.record(deleted);
    claims()?.release(contentIdToKey(id));
    return true;
  }

  /** @throws SEJF_CONTENT_NOT_FOUND. */
  async undelete(id: ContentId, options: CallOptions): Promise<void> {
    const entry = await this.#parts.loader.mustFind(id, options);
    if (entry.deleted) await this.#copy(id, false, undefined, options);
  }

  /** Into a new pack; a deleted content stays deleted. Gives its plain length. */
  async rewrite(id: ContentId, options: RewriteOptions): Promise<number> {
    const entry = await this.#parts.loader.mustFind(id, options);
    if (options.dryRun === true) return entry.originalLength;
    await this.#copy(id, entry.deleted, options.compressor, options);
    return entry.originalLength;
  }

  /** Hands over the packs being filled; later writes begin new ones. */
  closePacks(): void {
    const { packs, pending, sessions } = this.#parts;
    for (const [prefix, pack] of this.#open) {
      this.#open.delete(prefix);
      if (pack.contentCount > 0) {
        packs.submit(pack);
      } else {
        pending.dropPack(pack);
        pack.done();
        sessions.indexed([pack.packId]);
      }
    }
  }

  async #copy(
    id: ContentId,
    deleted: boolean,
    compressor: CompressorId | null | undefined,
    options: CallOptions,
  ): Promise<void> {
    const { context, loader, pending } = this.#parts;
    const { entry, stored, plain } = await loader.readVerified(id, options);
    const kept = { stored: copyBytes(stored), compressionId: entry.compressionId };
    const made =
      compressor === undefined
        ? kept
        : context.codec.encodeContent(plain, id, compressor ?? undefined);
    await this.#withPack(id, (pack) => {
      const timestampS = this.#nextTime(id);
      const live = this.#append(pack, {
        id,
        storedLength: made.stored.byteLength,
        seal: (target) => target.set(made.stored),
        compressionId: made.compressionId,
        originalLength: plain.byteLength,
        timestampS,
      });
      // The pack's own entry is live; a later one takes it back, so a copy is never more alive than its original.
      if (deleted) pending.addLoose({ ...live, deleted: true, timestampS: timestampS + 1 });
    });
  }

  #stateOf(id: ContentId, key: Uint8Array): ContentState {
    const { pending, committed, loader, claims } = this.#parts;
    if (pending.isEmpty || pending.find(id, key) === undefined) {
      const probed = committed.set.probe(key);
      if (probed === LIVE) return "live";
      if (probed >= 0) return "gone";
      return claims()?.has(key) === true ? "live" : "new";
    }
    return loader.entryOf(id)?.deleted === false ? "live" : "gone";
  }

  /** Now, or one second after the entry that is to be outdone. */
  #nextTime(id: ContentId): number {
    const before = this.#parts.loader.entryOf(id);
    return Math.max(nowS(this.#parts.context), before === undefined ? 0 : before.timestampS + 1);
  }

  #countKnown(id: ContentId, data: Uint8Array): Written {
    this.#parts.context.statistics.knownContents++;
    this.#parts.context.statistics.knownBytes += data.byteLength;
    return { id, isNew: false };
  }

  /**
   * Gives the pack being filled to `use`, which must not wait: nothing else runs until it is done. `hasWaited`: something
   * else may have run since the call.
   */
  async #withPack<T>(
    id: ContentId,
    use: (pack: PackInProgress, hasWaited: boolean) => T,
  ): Promise<T> {
    const prefix = packPrefix(id);
    for (let hasWaited = false; ; hasWaited = true) {
      const open = this.#open.get(prefix);
      if (open !== undefined) return use(open, hasWaited);
      await this.#opening.run(async () => await this.#openPack(prefix));
    }
  }

  async #openPack(prefix: PackPrefix): Promise<void> {
    if (this.#open.has(prefix)) return;
    const { packs, sessions, factory, pending } = this.#parts;
    await packs.waitForRoom();
    const packId = sessions.addPack((session) => factory.newId(prefix, session));
    const pack = factory.create(packId);
    pending.addPack(pack);
    this.#open.set(prefix, pack);
  }

  #append(pack: PackInProgress, content: Stored): IndexEntry {
    const { context, packs } = this.#parts;
    const { id, storedLength, seal, originalLength, compressionId, timestampS } = content;
    const entry = pack.append(storedLength, seal, {
      contentId: id,
      originalLength,
      timestampS,
      formatVersion: context.format.version,
      compressionId,
    });
    if (pack.lengthBytes >= context.format.maxPackSize) {
      this.#open.delete(packPrefix(id));
      packs.submit(pack);
    }
    return entry;
  }
}

function packPrefix(id: ContentId): PackPrefix {
  return contentPrefix(id) === "" ? "p" : "q";
}

/** @throws SEJF_CORRUPT where the index promises what cannot be. */
export function assertFits(entry: IndexEntry, packLength: number | undefined): void {
  if (packLength === undefined) {
    throw new SejfError(
      "SEJF_BLOB_NOT_FOUND",
      `pack ${entry.packId} of content ${entry.contentId} is not in the store`,
    );
  }
  if (entry.packOffset + entry.packedLength > packLength) {
    throw new SejfError(
      "SEJF_CORRUPT",
      `pack ${entry.packId} is ${packLength} bytes, content ${entry.contentId} lies at ${entry.packOffset} with ${entry.packedLength} bytes`,
    );
  }
}
