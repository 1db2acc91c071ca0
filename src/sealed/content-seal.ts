/**
 * One chunk as a sealed content: compressed, padded, encrypted under a key that depends on all of it, named by the
 * repository's own hash. Equal chunks under one secret give equal contents, and no others do. Spec: sealed 4.
 */
import { concatBytes, type OwnedBytes, utf8ToBytes, viewOf } from "../bytes/index.ts";
import {
  type CompressionEngine,
  compressorById,
  type CompressorId,
  decompressPayload,
} from "../compress/index.ts";
import type { ContentHash, CryptoEngine } from "../crypto/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import { type ContentPrefix, contentIdOf, contentPrefix } from "../format/index.ts";
import { deriveKey } from "./labels.ts";
import { padme } from "./padme.ts";
import type { SealedReference } from "./reference.ts";

const VERSION = 1;
const HEADER_BYTES = 5;
const PAD_MARK = 0x80;
const ZERO_NONCE = new Uint8Array(12);
const AAD = "sejf content v1";
/** No chunk of a splitter is longer; what says it is, is refused before memory is taken. */
const MAX_PLAIN_BYTES = 64 << 20;

/** The prefixes that sealed contents may have, as the byte that goes into key and authenticated data. */
const PREFIX_BYTES: ReadonlyMap<ContentPrefix, number> = new Map([
  ["", 0],
  ["k", 0x6b],
  ["x", 0x78],
]);

export interface SealedContent {
  readonly reference: SealedReference;
  readonly ciphertext: OwnedBytes;
}

/** Seals under one secret: the group's or the account's private one. */
export class ContentSealer {
  readonly #engine: CryptoEngine;
  readonly #compression: CompressionEngine;
  /** BLAKE3 keyed with the content key. */
  readonly #keyHash: ContentHash;
  readonly #idHash: ContentHash;

  /** `idHash` is the repository's own. */
  constructor(
    engine: CryptoEngine,
    compression: CompressionEngine,
    secret: Uint8Array,
    idHash: ContentHash,
  ) {
    this.#engine = engine;
    this.#compression = compression;
    this.#idHash = idHash;
    const contentKey = deriveKey(engine, secret, "sejf content key v1");
    this.#keyHash = engine.contentHash("BLAKE3-256", contentKey);
  }

  /** @throws RangeError for a prefix that sealed contents do not have. */
  seal(
    data: Uint8Array,
    options: { readonly prefix: ContentPrefix; readonly compressor?: CompressorId | undefined },
  ): SealedContent {
    const prefixByte = prefixByteOf(options.prefix);
    if (prefixByte === undefined)
      throw new RangeError(`a sealed content has no prefix ${JSON.stringify(options.prefix)}`);
    const padded = pad(this.#compress(data, options.compressor));
    const key = this.#keyHash.hash(concatBytes(Uint8Array.of(prefixByte), padded));
    const aad = aadOf(prefixByte);
    const ciphertext = this.#engine.seal("aes-256-gcm", key, ZERO_NONCE, padded, aad);
    const id = contentIdOf(options.prefix, this.#idHash.hash(ciphertext));
    return { reference: { id, key }, ciphertext };
  }

  /** Header and body; the data itself where compression does not make them shorter. */
  #compress(data: Uint8Array, compressor: CompressorId | undefined): OwnedBytes {
    if (compressor !== undefined && compressor !== 0) {
      const payload = compressorById(compressor, this.#compression).compress(data);
      // The payload's own header is the compression ID, as it is here.
      if (payload.length - 4 < data.length) return concatBytes(Uint8Array.of(VERSION), payload);
    }
    const plain = new Uint8Array(HEADER_BYTES + data.length);
    plain[0] = VERSION;
    plain.set(data, HEADER_BYTES);
    return plain;
  }
}

/**
 * The chunk in a content that claims to be `reference`. The name is checked over the bytes first, so that nothing is
 * decrypted that the reference does not mean. @throws SEJF_CORRUPT.
 */
export function openContent(
  engine: CryptoEngine,
  compression: CompressionEngine,
  idHash: ContentHash,
  reference: SealedReference,
  ciphertext: Uint8Array,
): OwnedBytes {
  const { id, key } = reference;
  const prefix = contentPrefix(id);
  const prefixByte = prefixByteOf(prefix);
  if (prefixByte === undefined) throw corrupt(id, "has a prefix that no sealed content has");
  if (contentIdOf(prefix, idHash.hash(ciphertext)) !== id)
    throw corrupt(id, "holds other bytes than its ID names");
  return decompress(compression, id, unpad(id, decrypt(engine, id, key, ciphertext, prefixByte)));
}

function decrypt(
  engine: CryptoEngine,
  id: string,
  key: Uint8Array,
  ciphertext: Uint8Array,
  prefixByte: number,
): OwnedBytes {
  try {
    return engine.open("aes-256-gcm", key, ZERO_NONCE, ciphertext, aadOf(prefixByte));
  } catch (error) {
    if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
    throw corrupt(id, "does not open with its key");
  }
}

function unpad(id: string, padded: OwnedBytes): OwnedBytes {
  let end = padded.length - 1;
  while (end >= 0 && padded[end] === 0) end--;
  if (end < HEADER_BYTES || padded[end] !== PAD_MARK) throw corrupt(id, "has no padding");
  if (padme(end + 1) !== padded.length)
    throw corrupt(id, `is padded to ${padded.length} bytes instead of ${padme(end + 1)}`);
  return padded.subarray(0, end);
}

function decompress(compression: CompressionEngine, id: string, plain: OwnedBytes): OwnedBytes {
  if (plain[0] !== VERSION)
    throw corrupt(id, `has version ${plain[0]}, this program knows ${VERSION}`);
  const compressor = viewOf(plain).getUint32(1);
  if (compressor === 0) return plain.subarray(HEADER_BYTES);
  return decompressPayload(plain.subarray(1), compressor, MAX_PLAIN_BYTES, compression);
}

function pad(plain: Uint8Array): OwnedBytes {
  const padded = new Uint8Array(padme(plain.length + 1));
  padded.set(plain);
  padded[plain.length] = PAD_MARK;
  return padded;
}

function prefixByteOf(prefix: ContentPrefix): number | undefined {
  return PREFIX_BYTES.get(prefix);
}

function aadOf(prefixByte: number): OwnedBytes {
  return concatBytes(utf8ToBytes(AAD), Uint8Array.of(prefixByte));
}

function corrupt(id: string, what: string): SejfError {
  return new SejfError("SEJF_CORRUPT", `sealed content ${id} ${what}`, {
    hint: "the server or the storage gave altered data; `snapshot verify` shows what it hurts",
  });
}
