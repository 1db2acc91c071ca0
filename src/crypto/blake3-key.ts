/** The 32-byte key that BLAKE3 works with, from a repository secret of any length. Spec: `docs/format.md`, "Hashing". */
import { blake3 } from "@noble/hashes/blake3.js";
import { type OwnedBytes, utf8ToBytes } from "../bytes/index.ts";

const KEY_BYTES = 32;
const CONTEXT = utf8ToBytes("kopia blake3 derived key v1");

/** The first 32 bytes of `secret`; a shorter one, even an empty one, is stretched by BLAKE3's key derivation. */
export function blake3Key(secret: Uint8Array): OwnedBytes {
  if (secret.byteLength < KEY_BYTES) return blake3(secret, { context: CONTEXT, dkLen: KEY_BYTES });
  return new Uint8Array(secret.subarray(0, KEY_BYTES));
}
