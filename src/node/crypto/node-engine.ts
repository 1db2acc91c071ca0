/** The engine of the programs: OpenSSL, directly or through node:crypto, and the fastest BLAKE hashes that can be loaded. */
import { hash, hkdfSync, pbkdf2, scrypt } from "node:crypto";
import { promisify } from "node:util";
import { copyBytes, type OwnedBytes } from "../../bytes/index.ts";
import {
  type AeadName,
  type ContentHash,
  type CryptoEngine,
  type ScryptParams,
  TAG_BYTES,
} from "../../crypto/index.ts";
import { openInto, sealInto } from "./aead.ts";
import { hmacInto } from "./mac.ts";
import { createNodeHash } from "./node-hash.ts";

const SHA256_BYTES = 32;
const pbkdf2Async = promisify(pbkdf2);

/** What scrypt may use above its large array. */
const SCRYPT_SLACK_BYTES = 1 << 20;

/** `CryptoEngine` on OpenSSL. scrypt and PBKDF2 run in the thread pool, the rest at once in the caller's thread. */
export const nodeCryptoEngine: CryptoEngine = {
  name: "node",

  sha256(data: Uint8Array): OwnedBytes {
    return copyBytes(hash("sha256", data, "buffer"));
  },

  hmacSha256(key: Uint8Array, data: Uint8Array): OwnedBytes {
    const digest = new Uint8Array(SHA256_BYTES);
    hmacInto("hmac-sha256", key, data, digest);
    return digest;
  },

  hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): OwnedBytes {
    return new Uint8Array(hkdfSync("sha256", ikm, salt, info, length));
  },

  async scrypt(password: Uint8Array, salt: Uint8Array, params: ScryptParams): Promise<OwnedBytes> {
    const { cost, blockSize, parallelization, length } = params;
    const maxmem = 128 * blockSize * (cost + parallelization) + SCRYPT_SLACK_BYTES;
    const key = await new Promise<Buffer>((resolve, reject) => {
      scrypt(
        password,
        salt,
        length,
        { cost, blockSize, parallelization, maxmem },
        (error, derived) => {
          if (error === null) resolve(derived);
          else reject(error);
        },
      );
    });
    return copyBytes(key);
  },

  async pbkdf2Sha256(
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    length: number,
  ): Promise<OwnedBytes> {
    return copyBytes(await pbkdf2Async(password, salt, iterations, length, "sha256"));
  },

  seal(
    cipher: AeadName,
    key: Uint8Array,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    aad: Uint8Array,
  ): OwnedBytes {
    const sealed = new Uint8Array(plaintext.byteLength + TAG_BYTES);
    sealInto(cipher, key, nonce, plaintext, aad, sealed);
    return sealed;
  },

  sealInto(
    cipher: AeadName,
    key: Uint8Array,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    aad: Uint8Array,
    target: Uint8Array,
  ): number {
    return sealInto(cipher, key, nonce, plaintext, aad, target);
  },

  open(
    cipher: AeadName,
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    aad: Uint8Array,
  ): OwnedBytes {
    const plaintext = new Uint8Array(Math.max(sealed.byteLength - TAG_BYTES, 0));
    openInto(cipher, key, nonce, sealed, aad, plaintext);
    return plaintext;
  },

  openInto,

  contentHash(algorithm: string, secret: Uint8Array): ContentHash {
    return createNodeHash(algorithm, secret);
  },
};
