/**
 * Sealing in a thread, in front of the stages of the repository: chunk → compress → pad → key → encrypt, all in the memory
 * where the chunk lies, and the ciphertext goes on as any content does. Twin of `ContentSealer` in `sealed/`, byte for
 * byte. Spec: sealed 4.
 */
import {
  COMPRESSION_HEADER_BYTES,
  type CompressionEngine,
  compressorById,
  type Compressor,
} from "../../compress/index.ts";
import type { ContentHash, CryptoEngine } from "../../crypto/index.ts";
import { assert } from "../../errors/index.ts";
import {
  longestSealed,
  padSealed,
  SEALED_HEADER_BYTES,
  SEALED_NONCE,
  SEALED_VERSION,
  sealedAad,
  type SealingParameters,
} from "../../format/index.ts";
import { sealInto } from "../crypto/index.ts";
import { type ContentStorer, noOutcome, type PieceOutcome } from "./content-storer.ts";
import { SEAL_FRONT_BYTES } from "./memory.ts";

/** The prefix byte of data, which goes into the key, and the header. */
const FRONT_BYTES: number = 1 + SEALED_HEADER_BYTES;
const DATA_PREFIX = 0;
const AAD = sealedAad(DATA_PREFIX);

export interface SealingStorerOptions {
  readonly storer: ContentStorer;
  readonly engine: CryptoEngine;
  readonly compression: CompressionEngine;
  readonly sealing: SealingParameters;
}

/** A sealed chunk, until the memory where it was made is used again. */
export interface SealedChunk {
  readonly ciphertext: Uint8Array;
  readonly key: Uint8Array<ArrayBuffer>;
  /** It lies where the chunk was, the header in front of it. */
  readonly isInPlace: boolean;
}

export class SealingStorer {
  readonly outcome: PieceOutcome = noOutcome();
  readonly #options: SealingStorerOptions;
  readonly #compressors = new Map<number, Compressor>();
  readonly #privateHash: ContentHash;
  readonly #sharedHash: ContentHash | undefined;

  constructor(options: SealingStorerOptions) {
    this.#options = options;
    const { engine, sealing } = options;
    this.#privateHash = engine.contentHash("BLAKE3-256", sealing.privateKey);
    this.#sharedHash =
      sealing.shared === undefined
        ? undefined
        : engine.contentHash("BLAKE3-256", sealing.shared.contentKey);
  }

  hasRoom(lengthBytes: number): boolean {
    return this.#options.storer.hasRoom(longestSealed(lengthBytes));
  }

  makeRoom(lengthBytes: number): Promise<void> {
    return this.#options.storer.makeRoom(longestSealed(lengthBytes));
  }

  /** Seals and stores; as `ContentStorer.store`, and `seal`. */
  store(data: Uint8Array, compressor: number, nowS: number, place: SealingPlace): void {
    this.storeSealed(this.seal(data, compressor, place), nowS);
  }

  storeSealed({ ciphertext, key }: SealedChunk, nowS: number): void {
    const { storer } = this.#options;
    storer.store(ciphertext, 0, nowS);
    this.#took(ciphertext, key);
  }

  /** Names and claims it, as `ContentStorer.claim`. */
  claim({ ciphertext, key }: SealedChunk): void {
    this.#options.storer.claim(ciphertext);
    this.#took(ciphertext, key);
  }

  /** Overwrites `data`, if it may, and what is in front of it. `compressor`: 0 for none. */
  seal(data: Uint8Array, compressor: number, { spare, mayOverwrite }: SealingPlace): SealedChunk {
    const { shared } = this.#options.sealing;
    const isShared = shared !== undefined && data.byteLength >= shared.minSizeBytes;
    const hash = isShared ? (this.#sharedHash ?? this.#privateHash) : this.#privateHash;
    const wanted = isShared ? shared.compressor : compressor;
    const compressed = wanted === 0 ? -1 : this.#compress(data, wanted, spare);
    const isInPlace = compressed < 0 && mayOverwrite;
    const whole = isInPlace ? withFront(data) : spare;
    let length = FRONT_BYTES + data.byteLength;
    if (compressed >= 0) length = 2 + compressed;
    else {
      whole.fill(0, 2, FRONT_BYTES);
      if (!isInPlace) whole.set(data, FRONT_BYTES);
    }
    whole[0] = DATA_PREFIX;
    whole[1] = SEALED_VERSION;
    const padded = padSealed(whole.subarray(1), length - 1);
    const key = hash.hash(whole.subarray(0, 1 + padded));
    const plain = whole.subarray(1, 1 + padded);
    const target = whole.subarray(1);
    const sealedBytes = sealInto("aes-256-gcm", key, SEALED_NONCE, plain, AAD, target);
    return { ciphertext: target.subarray(0, sealedBytes), key, isInPlace };
  }

  /** Compression ID and stream to `spare`, behind prefix and version; their length, or -1 where that is not shorter. */
  #compress(data: Uint8Array, id: number, spare: Uint8Array): number {
    const target = spare.subarray(2);
    assert(target.byteLength >= mostCompressed(data.byteLength), "room for any stream");
    const length = this.#compressor(id).compressInto(data, target);
    return length - COMPRESSION_HEADER_BYTES < data.byteLength ? length : -1;
  }

  #compressor(id: number): Compressor {
    let compressor = this.#compressors.get(id);
    if (compressor === undefined) {
      compressor = compressorById(id, this.#options.compression);
      this.#compressors.set(id, compressor);
    }
    return compressor;
  }

  #took(ciphertext: Uint8Array, key: Uint8Array<ArrayBuffer>): void {
    const { hash, isNew } = this.#options.storer.outcome;
    this.outcome.hash = hash;
    this.outcome.isNew = isNew;
    this.outcome.seal = { key, sealedBytes: ciphertext.byteLength };
  }
}

/** Where a chunk may be sealed. */
export interface SealingPlace {
  /** Not where the chunk lies. */
  readonly spare: Uint8Array;
  /** The chunk, a few bytes in front of it and what lies behind it are of no more use. */
  readonly mayOverwrite: boolean;
}

/** The chunk with the room that slots and scratch areas have in front, and all that is behind it. */
function withFront(data: Uint8Array): Uint8Array {
  assert(data.byteOffset >= SEAL_FRONT_BYTES, "a chunk in the memory of the engine");
  const most = FRONT_BYTES + longestSealed(data.byteLength);
  return new Uint8Array(data.buffer, data.byteOffset - FRONT_BYTES, most);
}

/** What Zstandard may need for a stream in one go; other codecs need no more than shorter streams have. */
function mostCompressed(lengthBytes: number): number {
  return COMPRESSION_HEADER_BYTES + lengthBytes + (lengthBytes >> 8) + 64;
}
