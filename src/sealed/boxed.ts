/** Documents under a key that both sides have: XChaCha20-Poly1305, a random nonce, the label authenticated. Spec: sealed 5, 7. */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { type OwnedBytes, type Random, utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";

export interface Box {
  /** 24 bytes. */
  readonly nonce: OwnedBytes;
  readonly ct: OwnedBytes;
}

const NONCE_BYTES = 24;

export function box(label: string, key: Uint8Array, plain: Uint8Array, random: Random): Box {
  const nonce = random.bytes(NONCE_BYTES);
  const ct = xchacha20poly1305(key, nonce, utf8ToBytes(label)).encrypt(plain);
  return { nonce, ct: new Uint8Array(ct) };
}

/** @throws SEJF_CORRUPT. */
export function unbox(label: string, key: Uint8Array, { nonce, ct }: Box): OwnedBytes {
  try {
    return new Uint8Array(xchacha20poly1305(key, nonce, utf8ToBytes(label)).decrypt(ct));
  } catch (error) {
    throw new SejfError("SEJF_CORRUPT", `a "${label}" document does not open with its key`, {
      cause: error,
    });
  }
}
