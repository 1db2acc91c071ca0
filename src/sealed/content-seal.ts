/**
 * One chunk as a sealed content: compressed, padded, encrypted under a key that depends on all of it, named by the
 * repository's own hash. Equal chunks under one secret give equal contents, and no others do. Spec: sealed 4.
 */
import { concatBytes, type OwnedBytes, viewOf } from "../bytes/index.ts";
import {
  type CompressionEngine,
  compressorById,
  type CompressorId,
  decompressPayload,
} from "../compress/index.ts";
import type { ContentHash, CryptoEngine } from "../crypto/index.ts";
import { isSejfError } from "../errors/index.ts";
import {
  alteredContent,
  type ContentPrefix,
  contentIdOf,
  contentPrefix,
  MAX_SEALED_PLAIN_BYTES,
  padme,
  padSealed,
  SEALED_HEADER_BYTES,
  SEALED_NONCE,
  SEALED_VERSION,
  sealedAad,
  sealedPrefixByte,
  sealedPrefixOf,
  unpadSealed,
} from "../format/index.ts";
import { deriveKey } from "./labels.ts";
import type { SealedReference } from "./reference.ts";

/** Most are shorter: decoders take as much memory as a result may have. */
const LIKELY_BYTES = 1 << 20;

export interface SealedContent {
  readonly reference: SealedReference;
  readonly ciphertext: OwnedBytes;
}

/** The key of BLAKE3 by which contents under a secret get theirs. */
export function deriveContentKey(engine: CryptoEngine, secret: Uint8Array): OwnedBytes {
  return deriveKey(engine, secret, "sejf content key v1");
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
    this.#keyHash = engine.contentHash("BLAKE3-256", deriveContentKey(engine, secret));
  }

  /** @throws RangeError for a prefix that sealed contents do not have. */
  seal(
    data: Uint8Array,
    options: { readonly prefix: ContentPrefix; readonly compressor?: CompressorId | undefined },
  ): SealedContent {
    const prefixByte = sealedPrefixByte(options.prefix);
    if (prefixByte === undefined)
      throw new RangeError(`a sealed content has no prefix ${JSON.stringify(options.prefix)}`);
    const padded = pad(this.#compress(data, options.compressor));
    const key = this.#keyHash.hash(concatBytes(Uint8Array.of(prefixByte), padded));
    const aad = sealedAad(prefixByte);
    const ciphertext = this.#engine.seal("aes-256-gcm", key, SEALED_NONCE, padded, aad);
    const id = contentIdOf(options.prefix, this.#idHash.hash(ciphertext));
    return { reference: { id, key }, ciphertext };
  }

  /** Header and body; the data itself where compression does not make them shorter. */
  #compress(data: Uint8Array, compressor: CompressorId | undefined): OwnedBytes {
    if (compressor !== undefined && compressor !== 0) {
      const payload = compressorById(compressor, this.#compression).compress(data);
      // The payload's own header is the compression ID, as it is here.
      if (payload.length - 4 < data.length)
        return concatBytes(Uint8Array.of(SEALED_VERSION), payload);
    }
    const plain = new Uint8Array(SEALED_HEADER_BYTES + data.length);
    plain[0] = SEALED_VERSION;
    plain.set(data, SEALED_HEADER_BYTES);
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
  const prefixByte = sealedPrefixOf(id);
  if (contentIdOf(prefix, idHash.hash(ciphertext)) !== id)
    throw alteredContent(id, "holds other bytes than its ID names");
  return decompress(compression, unpadSealed(id, decrypt(engine, id, key, ciphertext, prefixByte)));
}

function decrypt(
  engine: CryptoEngine,
  id: string,
  key: Uint8Array,
  ciphertext: Uint8Array,
  prefixByte: number,
): OwnedBytes {
  try {
    return engine.open("aes-256-gcm", key, SEALED_NONCE, ciphertext, sealedAad(prefixByte));
  } catch (error) {
    if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
    throw alteredContent(id, "does not open with its key");
  }
}

function decompress(compression: CompressionEngine, plain: OwnedBytes): OwnedBytes {
  const compressor = viewOf(plain).getUint32(1);
  if (compressor === 0) return plain.subarray(SEALED_HEADER_BYTES);
  const payload = plain.subarray(1);
  if (payload.length < LIKELY_BYTES) {
    try {
      return decompressPayload(payload, compressor, LIKELY_BYTES, compression);
    } catch (error) {
      // Also where it is merely longer.
      if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
    }
  }
  return decompressPayload(payload, compressor, MAX_SEALED_PLAIN_BYTES, compression);
}

function pad(plain: Uint8Array): OwnedBytes {
  const padded = new Uint8Array(padme(plain.length + 1));
  padded.set(plain);
  padSealed(padded, plain.length);
  return padded;
}
