/**
 * Cryptography behind one interface: the engines, Kopia's algorithm names, and the cipher of contents and blobs.
 * `portableCryptoEngine` runs everywhere; the fast one is `nodeCryptoEngine` in `node/`.
 */
export {
  DEFAULT_ENCRYPTION,
  DEFAULT_HASH,
  ENCRYPTION_ALGORITHMS,
  type EncryptionAlgorithm,
  encryptionAlgorithm,
  HASH_ALGORITHMS,
  type HashAlgorithm,
  type HashFunction,
  hashAlgorithm,
} from "./algorithms.ts";
export { assertAeadKey, openFailed } from "./aead-checks.ts";
export {
  AEAD_OVERHEAD_BYTES,
  createContentCipher,
  deriveContentKeyBase,
  NONCE_BYTES,
  TAG_BYTES,
} from "./content-cipher.ts";
export type { AeadName, ContentCipher, ContentHash, CryptoEngine, ScryptParams } from "./engine.ts";
export { equalSecrets } from "./equal-secrets.ts";
export { hashEach } from "./hash-each.ts";
export { blake3Key } from "./blake3-key.ts";
export { portableCryptoEngine } from "./portable-engine.ts";
export { createPortableHash } from "./portable-hash.ts";
