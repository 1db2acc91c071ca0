/**
 * The cipher of contents and whole blobs: a key for each IV, a random nonce for each call.
 * Layout: nonce (12), ciphertext, tag (16). Spec: `docs/format.md`, "Encryption".
 */
import { type OwnedBytes, type Random, utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { encryptionAlgorithm } from "./algorithms.ts";
import type { AeadName, ContentCipher, CryptoEngine } from "./engine.ts";

/** Length of an AEAD nonce. */
export const NONCE_BYTES = 12;

/** Length of an AEAD tag. */
export const TAG_BYTES = 16;

/** What encryption adds to a content or blob: nonce and tag. */
export const AEAD_OVERHEAD_BYTES: number = NONCE_BYTES + TAG_BYTES;

const KEY_BYTES = 32;
const SALT = utf8ToBytes("encryption");
const NO_INFO = new Uint8Array(0);

/**
 * The key from which HMAC-SHA-256 of an IV makes the key of each content: 32 bytes, once a repository. Kopia passes
 * `encryption` as the salt of HKDF and leaves its info empty.
 */
export function deriveContentKeyBase(engine: CryptoEngine, masterKey: Uint8Array): OwnedBytes {
  return engine.hkdfSha256(masterKey, SALT, NO_INFO, KEY_BYTES);
}

/**
 * A cipher bound to a repository's master key. `random` makes the nonces.
 * @throws SEJF_UNSUPPORTED for an unknown algorithm.
 */
export function createContentCipher(
  engine: CryptoEngine,
  algorithm: string,
  masterKey: Uint8Array,
  random: Random,
): ContentCipher {
  const { aead } = encryptionAlgorithm(algorithm);
  return new DerivedKeyCipher(
    algorithm,
    engine,
    aead,
    deriveContentKeyBase(engine, masterKey),
    random,
  );
}

class DerivedKeyCipher implements ContentCipher {
  readonly algorithm: string;
  readonly overheadBytes: number = AEAD_OVERHEAD_BYTES;
  readonly #engine: CryptoEngine;
  readonly #aead: AeadName;
  readonly #keyBase: Uint8Array;
  readonly #random: Random;

  constructor(
    algorithm: string,
    engine: CryptoEngine,
    aead: AeadName,
    keyBase: Uint8Array,
    random: Random,
  ) {
    this.algorithm = algorithm;
    this.#engine = engine;
    this.#aead = aead;
    this.#keyBase = keyBase;
    this.#random = random;
  }

  encrypt(plaintext: Uint8Array, iv: Uint8Array): OwnedBytes {
    const nonce = this.#random.bytes(NONCE_BYTES);
    const sealed = this.#engine.seal(this.#aead, this.#key(iv), nonce, plaintext, iv);
    const encrypted = new Uint8Array(NONCE_BYTES + sealed.byteLength);
    encrypted.set(nonce, 0);
    encrypted.set(sealed, NONCE_BYTES);
    return encrypted;
  }

  encryptInto(plaintext: Uint8Array, iv: Uint8Array, target: Uint8Array): number {
    const length = plaintext.byteLength + AEAD_OVERHEAD_BYTES;
    if (target.byteLength < length)
      throw new RangeError(`target of ${target.byteLength} bytes, expected ${length} or more`);
    if (this.#engine.sealInto === undefined) {
      target.set(this.encrypt(plaintext, iv));
      return length;
    }
    const nonce = this.#random.bytes(NONCE_BYTES);
    target.set(nonce);
    const sealed = target.subarray(NONCE_BYTES);
    this.#engine.sealInto(this.#aead, this.#key(iv), nonce, plaintext, iv, sealed);
    return length;
  }

  decrypt(encrypted: Uint8Array, iv: Uint8Array): OwnedBytes {
    assertLength(encrypted);
    const nonce = encrypted.subarray(0, NONCE_BYTES);
    return this.#engine.open(this.#aead, this.#key(iv), nonce, encrypted.subarray(NONCE_BYTES), iv);
  }

  decryptInPlace(encrypted: OwnedBytes, iv: Uint8Array): OwnedBytes {
    if (this.#engine.openInto === undefined) return this.decrypt(encrypted, iv);
    assertLength(encrypted);
    const nonce = encrypted.subarray(0, NONCE_BYTES);
    const sealed = encrypted.subarray(NONCE_BYTES);
    const length = this.#engine.openInto(this.#aead, this.#key(iv), nonce, sealed, iv, sealed);
    return sealed.subarray(0, length);
  }

  #key(iv: Uint8Array): OwnedBytes {
    return this.#engine.hmacSha256(this.#keyBase, iv);
  }
}

function assertLength(encrypted: Uint8Array): void {
  if (encrypted.byteLength >= AEAD_OVERHEAD_BYTES) return;
  throw new SejfError(
    "SEJF_CORRUPT",
    `encrypted data has ${encrypted.byteLength} bytes, expected ${AEAD_OVERHEAD_BYTES} or more`,
  );
}
