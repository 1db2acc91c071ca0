/**
 * Between plain bytes and stored ones: contents (compression, encryption, error correction) and whole blobs named by
 * their hash. Made from plain data, so that each thread has its own. Spec: kopia-format 3.3, 4.2.
 *
 * SECURITY: the storage is not trusted. Encryption authenticates under the IV, and everything is hashed again after
 * decryption, so a blob under another name or a content under another ID is SEJF_CORRUPT.
 */
import { type BlobId, toBlobId } from "../blob/index.ts";
import {
  bytesToHex,
  equalBytes,
  hexToBytes,
  type OwnedBytes,
  type Random,
} from "../bytes/index.ts";
import {
  COMPRESSION_HEADER_BYTES,
  type CompressionEngine,
  type CompressorId,
  compressorById,
  decompressPayload,
} from "../compress/index.ts";
import {
  type ContentCipher,
  type ContentHash,
  type CryptoEngine,
  createContentCipher,
} from "../crypto/index.ts";
import { createEcc, type ErrorCorrection } from "../ecc/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import { type ContentId, contentHashBytes } from "./content-id.ts";
import type { CodecParameters } from "./repository-format.ts";

/** The IV of contents and whole blobs: that many bytes from the end of the hash. */
export const IV_BYTES = 16;

/** Not compressed. */
export const NO_COMPRESSION: CompressorId = 0;

export interface BlobCodec {
  /** Names contents and blobs. */
  readonly hash: ContentHash;
  readonly indexVersion: number;
  /** The name is prefix, hash, and `-suffix` where there is one. */
  encryptBlob(
    prefix: string,
    suffix: string,
    plaintext: Uint8Array,
  ): { readonly id: BlobId; readonly data: OwnedBytes };
  /** @throws SEJF_CORRUPT naming the blob. */
  decryptBlob(id: BlobId, data: Uint8Array): OwnedBytes;
  /** Encryption and error correction. `iv`: the last 16 bytes of the content's hash. */
  sealContent(payload: Uint8Array, iv: Uint8Array): OwnedBytes;
  /** As `sealContent`, into exactly its place, which does not overlap. @throws RangeError for another length. */
  sealContentInto(payload: Uint8Array, iv: Uint8Array, target: Uint8Array): void;
  /** Undoes `sealContent`. @throws SEJF_CORRUPT. */
  openContent(stored: Uint8Array, iv: Uint8Array): OwnedBytes;
  /** Bytes that `sealContent` makes of that many. */
  sealedLength(payloadLength: number): number;
  /**
   * What `encodeContent` seals: the data, or header and compressed stream where that saves a byte.
   * @throws SEJF_UNSUPPORTED for an unknown compressor.
   */
  compressContent(
    data: Uint8Array,
    compressorId: CompressorId | undefined,
  ): { readonly payload: Uint8Array; readonly compressionId: CompressorId };
  /**
   * What to store of a content. Compression is dropped where it does not save a byte, and in index version 1, which
   * cannot tell.
   * @throws SEJF_UNSUPPORTED for an unknown compressor.
   */
  encodeContent(
    data: Uint8Array,
    contentId: ContentId,
    compressorId: CompressorId | undefined,
  ): { readonly stored: OwnedBytes; readonly compressionId: CompressorId };
  /** The plain bytes, hashed again. @throws SEJF_CORRUPT naming the content; SEJF_UNSUPPORTED for an unknown compression. */
  decodeContent(
    stored: Uint8Array,
    contentId: ContentId,
    compressionId: CompressorId,
    originalLength: number,
  ): OwnedBytes;
  /**
   * As `decodeContent`, in the memory of `stored` where that can be: it is not used any more. `isHashedLater`: whoever
   * gets the bytes hashes them himself; here encryption alone says that they were written under this ID.
   */
  decodeContentInPlace(
    stored: OwnedBytes,
    contentId: ContentId,
    compressionId: CompressorId,
    originalLength: number,
    isHashedLater: boolean,
  ): OwnedBytes;
}

/** @throws SEJF_UNSUPPORTED for algorithms that are not known. */
export function createBlobCodec(
  engine: CryptoEngine,
  compression: CompressionEngine,
  parameters: CodecParameters,
  random: Random,
): BlobCodec {
  return new DirectCodec(engine, compression, parameters, random);
}

/** The IV of a content or blob with this hash: a view. */
export function ivOfHash(hash: Uint8Array): Uint8Array {
  return hash.subarray(hash.byteLength - IV_BYTES);
}

class DirectCodec implements BlobCodec {
  readonly hash: ContentHash;
  readonly indexVersion: number;
  readonly #compression: CompressionEngine;
  readonly #cipher: ContentCipher;
  readonly #ecc: ErrorCorrection | undefined;

  constructor(
    engine: CryptoEngine,
    compression: CompressionEngine,
    parameters: CodecParameters,
    random: Random,
  ) {
    this.hash = engine.contentHash(parameters.hash, parameters.secret);
    this.indexVersion = parameters.indexVersion;
    this.#compression = compression;
    this.#cipher = createContentCipher(engine, parameters.encryption, parameters.masterKey, random);
    this.#ecc = createEcc(parameters.ecc, parameters.eccOverheadPercent);
  }

  encryptBlob(
    prefix: string,
    suffix: string,
    plaintext: Uint8Array,
  ): { readonly id: BlobId; readonly data: OwnedBytes } {
    const hash = this.hash.hash(plaintext);
    const name = prefix + bytesToHex(hash);
    return {
      id: toBlobId(suffix === "" ? name : `${name}-${suffix}`),
      data: this.sealContent(plaintext, ivOfHash(hash)),
    };
  }

  decryptBlob(id: BlobId, data: Uint8Array): OwnedBytes {
    const plaintext = naming(`blob ${id}`, () => this.openContent(data, ivOfBlobName(id)));
    const hash = bytesToHex(this.hash.hash(plaintext));
    if (!nameBeforeDash(id).endsWith(hash))
      throw corrupt(`blob ${id} holds data with the hash ${hash}`);
    return plaintext;
  }

  sealContent(payload: Uint8Array, iv: Uint8Array): OwnedBytes {
    const encrypted = this.#cipher.encrypt(payload, iv);
    return this.#ecc === undefined ? encrypted : this.#ecc.encode(encrypted);
  }

  sealContentInto(payload: Uint8Array, iv: Uint8Array, target: Uint8Array): void {
    if (target.byteLength !== this.sealedLength(payload.byteLength))
      throw new RangeError(`target of ${target.byteLength} bytes, which is not the sealed length`);
    if (this.#ecc === undefined) this.#cipher.encryptInto(payload, iv, target);
    else target.set(this.sealContent(payload, iv));
  }

  openContent(stored: Uint8Array, iv: Uint8Array): OwnedBytes {
    return this.#cipher.decrypt(this.#ecc === undefined ? stored : this.#ecc.decode(stored), iv);
  }

  #openInPlace(stored: OwnedBytes, iv: Uint8Array): OwnedBytes {
    const encrypted = this.#ecc === undefined ? stored : this.#ecc.decode(stored);
    return this.#cipher.decryptInPlace(encrypted, iv);
  }

  sealedLength(payloadLength: number): number {
    const encrypted = payloadLength + this.#cipher.overheadBytes;
    return this.#ecc === undefined ? encrypted : this.#ecc.encodedLength(encrypted);
  }

  encodeContent(
    data: Uint8Array,
    contentId: ContentId,
    compressorId: CompressorId | undefined,
  ): { readonly stored: OwnedBytes; readonly compressionId: CompressorId } {
    const { payload, compressionId } = this.compressContent(data, compressorId);
    const iv = ivOfHash(contentHashBytes(contentId));
    return { stored: this.sealContent(payload, iv), compressionId };
  }

  compressContent(
    data: Uint8Array,
    compressorId: CompressorId | undefined,
  ): { readonly payload: Uint8Array; readonly compressionId: CompressorId } {
    const compressed = this.#compressed(data, compressorId);
    if (compressed === undefined) return { payload: data, compressionId: NO_COMPRESSION };
    return { payload: compressed.payload, compressionId: compressed.id };
  }

  #compressed(
    data: Uint8Array,
    compressorId: CompressorId | undefined,
  ): { readonly payload: OwnedBytes; readonly id: CompressorId } | undefined {
    if (compressorId === undefined || compressorId === NO_COMPRESSION || this.indexVersion < 2)
      return undefined;
    const compressor = compressorById(compressorId, this.#compression);
    if (data.byteLength <= COMPRESSION_HEADER_BYTES) return undefined;
    const payload = compressor.compress(data);
    return payload.byteLength < data.byteLength ? { payload, id: compressor.id } : undefined;
  }

  decodeContent(
    stored: Uint8Array,
    contentId: ContentId,
    compressionId: CompressorId,
    originalLength: number,
  ): OwnedBytes {
    const hash = contentHashBytes(contentId);
    const open = (): OwnedBytes => this.openContent(stored, ivOfHash(hash));
    const data = this.#decoded(open, contentId, compressionId, originalLength);
    this.#assertHash(data, contentId, hash);
    return data;
  }

  decodeContentInPlace(
    stored: OwnedBytes,
    contentId: ContentId,
    compressionId: CompressorId,
    originalLength: number,
    isHashedLater: boolean,
  ): OwnedBytes {
    const hash = contentHashBytes(contentId);
    const open = (): OwnedBytes => this.#openInPlace(stored, ivOfHash(hash));
    const data = this.#decoded(open, contentId, compressionId, originalLength);
    if (!isHashedLater) this.#assertHash(data, contentId, hash);
    return data;
  }

  #decoded(
    open: () => OwnedBytes,
    contentId: ContentId,
    compressionId: CompressorId,
    originalLength: number,
  ): OwnedBytes {
    const data = naming(`content ${contentId}`, () => {
      const payload = open();
      if (compressionId === NO_COMPRESSION) return payload;
      return decompressPayload(payload, compressionId, originalLength, this.#compression);
    });
    if (data.byteLength === originalLength) return data;
    throw corrupt(
      `content ${contentId} is ${data.byteLength} bytes, the index says ${originalLength}`,
    );
  }

  #assertHash(data: Uint8Array, contentId: ContentId, hash: Uint8Array): void {
    const found = this.hash.hash(data);
    if (!equalBytes(found, hash))
      throw corrupt(`content ${contentId} holds data with the hash ${bytesToHex(found)}`);
  }
}

/** Lenient: whatever stands before the hash, and whatever follows the first dash. */
function ivOfBlobName(id: BlobId): Uint8Array {
  const digits = nameBeforeDash(id).slice(-2 * IV_BYTES);
  if (!/^[0-9a-f]{32}$/.test(digits)) throw corrupt("the name holds no hash");
  return hexToBytes(digits);
}

function nameBeforeDash(id: BlobId): string {
  const dash = id.indexOf("-");
  return dash < 0 ? id : id.slice(0, dash);
}

/** What goes wrong inside, with the name of what was read in front. */
function naming(what: string, decode: () => OwnedBytes): OwnedBytes {
  try {
    return decode();
  } catch (error) {
    if (!isSejfError(error)) throw error;
    throw new SejfError(error.code, `${what}: ${error.message}`, {
      hint: error.hint,
      cause: error,
    });
  }
}

function corrupt(message: string): SejfError {
  return new SejfError("SEJF_CORRUPT", message);
}
