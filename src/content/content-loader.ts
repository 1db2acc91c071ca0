/**
 * From a content ID to its bytes: pending or committed, from memory, the cache or the store, decoded and hashed again.
 * A pack that is gone, or an index that is old, is looked up once more after a refresh (`kopia-format.md` 1.5).
 */
import type { ByteRange, BlobId } from "../blob/index.ts";
import type { CallOptions, OwnedBytes } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import {
  type BlobCodec,
  type ContentId,
  contentIdToKey,
  contentPrefix,
  type IndexEntry,
} from "../format/index.ts";
import type { CommittedIndex } from "./committed-index.ts";
import type { Context } from "./context.ts";
import { contentCacheName, type DiskCache } from "./disk-cache.ts";
import { OpenPacks } from "./open-packs.ts";
import { type Pending, winner } from "./pending.ts";
import type { ReadIntoOptions } from "./types.ts";

const DAMAGE_HINT =
  "restore the pack from another copy of the storage; `content verify --full` shows what else is damaged";

export class ContentLoader {
  readonly #context: Context;
  readonly #cache: DiskCache;
  readonly #pending: Pending;
  readonly #committed: CommittedIndex;
  /** Makes what threads hold findable; false when they hold nothing of this key. */
  readonly #drainThreads: (key: Uint8Array) => Promise<boolean>;
  readonly #openPacks: OpenPacks;
  /** Whole packs being fetched, so that many readers of one make one request. */
  readonly #fetching = new Map<BlobId, Promise<OwnedBytes>>();

  constructor(
    context: Context,
    cache: DiskCache,
    pending: Pending,
    committed: CommittedIndex,
    drainThreads: (key: Uint8Array) => Promise<boolean>,
  ) {
    this.#context = context;
    this.#cache = cache;
    this.#pending = pending;
    this.#committed = committed;
    this.#drainThreads = drainThreads;
    this.#openPacks = new OpenPacks(context.clock);
  }

  async close(): Promise<void> {
    await this.#openPacks.close();
  }

  /** The entry that counts, deleted ones too. Synchronous: the index is as fresh as the caller made it. */
  entryOf(id: ContentId): IndexEntry | undefined {
    const key = contentIdToKey(id);
    const pending = this.#pending.isEmpty ? undefined : this.#pending.find(id, key);
    return winner(this.#committed.set.find(key), pending);
  }

  /** As `entryOf`, over a fresh index and with what threads hold. */
  async findEntry(id: ContentId, options: CallOptions = {}): Promise<IndexEntry | undefined> {
    await this.#committed.ensureFresh(options);
    const found = this.entryOf(id);
    if (found !== undefined || !(await this.#drainThreads(contentIdToKey(id)))) return found;
    return this.entryOf(id);
  }

  /** Plain bytes of each content, negative for those that are not there or deleted. */
  async lengthsOf(ids: readonly ContentId[], options: CallOptions = {}): Promise<Float64Array> {
    await this.#committed.ensureFresh(options);
    const lengths = new Float64Array(ids.length);
    for (const [i, id] of ids.entries()) {
      const key = contentIdToKey(id);
      let length = this.#liveLength(id, key);
      if (length < 0 && (await this.#drainThreads(key))) length = this.#liveLength(id, key);
      lengths[i] = length;
    }
    return lengths;
  }

  /** @throws SEJF_CONTENT_NOT_FOUND. */
  async mustFind(id: ContentId, options: CallOptions = {}): Promise<IndexEntry> {
    const entry = await this.findEntry(id, options);
    if (entry === undefined)
      throw new SejfError("SEJF_CONTENT_NOT_FOUND", `content ${id} is in no index`, {
        hint: "`content list` shows which there are; if index blobs were lost, see `index recover`",
      });
    return entry;
  }

  /** Plain bytes. @throws SEJF_CONTENT_NOT_FOUND, SEJF_BLOB_NOT_FOUND, SEJF_CORRUPT. */
  async read(id: ContentId, options: CallOptions = {}): Promise<OwnedBytes> {
    const { entry, stored } = await this.#readStored(await this.mustFind(id, options), options);
    return await this.#decodeOrRefetch(entry, stored, options);
  }

  /** Where the store is a local disk, in memory that is used again; as `read` elsewhere. */
  async readInto(id: ContentId, options: ReadIntoOptions): Promise<OwnedBytes> {
    const { storage } = this.#context;
    const entry = await this.mustFind(id, options);
    const { packId, packOffset: offset, packedLength: length } = entry;
    if (storage.localPath === undefined || this.inMemory(entry) !== undefined)
      return await this.read(id, options);
    const path = storage.localPath(packId);
    const stored = await this.#openPacks.read(packId, path, { offset, length }, options.take);
    if (stored === undefined) return await this.read(id, options);
    return this.#counted(entry, (codec, { compressionId, originalLength }) =>
      codec.decodeContentInPlace(stored, id, compressionId, originalLength, options.isHashedLater),
    );
  }

  /** The bytes as they lie in the pack, which were decoded and found good, and their entry. */
  async readVerified(
    id: ContentId,
    options: CallOptions = {},
  ): Promise<{
    readonly entry: IndexEntry;
    readonly stored: Uint8Array;
    readonly plain: OwnedBytes;
  }> {
    const { entry, stored } = await this.#readStored(await this.mustFind(id, options), options);
    return { entry, stored, plain: this.decode(entry, stored) };
  }

  /** Decodes and counts. @throws SEJF_CORRUPT naming content and pack. */
  decode(entry: IndexEntry, stored: Uint8Array): OwnedBytes {
    return this.#counted(entry, (codec, { contentId, compressionId, originalLength }) =>
      codec.decodeContent(stored, contentId, compressionId, originalLength),
    );
  }

  #counted(
    entry: IndexEntry,
    decode: (codec: BlobCodec, entry: IndexEntry) => OwnedBytes,
  ): OwnedBytes {
    try {
      const plain = decode(this.#context.codec, entry);
      this.#context.statistics.readContents++;
      this.#context.statistics.readBytes += plain.byteLength;
      return plain;
    } catch (error) {
      if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
      throw new SejfError(
        "SEJF_CORRUPT",
        `content ${entry.contentId} in pack ${entry.packId} at ${entry.packOffset}: ${error.message}`,
        { cause: error, hint: DAMAGE_HINT },
      );
    }
  }

  /** Stored bytes that are still in memory. */
  inMemory(entry: IndexEntry): Uint8Array | undefined {
    return this.#pending.bytesOf(entry);
  }

  /** A range of a pack; whole `q` packs are kept where the store is not a local disk. @throws SEJF_BLOB_NOT_FOUND, SEJF_RANGE. */
  async packRange(
    packId: BlobId,
    range: ByteRange,
    options: CallOptions = {},
  ): Promise<OwnedBytes> {
    const { storage } = this.#context;
    if (storage.localPath !== undefined) {
      const read = await this.#openPacks.read(packId, storage.localPath(packId), range);
      if (read !== undefined) return read;
    }
    if (!this.#keepsWhole(packId)) return await storage.get(packId, { ...options, range });
    const cached = await this.#cache.get("metadata", packId, range);
    if (cached !== undefined) return cached;
    const whole = await this.#wholePack(packId);
    if (range.offset + range.length > whole.byteLength)
      throw new SejfError(
        "SEJF_RANGE",
        `pack ${packId} is ${whole.byteLength} bytes, ${range.length} at ${range.offset} were asked for`,
      );
    return whole.slice(range.offset, range.offset + range.length);
  }

  /** The stored bytes of one content, from wherever they are nearest. */
  async storedBytes(entry: IndexEntry, options: CallOptions = {}): Promise<Uint8Array> {
    const inMemory = this.inMemory(entry);
    if (inMemory !== undefined) return inMemory;
    const range = { offset: entry.packOffset, length: entry.packedLength };
    if (this.#context.storage.localPath !== undefined || contentPrefix(entry.contentId) !== "") {
      return await this.packRange(entry.packId, range, options);
    }
    const name = contentCacheName(entry.packId, entry.packOffset);
    const cached = await this.#cache.get("contents", name);
    if (cached?.byteLength === entry.packedLength) return cached;
    const stored = await this.packRange(entry.packId, range, options);
    await this.#cache.put("contents", name, stored);
    return stored;
  }

  /** Whether the whole `q` pack is in the cache when it resolves. @throws SEJF_BLOB_NOT_FOUND. */
  async cachePack(packId: BlobId): Promise<boolean> {
    if (!this.#keepsWhole(packId)) return false;
    if (!(await this.#cache.has("metadata", packId))) await this.#wholePack(packId);
    return await this.#cache.has("metadata", packId);
  }

  /** Whole `q` packs are kept where the store is not a local disk. */
  #keepsWhole(packId: BlobId): boolean {
    return (
      this.#context.storage.localPath === undefined &&
      packId.startsWith("q") &&
      this.#cache.keeps("metadata")
    );
  }

  async #readStored(
    first: IndexEntry,
    options: CallOptions,
  ): Promise<{ readonly entry: IndexEntry; readonly stored: Uint8Array }> {
    try {
      return { entry: first, stored: await this.storedBytes(first, options) };
    } catch (error) {
      if (!isSejfError(error, "SEJF_BLOB_NOT_FOUND") && !isSejfError(error, "SEJF_RANGE"))
        throw error;
      await this.#committed.refresh(options);
      const entry = this.entryOf(first.contentId);
      if (entry === undefined || sameplace(entry, first)) throw describe(error, first);
      try {
        return { entry, stored: await this.storedBytes(entry, options) };
      } catch (again) {
        throw describe(again, entry);
      }
    }
  }

  #liveLength(id: ContentId, key: Uint8Array): number {
    const committed = this.#committed.set.look(key);
    const pending = this.#pending.isEmpty ? undefined : this.#pending.look(id, key);
    const isPlain = pending !== "else" && (pending === undefined || committed === undefined);
    const found = isPlain ? (pending ?? committed) : this.entryOf(id);
    return found === undefined || found.deleted ? -1 : found.originalLength;
  }

  /** The cache may be rotten where the store is not. */
  async #decodeOrRefetch(
    entry: IndexEntry,
    stored: Uint8Array,
    options: CallOptions,
  ): Promise<OwnedBytes> {
    try {
      return this.decode(entry, stored);
    } catch (error) {
      const kept =
        this.#context.storage.localPath === undefined &&
        (this.#cache.keeps("contents") || this.#cache.keeps("metadata"));
      if (!kept) throw error;
      await this.#cache.remove("contents", contentCacheName(entry.packId, entry.packOffset));
      await this.#cache.remove("metadata", entry.packId);
      const range = { offset: entry.packOffset, length: entry.packedLength };
      return this.decode(
        entry,
        await this.#context.storage.get(entry.packId, { ...options, range }),
      );
    }
  }

  async #wholePack(packId: BlobId): Promise<OwnedBytes> {
    let fetching = this.#fetching.get(packId);
    if (fetching === undefined) {
      fetching = this.#fetchWhole(packId).finally(() => this.#fetching.delete(packId));
      this.#fetching.set(packId, fetching);
    }
    return await fetching;
  }

  async #fetchWhole(packId: BlobId): Promise<OwnedBytes> {
    const whole = await this.#context.storage.get(packId);
    await this.#cache.put("metadata", packId, whole);
    return whole;
  }
}

function sameplace(a: IndexEntry, b: IndexEntry): boolean {
  return a.packId === b.packId && a.packOffset === b.packOffset;
}

/** Missing and short packs, said of the content. */
export function describe(error: unknown, entry: IndexEntry): unknown {
  if (isSejfError(error, "SEJF_BLOB_NOT_FOUND")) {
    return new SejfError(
      "SEJF_BLOB_NOT_FOUND",
      `pack ${entry.packId} of content ${entry.contentId} is not in the store`,
      { cause: error, hint: DAMAGE_HINT },
    );
  }
  if (isSejfError(error, "SEJF_RANGE")) {
    return new SejfError(
      "SEJF_CORRUPT",
      `pack ${entry.packId} ends before content ${entry.contentId}, which is ${entry.packedLength} bytes at ${entry.packOffset}`,
      { cause: error, hint: DAMAGE_HINT },
    );
  }
  return error;
}
