/**
 * The engine that runs everywhere: every primitive from noble, no Node, no native code. It is the fallback where
 * nothing faster is to be had and the oracle that the fast engine is tested against.
 */
import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { pbkdf2Async } from "@noble/hashes/pbkdf2.js";
import { scryptAsync } from "@noble/hashes/scrypt.js";
import { sha256 } from "@noble/hashes/sha2.js";
import type { OwnedBytes } from "../bytes/index.ts";
import { assertAeadKey, openFailed } from "./aead-checks.ts";
import type { AeadName, ContentHash, CryptoEngine, ScryptParams } from "./engine.ts";
import { createPortableHash } from "./portable-hash.ts";

type NobleAead = (
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
) => {
  encrypt(plaintext: Uint8Array): OwnedBytes;
  decrypt(sealed: Uint8Array): OwnedBytes;
};

const AEADS: Readonly<Record<AeadName, NobleAead>> = {
  "aes-256-gcm": (key, nonce, aad) => gcm(key, nonce, aad),
  "chacha20-poly1305": (key, nonce, aad) => chacha20poly1305(key, nonce, aad),
};

/** Memory scrypt may use beyond what it needs, as noble counts it. */
const SCRYPT_SLACK_BYTES = 1 << 20;

/** All of `CryptoEngine` in plain JavaScript. Some hundred times slower than the Node engine on large data. */
export const portableCryptoEngine: CryptoEngine = {
  name: "portable",

  sha256(data: Uint8Array): OwnedBytes {
    return sha256(data);
  },

  hmacSha256(key: Uint8Array, data: Uint8Array): OwnedBytes {
    return hmac(sha256, key, data);
  },

  hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): OwnedBytes {
    return hkdf(sha256, ikm, salt, info, length);
  },

  async scrypt(password: Uint8Array, salt: Uint8Array, params: ScryptParams): Promise<OwnedBytes> {
    const { cost, blockSize, parallelization, length } = params;
    const maxmem = 128 * blockSize * (cost + parallelization) + SCRYPT_SLACK_BYTES;
    return scryptAsync(password, salt, {
      N: cost,
      r: blockSize,
      p: parallelization,
      dkLen: length,
      maxmem,
    });
  },

  async pbkdf2Sha256(
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    length: number,
  ): Promise<OwnedBytes> {
    return pbkdf2Async(sha256, password, salt, { c: iterations, dkLen: length });
  },

  seal(
    cipher: AeadName,
    key: Uint8Array,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    aad: Uint8Array,
  ): OwnedBytes {
    assertAeadKey(key, nonce);
    return AEADS[cipher](key, nonce, aad).encrypt(plaintext);
  },

  open(
    cipher: AeadName,
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    aad: Uint8Array,
  ): OwnedBytes {
    assertAeadKey(key, nonce);
    try {
      return AEADS[cipher](key, nonce, aad).decrypt(sealed);
    } catch (error) {
      throw openFailed(sealed.byteLength, error);
    }
  },

  contentHash(algorithm: string, secret: Uint8Array): ContentHash {
    return createPortableHash(algorithm, secret);
  },
};
