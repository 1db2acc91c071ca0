/**
 * The keyed hashes of contents on what is fastest in Node: HMAC from node:crypto, large BLAKE3 and BLAKE2s from a
 * prebuilt package, noble for what is not there.
 */
import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import type { OwnedBytes } from "../../bytes/index.ts";
import {
  blake3Key,
  type ContentHash,
  type HashAlgorithm,
  hashAlgorithm,
  portableCryptoEngine,
} from "../../crypto/index.ts";
import { nativeBlake } from "./native-blake.ts";

/** At least as long as the digest; what is behind it is cut off. */
type Digest = (data: Uint8Array) => Uint8Array;

/** @throws SEJF_UNSUPPORTED as `CryptoEngine.contentHash`. */
export function createNodeHash(name: string, secret: Uint8Array): ContentHash {
  const algorithm = hashAlgorithm(name, secret.byteLength);
  const digest = digestFor(algorithm, secret);
  return digest === undefined
    ? portableCryptoEngine.contentHash(name, secret)
    : new NodeHash(algorithm, digest);
}

class NodeHash implements ContentHash {
  readonly algorithm: string;
  readonly lengthBytes: number;
  readonly #digest: Digest;

  constructor(algorithm: HashAlgorithm, digest: Digest) {
    this.algorithm = algorithm.name;
    this.lengthBytes = algorithm.lengthBytes;
    this.#digest = digest;
  }

  hash(data: Uint8Array): OwnedBytes {
    const result = new Uint8Array(this.lengthBytes);
    const digest = this.#digest(data);
    for (let i = 0; i < result.length; i++) result[i] = digest[i]!;
    return result;
  }
}

/** `undefined` where nothing faster than noble is there. The closure holds the secret. */
function digestFor(algorithm: HashAlgorithm, secret: Uint8Array): Digest | undefined {
  switch (algorithm.function) {
    case "blake2b":
      return nativeBlake2b(algorithm.digestBytes, secret);
    case "blake2s":
      return nativeBlake2s(algorithm.digestBytes, secret);
    case "blake3":
      return nativeBlake3(secret);
    case "hmac-sha224":
      return hmacDigest("sha224", createSecretKey(secret));
    case "hmac-sha256":
      return hmacDigest("sha256", createSecretKey(secret));
    case "hmac-sha3-224":
      return hmacDigest("sha3-224", createSecretKey(secret));
    case "hmac-sha3-256":
      return hmacDigest("sha3-256", createSecretKey(secret));
  }
}

function hmacDigest(name: string, key: KeyObject): Digest {
  return (data) => createHmac(name, key).update(data).digest();
}

function nativeBlake2b(length: number, secret: Uint8Array): Digest | undefined {
  const native = nativeBlake();
  if (native === undefined) return undefined;
  const key = Buffer.from(secret);
  return (data) => {
    const parameters = new native.Blake2BParam();
    parameters.hashLength(length);
    parameters.key(key);
    return native.Blake2BHasher.withParams(parameters).update(asBuffer(data)).digestBuffer();
  };
}

function nativeBlake2s(length: number, secret: Uint8Array): Digest | undefined {
  const native = nativeBlake();
  if (native === undefined) return undefined;
  const key = Buffer.from(secret);
  return (data) => {
    const parameters = new native.Blake2SParam();
    parameters.hashLength(length);
    parameters.key(key);
    return native.Blake2SHasher.withParams(parameters).update(asBuffer(data)).digestBuffer();
  };
}

function nativeBlake3(secret: Uint8Array): Digest | undefined {
  const native = nativeBlake();
  if (native === undefined) return undefined;
  const key = Buffer.from(blake3Key(secret));
  return (data) => native.Blake3Hasher.newKeyed(key).update(data).digestBuffer();
}

/** The package's types want a Buffer; this is a view, not a copy. */
function asBuffer(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
