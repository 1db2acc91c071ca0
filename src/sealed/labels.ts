/** The labels that keep one key's uses apart, and the one way in which parts are joined. Spec: sealed 3. */
import { concatBytes, type OwnedBytes, utf8ToBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";

const ZERO = new Uint8Array(1);
const NO_SALT = new Uint8Array(0);

/** `label`, one zero byte, `rest`. */
export function labelled(label: string, ...rest: readonly Uint8Array[]): OwnedBytes {
  return concatBytes(utf8ToBytes(label), ZERO, ...rest);
}

/** HKDF-SHA256 with the label as info and, unless given, no salt. */
export function deriveKey(
  engine: CryptoEngine,
  ikm: Uint8Array,
  label: string,
  length = 32,
  salt: Uint8Array = NO_SALT,
): OwnedBytes {
  return engine.hkdfSha256(ikm, salt, utf8ToBytes(label), length);
}
