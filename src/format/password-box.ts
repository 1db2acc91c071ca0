/**
 * The encryption of the format blob and of `kopia.blobcfg`: AES-256-GCM under keys from the password.
 * Layout: nonce (12), ciphertext, tag (16). Spec: kopia-format 2.2, 2.3.
 *
 * SECURITY: whoever can read the storage can try passwords against the format blob; only the slow derivation
 * stands between. A wrong password and a damaged blob cannot be told apart.
 */
import { concatBytes, type OwnedBytes, type Random, utf8ToBytes } from "../bytes/index.ts";
import {
  AEAD_OVERHEAD_BYTES,
  type CryptoEngine,
  NONCE_BYTES,
  openFailed,
} from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";

const KEY_BYTES = 32;
const KEY_INFO = utf8ToBytes("AES");
/** Names the additional data, no checksum of anything. */
const AAD_INFO = utf8ToBytes("CHECKSUM");

const SCRYPT = { cost: 65536, blockSize: 8, parallelization: 1, length: KEY_BYTES } as const;
const PBKDF2_ITERATIONS = 600_000;

/** How a password becomes the format key, by Kopia's names. */
export const KEY_ALGORITHMS: readonly string[] = ["scrypt-65536-8-1", "pbkdf2-sha256-600000"];
export const DEFAULT_KEY_ALGORITHM = "scrypt-65536-8-1";

/** What the derivation takes from the format blob. */
export interface KeyDerivation {
  /** The salt: 16 bytes or more. */
  readonly uniqueId: Uint8Array;
  readonly keyAlgorithm: string;
}

/**
 * The format key, 32 bytes: slow on purpose, and for scrypt 64 MiB. The password is taken as it is, in UTF-8.
 * @throws SEJF_UNSUPPORTED_FORMAT for an unknown derivation.
 */
export async function deriveFormatKey(
  engine: CryptoEngine,
  blob: KeyDerivation,
  password: string,
): Promise<OwnedBytes> {
  const secret = utf8ToBytes(password);
  switch (blob.keyAlgorithm) {
    case "scrypt-65536-8-1":
      return engine.scrypt(secret, blob.uniqueId, SCRYPT);
    case "pbkdf2-sha256-600000":
      return engine.pbkdf2Sha256(secret, blob.uniqueId, PBKDF2_ITERATIONS, KEY_BYTES);
    default:
      throw new SejfError(
        "SEJF_UNSUPPORTED_FORMAT",
        `key derivation ${JSON.stringify(blob.keyAlgorithm)} is not known`,
        {
          hint: `known ones are ${KEY_ALGORITHMS.join(", ")}; the repository may need a newer program`,
        },
      );
  }
}

/** The key and the additional data of one repository's password box. */
export function passwordBoxKeys(
  engine: CryptoEngine,
  uniqueId: Uint8Array,
  formatKey: Uint8Array,
): { readonly key: OwnedBytes; readonly aad: OwnedBytes } {
  return {
    key: engine.hkdfSha256(formatKey, uniqueId, KEY_INFO, KEY_BYTES),
    aad: engine.hkdfSha256(formatKey, uniqueId, AAD_INFO, KEY_BYTES),
  };
}

/** Encrypts with a fresh nonce. */
export function sealWithFormatKey(
  engine: CryptoEngine,
  uniqueId: Uint8Array,
  formatKey: Uint8Array,
  plaintext: Uint8Array,
  random: Random,
): OwnedBytes {
  const { key, aad } = passwordBoxKeys(engine, uniqueId, formatKey);
  return sealWithNonce(engine, key, plaintext, aad, random);
}

/** @throws SEJF_CORRUPT whatever is wrong. */
export function openWithFormatKey(
  engine: CryptoEngine,
  uniqueId: Uint8Array,
  formatKey: Uint8Array,
  sealed: Uint8Array,
): OwnedBytes {
  const { key, aad } = passwordBoxKeys(engine, uniqueId, formatKey);
  return openWithNonce(engine, key, sealed, aad);
}

/** AES-256-GCM with a fresh nonce in front. */
export function sealWithNonce(
  engine: CryptoEngine,
  key: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
  random: Random,
): OwnedBytes {
  const nonce = random.bytes(NONCE_BYTES);
  return concatBytes(nonce, engine.seal("aes-256-gcm", key, nonce, plaintext, aad));
}

/** Undoes `sealWithNonce`. @throws SEJF_CORRUPT. */
export function openWithNonce(
  engine: CryptoEngine,
  key: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
): OwnedBytes {
  if (sealed.byteLength < AEAD_OVERHEAD_BYTES) throw openFailed(sealed.byteLength);
  return engine.open(
    "aes-256-gcm",
    key,
    sealed.subarray(0, NONCE_BYTES),
    sealed.subarray(NONCE_BYTES),
    aad,
  );
}
