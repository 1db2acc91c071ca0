/** What both engines check of an AEAD call, and the one error for whatever does not authenticate. */
import { SejfError } from "../errors/index.ts";

const KEY_BYTES = 32;
const NONCE_BYTES = 12;

/** @throws RangeError for a key or nonce of another length: wrong use, not bad data. */
export function assertAeadKey(key: Uint8Array, nonce: Uint8Array): void {
  if (key.byteLength !== KEY_BYTES)
    throw new RangeError(`AEAD key of ${key.byteLength} bytes, expected ${KEY_BYTES}`);
  if (nonce.byteLength !== NONCE_BYTES) {
    throw new RangeError(`AEAD nonce of ${nonce.byteLength} bytes, expected ${NONCE_BYTES}`);
  }
}

/**
 * The error of a failed `open`.
 * SECURITY: one message for short data, a wrong key and a wrong tag; the length is what the caller knows already.
 */
export function openFailed(sealedBytes: number, cause?: unknown): SejfError {
  return new SejfError(
    "SEJF_CORRUPT",
    `encrypted data of ${sealedBytes} bytes does not authenticate`,
    { cause },
  );
}
