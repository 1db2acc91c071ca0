/**
 * Opens sealed contents in a thread, once their ciphertext was compared with its ID: decrypt → padding → decompress. Twin of
 * `openContent` in `sealed/`. Spec: sealed 4.
 */
import { viewOf } from "../../bytes/index.ts";
import {
  type CompressionEngine,
  type Compressor,
  compressorById,
  decompressPayload,
} from "../../compress/index.ts";
import { TAG_BYTES } from "../../crypto/index.ts";
import { isSejfError } from "../../errors/index.ts";
import {
  alteredContent,
  type ContentId,
  MAX_SEALED_PLAIN_BYTES,
  SEALED_HEADER_BYTES,
  SEALED_NONCE,
  sealedAad,
  sealedPrefixOf,
  unpadSealed,
} from "../../format/index.ts";
import { openInto } from "../crypto/index.ts";

export class SealedOpener {
  readonly #compression: CompressionEngine;
  readonly #scratch: Uint8Array;
  readonly #compressors = new Map<number, Compressor>();

  /** `scratch`: where ciphertexts may lie at the beginning, and plain bytes are made. */
  constructor(compression: CompressionEngine, scratch: Uint8Array) {
    this.#compression = compression;
    this.#scratch = scratch;
  }

  /** The chunk: a view that is valid until the next call. @throws SEJF_CORRUPT. */
  open(id: ContentId, key: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    const room = Math.max(0, ciphertext.byteLength - TAG_BYTES);
    const target =
      room <= this.#scratch.byteLength ? this.#scratch.subarray(0, room) : new Uint8Array(room);
    const aad = sealedAad(sealedPrefixOf(id));
    try {
      openInto("aes-256-gcm", key, SEALED_NONCE, ciphertext, aad, target);
    } catch (error) {
      if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
      throw alteredContent(id, "does not open with its key");
    }
    const plain = unpadSealed(id, target);
    const compressor = viewOf(plain).getUint32(1);
    return compressor === 0
      ? plain.subarray(SEALED_HEADER_BYTES)
      : this.#decompress(plain.subarray(1), compressor);
  }

  /** Behind the payload where there is room. */
  #decompress(payload: Uint8Array, id: number): Uint8Array {
    const compressor = this.#compressors.get(id) ?? compressorById(id, this.#compression);
    this.#compressors.set(id, compressor);
    if (payload.buffer === this.#scratch.buffer) {
      const behind = payload.byteOffset + payload.byteLength - this.#scratch.byteOffset;
      const target = this.#scratch.subarray(behind);
      try {
        return target.subarray(0, compressor.decompressInto(payload, target));
      } catch (error) {
        // Also where it is merely longer.
        if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
      }
    }
    return decompressPayload(payload, id, MAX_SEALED_PLAIN_BYTES, this.#compression);
  }
}
