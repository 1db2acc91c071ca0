/**
 * What the formats need of cryptography, as one interface with two implementations: a portable one (noble, here)
 * and a fast one (node:crypto and native hashes, in `node/`). Nobody else calls a primitive.
 */
import type { OwnedBytes } from "../bytes/index.ts";

/** IETF AEADs with 12-byte nonces and 16-byte tags. */
export type AeadName = "aes-256-gcm" | "chacha20-poly1305";

export interface CryptoEngine {
  /** `"portable"` or `"node"`. */
  readonly name: string;
  sha256(data: Uint8Array): OwnedBytes;
  hmacSha256(key: Uint8Array, data: Uint8Array): OwnedBytes;
  /** RFC 5869, extract then expand. */
  hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): OwnedBytes;
  scrypt(password: Uint8Array, salt: Uint8Array, params: ScryptParams): Promise<OwnedBytes>;
  pbkdf2Sha256(
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    length: number,
  ): Promise<OwnedBytes>;
  /** Ciphertext with the tag behind it. `key` has 32 bytes, `nonce` 12. */
  seal(
    cipher: AeadName,
    key: Uint8Array,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    aad: Uint8Array,
  ): OwnedBytes;
  /**
   * As `seal`, into the beginning of `target`, which does not overlap; gives the length. Absent where an engine cannot
   * save a copy by it. @throws RangeError when `target` is too short.
   */
  sealInto?(
    cipher: AeadName,
    key: Uint8Array,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    aad: Uint8Array,
    target: Uint8Array,
  ): number;
  /** @throws SEJF_CORRUPT with one message whatever the cause. */
  open(
    cipher: AeadName,
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    aad: Uint8Array,
  ): OwnedBytes;
  /**
   * As `open`, into the beginning of `target`, which may begin where `sealed` does; gives the length. Nothing of the
   * plaintext is left when it fails. Absent where an engine cannot save memory by it.
   */
  openInto?(
    cipher: AeadName,
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    aad: Uint8Array,
    target: Uint8Array,
  ): number;
  /**
   * A keyed hash by Kopia's name (`kopia-format.md` 3.1), bound to the repository's secret.
   * @throws SEJF_UNSUPPORTED for an unknown name or a secret the algorithm cannot use.
   */
  contentHash(algorithm: string, secret: Uint8Array): ContentHash;
}

export interface ScryptParams {
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly length: number;
}

/** The keyed hash that names contents. Holds the secret in a private field. */
export interface ContentHash {
  readonly algorithm: string;
  readonly lengthBytes: number;
  hash(data: Uint8Array): OwnedBytes;
  /** One behind the other, the hashes of the parts of `data`, which lie one behind the other. */
  hashMany(data: Uint8Array, lengths: Uint32Array): OwnedBytes;
}

/** Encryption of contents and whole blobs (`kopia-format.md` 3.2). `iv` selects the key; the nonce is random. */
export interface ContentCipher {
  readonly algorithm: string;
  /** Bytes that encryption adds: 28. */
  readonly overheadBytes: number;
  /** nonce, ciphertext, tag. */
  encrypt(plaintext: Uint8Array, iv: Uint8Array): OwnedBytes;
  /**
   * The same into the beginning of `target`, which does not overlap; gives the length, `overheadBytes` more than the
   * plaintext's. @throws RangeError when `target` is too short.
   */
  encryptInto(plaintext: Uint8Array, iv: Uint8Array, target: Uint8Array): number;
  /** @throws SEJF_CORRUPT when the bytes do not authenticate under `iv`. */
  decrypt(encrypted: Uint8Array, iv: Uint8Array): OwnedBytes;
  /** The same in the memory of `encrypted`, where that can be: it is not used any more. @throws SEJF_CORRUPT. */
  decryptInPlace(encrypted: OwnedBytes, iv: Uint8Array): OwnedBytes;
}
