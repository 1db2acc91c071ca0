/**
 * The cipher of contents for threads: the same bytes as the portable one, but into and out of memory that the caller
 * gives, with little cost for small contents. Layout: nonce (12), ciphertext, tag (16).
 */
import type { OwnedBytes, Random } from "../../bytes/index.ts";
import {
  AEAD_OVERHEAD_BYTES,
  type AeadName,
  type ContentCipher,
  deriveContentKeyBase,
  encryptionAlgorithm,
  NONCE_BYTES,
} from "../../crypto/index.ts";
import { SejfError } from "../../errors/index.ts";
import { openInto, sealInto } from "./aead.ts";
import { hmacInto } from "./mac.ts";
import { nodeCryptoEngine } from "./node-engine.ts";
import { nodeRandom } from "./node-random.ts";

const KEY_BYTES = 32;

/** A `ContentCipher` that also decrypts into the caller's memory. Views may be of shared memory. */
export interface NodeContentCipher extends ContentCipher {
  /**
   * Writes the plaintext to the beginning of `target` and returns its length, 28 less than `encrypted` has. The two
   * must not overlap, except that `target` may begin where the ciphertext does.
   * @throws SEJF_CORRUPT when the bytes do not authenticate under `iv`; RangeError when `target` is too short.
   */
  decryptInto(encrypted: Uint8Array, iv: Uint8Array, target: Uint8Array): number;
}

/** @throws SEJF_UNSUPPORTED for an unknown algorithm. */
export function createNodeContentCipher(
  algorithm: string,
  masterKey: Uint8Array,
  random: Random = nodeRandom,
): NodeContentCipher {
  const { aead } = encryptionAlgorithm(algorithm);
  return new IntoCipher(algorithm, aead, deriveContentKeyBase(nodeCryptoEngine, masterKey), random);
}

class IntoCipher implements NodeContentCipher {
  readonly algorithm: string;
  readonly overheadBytes: number = AEAD_OVERHEAD_BYTES;
  readonly #aead: AeadName;
  readonly #keyBase: Uint8Array;
  /** The key of the content at hand; one array will do, since nothing here waits. */
  readonly #contentKey: Uint8Array = new Uint8Array(KEY_BYTES);
  readonly #random: Random;

  constructor(algorithm: string, aead: AeadName, keyBase: Uint8Array, random: Random) {
    this.algorithm = algorithm;
    this.#aead = aead;
    this.#keyBase = keyBase;
    this.#random = random;
  }

  encrypt(plaintext: Uint8Array, iv: Uint8Array): OwnedBytes {
    const encrypted = new Uint8Array(plaintext.byteLength + AEAD_OVERHEAD_BYTES);
    this.encryptInto(plaintext, iv, encrypted);
    return encrypted;
  }

  encryptInto(plaintext: Uint8Array, iv: Uint8Array, target: Uint8Array): number {
    if (target.byteLength < plaintext.byteLength + AEAD_OVERHEAD_BYTES) {
      throw new RangeError(
        `target of ${target.byteLength} bytes, expected ${plaintext.byteLength + AEAD_OVERHEAD_BYTES} or more`,
      );
    }
    const nonce = this.#random.bytes(NONCE_BYTES);
    target.set(nonce, 0);
    return (
      NONCE_BYTES +
      sealInto(this.#aead, this.#key(iv), nonce, plaintext, iv, target.subarray(NONCE_BYTES))
    );
  }

  decrypt(encrypted: Uint8Array, iv: Uint8Array): OwnedBytes {
    assertLength(encrypted);
    const plaintext = new Uint8Array(encrypted.byteLength - AEAD_OVERHEAD_BYTES);
    this.decryptInto(encrypted, iv, plaintext);
    return plaintext;
  }

  decryptInPlace(encrypted: OwnedBytes, iv: Uint8Array): OwnedBytes {
    const place = encrypted.subarray(NONCE_BYTES);
    return place.subarray(0, this.decryptInto(encrypted, iv, place));
  }

  decryptInto(encrypted: Uint8Array, iv: Uint8Array, target: Uint8Array): number {
    assertLength(encrypted);
    const nonce = encrypted.subarray(0, NONCE_BYTES);
    return openInto(this.#aead, this.#key(iv), nonce, encrypted.subarray(NONCE_BYTES), iv, target);
  }

  #key(iv: Uint8Array): Uint8Array {
    hmacInto("hmac-sha256", this.#keyBase, iv, this.#contentKey);
    return this.#contentKey;
  }
}

function assertLength(encrypted: Uint8Array): void {
  if (encrypted.byteLength >= AEAD_OVERHEAD_BYTES) return;
  throw new SejfError(
    "SEJF_CORRUPT",
    `encrypted data has ${encrypted.byteLength} bytes, expected ${AEAD_OVERHEAD_BYTES} or more`,
  );
}
