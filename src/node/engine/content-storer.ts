/**
 * The stages of a content that is written, in the thread: hash → known? → claim → compress → encrypt → pack.
 * Between a claim and its place in the pack nothing waits, so a stopped upload never leaves a claim without bytes.
 */
import {
  COMPRESSION_HEADER_BYTES,
  compressorById,
  type CompressionEngine,
  type Compressor,
  worthCompressing,
} from "../../compress/index.ts";
import type { OwnedBytes } from "../../bytes/index.ts";
import { ABSENT, type IndexSet, LIVE } from "../index/index.ts";
import type { ClaimTable } from "./claim-table.ts";
import type { PackWriter } from "./pack-writer.ts";
import type { ContentCodec } from "./plain-codec.ts";
import type { SealInto } from "./thread-tools.ts";

export interface ContentStorerOptions {
  readonly codec: ContentCodec;
  readonly compression: CompressionEngine;
  /** Contents are compressed by whoever gets them; here only its choice is noted. */
  readonly leavesCompression: boolean;
  readonly formatVersion: number;
  readonly claims: ClaimTable;
  readonly packs: PackWriter;
  /** Where contents are compressed, so that no fresh memory is touched for them. */
  readonly spare: Uint8Array;
  /** Writes what `codec.sealContent` would give into exactly its place. */
  readonly sealInto: SealInto;
}

/** What became of the last content; overwritten by the next. */
export interface PieceOutcome {
  hash: Uint8Array;
  isNew: boolean;
  objectCompressed: boolean;
  /** Where it was sealed. */
  seal: SealOutcome | undefined;
}

export interface SealOutcome {
  readonly key: Uint8Array<ArrayBuffer>;
  /** Bytes of ciphertext. */
  readonly sealedBytes: number;
}

export interface NamedContent {
  readonly data: Uint8Array;
  readonly hash: Uint8Array;
  /** 0 for none. */
  readonly compressor: number;
  readonly nowS: number;
  /** SECURITY: a known content takes the same work as a new one, so that the time does not tell. */
  readonly evenly: boolean;
}

/** Before the first content. */
export function noOutcome(): PieceOutcome {
  return { hash: new Uint8Array(0), isNew: false, objectCompressed: false, seal: undefined };
}

export class ContentStorer {
  readonly outcome: PieceOutcome = noOutcome();
  /** A content was claimed and could not be stored. */
  claimLost = false;
  readonly #options: ContentStorerOptions;
  readonly #compressors = new Map<number, Compressor>();
  readonly #key: Uint8Array;
  #index: IndexSet | undefined;

  constructor(options: ContentStorerOptions) {
    this.#options = options;
    this.#key = new Uint8Array(1 + options.codec.hash.lengthBytes);
  }

  /** Where committed contents are looked up. */
  useIndex(index: IndexSet | undefined): void {
    this.#index?.close();
    this.#index = index;
  }

  /** Whether `store` may be called now with that many plain bytes. */
  hasRoom(lengthBytes: number): boolean {
    return this.#options.packs.hasRoom(this.#options.codec.sealedLength(lengthBytes));
  }

  makeRoom(lengthBytes: number): Promise<void> {
    return this.#options.packs.makeRoom(this.#options.codec.sealedLength(lengthBytes));
  }

  /** Only names `data` and claims it: it stays where it is, to be stored by somebody else. The result is in `outcome`. */
  claim(data: Uint8Array): void {
    const { codec, claims } = this.#options;
    this.outcome.hash = codec.hash.hash(data);
    this.#key.set(this.outcome.hash, 1);
    this.outcome.objectCompressed = false;
    this.outcome.isNew = claims.claim(this.#key);
  }

  /** Stores `data` if nobody has it; `hasRoom` was true. `compressor`: 0 for none. The result is in `outcome`. */
  store(data: Uint8Array, compressor: number, nowS: number): void {
    const { codec } = this.#options;
    const atObjectLevel =
      codec.indexVersion === 1 && compressor !== 0 ? this.#compressed(data, compressor) : undefined;
    const plain = atObjectLevel ?? data;
    this.outcome.objectCompressed = atObjectLevel !== undefined;
    const inContent = codec.indexVersion === 1 ? 0 : compressor;
    this.#storeUnder(codec.hash.hash(plain), plain, inContent, { nowS, evenly: false });
  }

  get hashBytes(): number {
    return this.#options.codec.hash.lengthBytes;
  }

  /** Whether a content with this compressor is named by its own bytes, and not by what it becomes. */
  isNamedPlain(compressor: number): boolean {
    return compressor === 0 || this.#options.codec.indexVersion !== 1;
  }

  /** The hashes of contents that lie one behind the other, for `storeNamed`. */
  hashMany(data: Uint8Array, lengths: Uint32Array): OwnedBytes {
    return this.#options.codec.hash.hashMany(data, lengths);
  }

  /** As `store`, of a content that is named plain and whose hash is known. */
  storeNamed(content: NamedContent): void {
    const { data, hash, compressor } = content;
    this.outcome.objectCompressed = false;
    this.#storeUnder(hash, data, this.#options.codec.indexVersion === 1 ? 0 : compressor, content);
  }

  #storeUnder(
    hash: Uint8Array,
    plain: Uint8Array,
    compressor: number,
    { nowS, evenly }: Pick<NamedContent, "nowS" | "evenly">,
  ): void {
    const outcome = this.outcome;
    outcome.hash = hash;
    outcome.isNew = false;
    this.#key.set(hash, 1);
    const known = this.#index?.probe(this.#key) ?? ABSENT;
    if (known === LIVE || !this.#options.claims.claim(this.#key)) {
      if (evenly) this.#encode(plain, hash, compressor);
      return;
    }
    outcome.isNew = true;
    try {
      this.#write(plain, hash, compressor, known === ABSENT ? nowS : Math.max(nowS, known + 1));
    } catch (error) {
      this.claimLost = true;
      throw error;
    }
  }

  #write(plain: Uint8Array, hash: Uint8Array, compressor: number, timestampS: number): void {
    const { packs, formatVersion } = this.#options;
    const { storedLength, compressionId } = this.#encode(plain, hash, compressor);
    packs.commit(storedLength, this.#key, {
      originalLength: plain.byteLength,
      timestampS,
      formatVersion,
      compressionId,
    });
  }

  /** Into the pack, behind what belongs to it. */
  #encode(
    plain: Uint8Array,
    hash: Uint8Array,
    compressor: number,
  ): { readonly storedLength: number; readonly compressionId: number } {
    const { codec, packs, leavesCompression } = this.#options;
    const isLeft = compressor === 0 || leavesCompression;
    const compressed = isLeft ? undefined : this.#compressedIfWorth(plain, compressor);
    const payload = compressed ?? plain;
    const storedLength = codec.sealedLength(payload.byteLength);
    this.#options.sealInto(packs.reserve(storedLength), payload, hash);
    return {
      storedLength,
      compressionId: compressed === undefined && !leavesCompression ? 0 : compressor,
    };
  }

  /** Header and stream, if that is shorter: a view of the spare memory. */
  #compressed(data: Uint8Array, compressor: number): Uint8Array | undefined {
    if (data.byteLength <= COMPRESSION_HEADER_BYTES) return undefined;
    const target = this.#options.spare.subarray(0, data.byteLength - 1);
    const length = this.#compressor(compressor).compressInto(data, target);
    return length < 0 ? undefined : target.subarray(0, length);
  }

  #compressedIfWorth(data: Uint8Array, compressor: number): Uint8Array | undefined {
    const { compression } = this.#options;
    const worth = worthCompressing(
      data,
      (sample) => compression.zstdCompress(sample, 1).byteLength,
    );
    return worth ? this.#compressed(data, compressor) : undefined;
  }

  #compressor(id: number): Compressor {
    let compressor = this.#compressors.get(id);
    if (compressor === undefined) {
      compressor = compressorById(id, this.#options.compression);
      this.#compressors.set(id, compressor);
    }
    return compressor;
  }
}
