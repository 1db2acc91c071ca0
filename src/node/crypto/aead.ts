/**
 * The AEADs of Node, writing into memory that the caller gives: a slot or pack buffer shared between threads, or a
 * fresh array. OpenSSL is called directly where that can be and pays. Through node:crypto data pass in pieces: a result
 * of several MiB would be memory never touched before, and its page faults cost more than the copy of a piece that is
 * still in the cache.
 */
import {
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type DecipherGCM,
  type KeyObject,
} from "node:crypto";
import { type AeadName, assertAeadKey, openFailed, TAG_BYTES } from "../../crypto/index.ts";
import { openSslFor } from "./openssl.ts";
import { OPENSSL_MAX_BYTES, opensslOpen, opensslSeal } from "./openssl-aead.ts";

const PIECE_BYTES = 64 * 1024;

const OPTIONS = { authTagLength: TAG_BYTES };

/**
 * Encrypts into the beginning of `target`: ciphertext, then the tag. Returns the length of both. `plaintext` and
 * `target` may be views of shared memory and must not overlap, except that they may begin at the same byte.
 * @throws RangeError for a key, nonce or target of the wrong length.
 */
export function sealInto(
  cipher: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
  target: Uint8Array,
): number {
  assertAeadKey(key, nonce);
  const length = plaintext.byteLength;
  if (target.byteLength < length + TAG_BYTES) {
    throw new RangeError(
      `target of ${target.byteLength} bytes, expected ${length + TAG_BYTES} or more`,
    );
  }
  const openSsl = length <= OPENSSL_MAX_BYTES ? openSslFor(length) : undefined;
  if (openSsl === undefined) nodeSeal(cipher, key, nonce, plaintext, aad, target);
  else
    opensslSeal(
      openSsl,
      cipher,
      key,
      nonce,
      plaintext,
      aad,
      target.subarray(0, length + TAG_BYTES),
    );
  return length + TAG_BYTES;
}

/**
 * Decrypts into the beginning of `target` and returns the length of the plaintext. Views as for `sealInto`.
 * @throws SEJF_CORRUPT with one message whatever the cause; nothing of the plaintext is left in `target` then.
 * @throws RangeError for a key, nonce or target of the wrong length.
 */
export function openInto(
  cipher: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
  target: Uint8Array,
): number {
  assertAeadKey(key, nonce);
  const length = sealed.byteLength - TAG_BYTES;
  if (length < 0) throw openFailed(sealed.byteLength);
  if (target.byteLength < length)
    throw new RangeError(`target of ${target.byteLength} bytes, expected ${length} or more`);
  const openSsl = length <= OPENSSL_MAX_BYTES ? openSslFor(length) : undefined;
  const plaintext = target.subarray(0, length);
  const authentic =
    openSsl === undefined
      ? nodeOpen(cipher, key, nonce, sealed, aad, plaintext)
      : opensslOpen(openSsl, cipher, key, nonce, sealed, aad, plaintext);
  if (!authentic) {
    plaintext.fill(0);
    throw openFailed(sealed.byteLength);
  }
  return length;
}

function nodeSeal(
  cipher: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
  target: Uint8Array,
): void {
  const length = plaintext.byteLength;
  const sealer = createSealer(cipher, createSecretKey(key), nonce);
  sealer.setAAD(aad, { plaintextLength: length });
  pump(sealer, plaintext, target);
  sealer.final();
  target.set(sealer.getAuthTag(), length);
}

function nodeOpen(
  cipher: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
  target: Uint8Array,
): boolean {
  const length = target.byteLength;
  const opener = createOpener(cipher, createSecretKey(key), nonce);
  opener.setAAD(aad, { plaintextLength: length });
  opener.setAuthTag(sealed.subarray(length));
  pump(opener, sealed.subarray(0, length), target);
  try {
    opener.final();
    return true;
  } catch {
    return false;
  }
}

function pump(cipher: CipherGCM | DecipherGCM, input: Uint8Array, target: Uint8Array): void {
  const length = input.byteLength;
  if (length <= PIECE_BYTES) {
    if (length > 0) target.set(cipher.update(input), 0);
    return;
  }
  for (let at = 0; at < length; at += PIECE_BYTES) {
    target.set(cipher.update(input.subarray(at, at + PIECE_BYTES)), at);
  }
}

/** A key object, because Node 24 takes several microseconds more for raw bytes. */
function createSealer(cipher: AeadName, key: KeyObject, nonce: Uint8Array): CipherGCM {
  return cipher === "aes-256-gcm"
    ? createCipheriv("aes-256-gcm", key, nonce, OPTIONS)
    : createCipheriv("chacha20-poly1305", key, nonce, OPTIONS);
}

function createOpener(cipher: AeadName, key: KeyObject, nonce: Uint8Array): DecipherGCM {
  return cipher === "aes-256-gcm"
    ? createDecipheriv("aes-256-gcm", key, nonce, OPTIONS)
    : createDecipheriv("chacha20-poly1305", key, nonce, OPTIONS);
}
