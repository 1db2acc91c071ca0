/**
 * A pack under construction: [format blob copy] preamble, contents back to back, padding, encrypted local index,
 * postamble. It grows in a buffer of its own, or in one that the caller gives, shared memory for one, where stored
 * bytes may be written in place. Spec: kopia-format 4.4, 4.5.
 */
import { type BlobId, toBlobId } from "../blob/index.ts";
import { bytesToHex, concatBytes, type OwnedBytes, type Random } from "../bytes/index.ts";
import type { CompressorId } from "../compress/index.ts";
import { assert } from "../errors/index.ts";
import type { BlobCodec } from "./blob-codec.ts";
import type { ContentId } from "./content-id.ts";
import { IndexBuilder } from "./index-builder.ts";
import type { IndexEntry } from "./index-entry.ts";
import { encodePostamble, MAX_POSTAMBLE_BYTES } from "./pack-postamble.ts";
import type { SessionId } from "./session.ts";

export interface PackBuilderOptions {
  readonly codec: BlobCodec;
  readonly packId: BlobId;
  readonly indexVersion: number;
  /** `formatBlobCopy`, where the password cannot be changed. */
  readonly formatCopy?: Uint8Array | undefined;
  readonly random: Random;
  /** Where the pack is built; by default a growing buffer of its own. */
  readonly buffer?: Uint8Array | undefined;
  /** What does not fit is built in a larger buffer instead, for which so many bytes are usually enough. Default: a given buffer has to do. */
  readonly growsTo?: number | undefined;
}

/** What the entry of an appended content needs beside its place. */
export interface AppendedContent {
  readonly contentId: ContentId;
  readonly originalLength: number;
  readonly timestampS: number;
  readonly formatVersion: number;
  readonly compressionId: CompressorId;
}

export interface FinishedPack {
  readonly packId: BlobId;
  /** The whole pack: a view of the buffer. */
  readonly bytes: Uint8Array;
  /** Plain index of all entries, without the random tail that the pack's own has. */
  readonly index: OwnedBytes;
}

const PREAMBLE_BYTES = 32;
const PADDING_UNIT = 4096;
const INDEX_TAIL_BYTES = 32;
const PACK_RANDOM_BYTES = 16;
const FIRST_BUFFER_BYTES = 65536;

/** Bounds for the size of a local index, above what any version needs. */
const INDEX_HEADER_BOUND = 64;
const INDEX_VALUE_BOUND = 20 + 33;
const INDEX_PACK_BOUND = 5 + 255;
const INDEX_FORMATS_BOUND: number = 255 * 6;

/** A fresh name: `p` or `q`, 32 hex digits, the session. */
export function newPackId(prefix: "p" | "q", session: SessionId, random: Random): BlobId {
  return toBlobId(`${prefix}${bytesToHex(random.bytes(PACK_RANDOM_BYTES))}-${session}`);
}

export class PackBuilder {
  readonly packId: BlobId;
  readonly #codec: BlobCodec;
  readonly #indexVersion: number;
  readonly #random: Random;
  readonly #fixed: boolean;
  readonly #usualBytes: number;
  readonly #index = new IndexBuilder();
  #buffer: Uint8Array;
  #length = 0;
  #contents = 0;
  #finished = false;

  /** @throws RangeError when the given buffer has no room for anything. */
  constructor(options: PackBuilderOptions) {
    this.packId = options.packId;
    this.#codec = options.codec;
    this.#indexVersion = options.indexVersion;
    this.#random = options.random;
    this.#fixed = options.buffer !== undefined && options.growsTo === undefined;
    this.#usualBytes = options.growsTo ?? Number.POSITIVE_INFINITY;
    this.#buffer = options.buffer ?? new Uint8Array(FIRST_BUFFER_BYTES);
    if (options.formatCopy !== undefined) this.#write(options.formatCopy);
    this.#write(this.#random.bytes(PREAMBLE_BYTES));
  }

  /** Where it is built, by now. */
  get buffer(): Uint8Array {
    return this.#buffer;
  }

  /** Bytes so far, without what `finish` adds. */
  get lengthBytes(): number {
    return this.#length;
  }

  /** Contents appended; entries only recorded do not count. A pack without contents is not worth storing. */
  get contentCount(): number {
    return this.#contents;
  }

  /** Whether another content of that many stored bytes, and the end of the pack, surely fit into the given buffer. */
  fits(storedLength: number): boolean {
    return (
      !this.#fixed || this.#length + storedLength + this.#endBound(1) <= this.#buffer.byteLength
    );
  }

  /** Copies the stored bytes of a content. @throws RangeError when they do not fit into the given buffer. */
  append(stored: Uint8Array, content: AppendedContent): IndexEntry {
    this.reserve(stored.byteLength).set(stored);
    return this.commit(stored.byteLength, content);
  }

  /** A view of `length` bytes behind what is there, to be written in place, valid until the next call here. @throws RangeError. */
  reserve(length: number): Uint8Array {
    assert(!this.#finished, "a pack was finished and is written to");
    this.#makeRoom(length);
    return this.#buffer.subarray(this.#length, this.#length + length);
  }

  /** The first `length` bytes of what was reserved are a content. */
  commit(length: number, content: AppendedContent): IndexEntry {
    assert(
      this.#length + length <= this.#buffer.byteLength,
      "more bytes were committed than reserved",
    );
    const { contentId, originalLength, timestampS, formatVersion, compressionId } = content;
    const entry: IndexEntry = {
      contentId,
      packId: this.packId,
      packOffset: this.#length,
      packedLength: length,
      originalLength,
      timestampS,
      deleted: false,
      formatVersion,
      compressionId,
    };
    this.record(entry);
    this.#length += length;
    this.#contents++;
    return entry;
  }

  /** As `commit`, by the binary key and without making an entry: for threads that store small contents by the million. */
  commitKey(length: number, key: Uint8Array, content: Omit<AppendedContent, "contentId">): void {
    const packOffset = this.#length;
    assert(
      packOffset + length <= this.#buffer.byteLength,
      "more bytes were committed than reserved",
    );
    this.#index.addKey(key, {
      packId: this.packId,
      packOffset,
      packedLength: length,
      originalLength: content.originalLength,
      timestampS: content.timestampS,
      deleted: false,
      formatVersion: content.formatVersion,
      compressionId: content.compressionId,
    });
    this.#length += length;
    this.#contents++;
  }

  /** The stored bytes of a content of this pack: a view, valid until the next call here. */
  stored(entry: Pick<IndexEntry, "packOffset" | "packedLength">): Uint8Array {
    return this.#buffer.subarray(entry.packOffset, entry.packOffset + entry.packedLength);
  }

  /** An entry for the index only: a deletion, which keeps pointing at the old pack. */
  record(entry: IndexEntry): void {
    this.#index.add(entry);
  }

  /** The whole pack. Nothing can be added any more. */
  finish(): FinishedPack {
    assert(this.#index.count > 0, "a pack without entries was finished");
    this.#write(this.#random.bytes(PADDING_UNIT - (this.#length % PADDING_UNIT)));
    const index = this.#index.build(this.#indexVersion);
    const local = concatBytes(index, this.#random.bytes(INDEX_TAIL_BYTES));
    // NOTE: the whole hash is the IV here, not its last 16 bytes
    const iv = this.#codec.hash.hash(local);
    const sealed = this.#codec.sealContent(local, iv);
    const indexOffset = this.#length;
    this.#write(sealed);
    this.#write(encodePostamble({ iv, indexOffset, indexLength: sealed.byteLength }));
    this.#finished = true;
    return {
      packId: this.packId,
      bytes: this.#buffer.subarray(0, this.#length),
      index,
    };
  }

  #endBound(moreEntries: number): number {
    const entries = this.#index.count + moreEntries;
    const index =
      INDEX_HEADER_BOUND +
      entries * INDEX_VALUE_BOUND +
      (this.#index.packCount + 1) * INDEX_PACK_BOUND +
      INDEX_FORMATS_BOUND +
      INDEX_TAIL_BYTES;
    return PADDING_UNIT + this.#codec.sealedLength(index) + MAX_POSTAMBLE_BYTES;
  }

  #write(bytes: Uint8Array): void {
    this.reserve(bytes.byteLength).set(bytes);
    this.#length += bytes.byteLength;
  }

  #makeRoom(length: number): void {
    const needed = this.#length + length;
    if (needed <= this.#buffer.byteLength) return;
    if (this.#fixed)
      throw new RangeError(`pack needs ${needed} bytes, its buffer has ${this.#buffer.byteLength}`);
    const doubled = Math.min(2 * this.#buffer.byteLength, this.#usualBytes);
    const larger = new Uint8Array(Math.max(needed, doubled));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}
