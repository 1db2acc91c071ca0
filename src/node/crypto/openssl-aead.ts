/** AEADs by direct calls: one context for each cipher and direction, kept by the thread and given a new key each time. */
import { type AeadName, TAG_BYTES } from "../../crypto/index.ts";
import { assert } from "../../errors/index.ts";
import type { OpenSsl, Pointer } from "./openssl-binding.ts";

/** OpenSSL counts in int. */
export const OPENSSL_MAX_BYTES = 0x4000_0000;

const GET_TAG = 0x10;
const SET_TAG = 0x11;

const outLength = new Int32Array(1);
const noOutput = new Uint8Array(TAG_BYTES);

const contexts: Record<AeadName, [open: Pointer | undefined, seal: Pointer | undefined]> = {
  "aes-256-gcm": [undefined, undefined],
  "chacha20-poly1305": [undefined, undefined],
};

/** Ciphertext and tag into `target`, which has exactly their length. Lengths are the caller's to check. */
export function opensslSeal(
  openSsl: OpenSsl,
  cipher: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
  target: Uint8Array,
): void {
  const length = plaintext.byteLength;
  assert(
    target.byteLength === length + TAG_BYTES && length <= OPENSSL_MAX_BYTES,
    "a target of the right length",
  );
  const context = start(openSsl, cipher, key, nonce, aad, 1);
  update(openSsl, context, target, plaintext);
  check(openSsl.EVP_CipherFinal_ex(context, noOutput, outLength));
  check(openSsl.EVP_CIPHER_CTX_ctrl(context, GET_TAG, TAG_BYTES, target.subarray(length)));
}

/** The plaintext into `target`, which has exactly its length; false when the data do not authenticate. */
export function opensslOpen(
  openSsl: OpenSsl,
  cipher: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
  target: Uint8Array,
): boolean {
  const length = target.byteLength;
  assert(
    sealed.byteLength === length + TAG_BYTES && length <= OPENSSL_MAX_BYTES,
    "a target of the right length",
  );
  const context = start(openSsl, cipher, key, nonce, aad, 0);
  update(openSsl, context, target, sealed.subarray(0, length));
  check(openSsl.EVP_CIPHER_CTX_ctrl(context, SET_TAG, TAG_BYTES, sealed.subarray(length)));
  return openSsl.EVP_CipherFinal_ex(context, noOutput, outLength) === 1;
}

function start(
  openSsl: OpenSsl,
  cipher: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  direction: 0 | 1,
): Pointer {
  const context = (contexts[cipher][direction] ??= createContext(openSsl, cipher, direction));
  check(openSsl.EVP_CipherInit_ex(context, null, null, key, nonce, direction));
  update(openSsl, context, null, aad);
  return context;
}

/** Without output the data are additional data. */
function update(
  openSsl: OpenSsl,
  context: Pointer,
  out: Uint8Array | null,
  data: Uint8Array,
): void {
  if (data.byteLength === 0) return;
  check(openSsl.EVP_CipherUpdate(context, out, outLength, data, data.byteLength));
  assert(outLength[0] === data.byteLength, "a stream cipher gives as much as it takes");
}

function createContext(openSsl: OpenSsl, cipher: AeadName, direction: 0 | 1): Pointer {
  const context = openSsl.EVP_CIPHER_CTX_new();
  const algorithm =
    cipher === "aes-256-gcm" ? openSsl.EVP_aes_256_gcm() : openSsl.EVP_chacha20_poly1305();
  assert(context !== null && algorithm !== null, "OpenSSL has memory and its ciphers");
  check(openSsl.EVP_CipherInit_ex(context, algorithm, null, null, null, direction));
  return context;
}

function check(result: number): void {
  assert(result === 1, `OpenSSL answered ${result}`);
}
