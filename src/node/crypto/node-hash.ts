/**
 * The keyed hashes of contents on what is fastest in Node: HMAC and BLAKE2s from OpenSSL, short BLAKE2b and BLAKE3
 * from our WASM, long ones from a prebuilt package. Each has a slower twin for where it is missing.
 */
import { copyBytes, type OwnedBytes } from "../../bytes/index.ts";
import {
  blake3Key,
  type ContentHash,
  type HashAlgorithm,
  hashAlgorithm,
  hashEach,
  createPortableHash,
} from "../../crypto/index.ts";
import { createWasmHasher } from "../wasm/index.ts";
import { type HmacFunction, hmacInto } from "./mac.ts";
import { nativeBlake } from "./native-blake.ts";
import { loadOpenSsl } from "./openssl.ts";
import { opensslMac } from "./openssl-mac.ts";

/** Up to this length WASM is faster than the call into the native package. */
const WASM_MAX_BYTES = 16 * 1024;

const BLAKE2B_BYTES = 32;

/** Gives at least `lengthBytes` of digest, in an array of its own where it has exactly that many. */
type Digest = (data: Uint8Array) => OwnedBytes;

/** @throws SEJF_UNSUPPORTED as `CryptoEngine.contentHash`. */
export function createNodeHash(name: string, secret: Uint8Array): ContentHash {
  const algorithm = hashAlgorithm(name, secret.byteLength);
  return new NodeHash(algorithm, digestFor(algorithm, copyBytes(secret)));
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
    const digest = this.#digest(data);
    return digest.byteLength === this.lengthBytes ? digest : digest.slice(0, this.lengthBytes);
  }

  hashMany(data: Uint8Array, lengths: Uint32Array): OwnedBytes {
    return hashEach(this.#digest, data, lengths, this.lengthBytes);
  }
}

/** The closure holds the secret. */
function digestFor(algorithm: HashAlgorithm, secret: OwnedBytes): Digest {
  switch (algorithm.function) {
    case "blake2b":
      return blake2bDigest(secret);
    case "blake3":
      return blake3Digest(blake3Key(secret));
    case "blake2s":
      return blake2sDigest(algorithm, secret);
    case "hmac-sha224":
    case "hmac-sha256":
    case "hmac-sha3-224":
    case "hmac-sha3-256":
      return hmacDigest(algorithm.function, algorithm.digestBytes, secret);
  }
}

function hmacDigest(mac: HmacFunction, length: number, secret: OwnedBytes): Digest {
  return (data) => {
    const digest = new Uint8Array(length);
    hmacInto(mac, secret, data, digest);
    return digest;
  };
}

/** OpenSSL has BLAKE2s of any length with a key only. */
function blake2sDigest(algorithm: HashAlgorithm, secret: OwnedBytes): Digest {
  const openSsl = secret.byteLength === 0 ? undefined : loadOpenSsl();
  if (openSsl === undefined) {
    const portable = createPortableHash(algorithm.name, secret);
    return (data) => portable.hash(data);
  }
  return (data) => {
    const digest = new Uint8Array(algorithm.digestBytes);
    opensslMac(openSsl, "blake2s", secret, data, digest);
    return digest;
  };
}

function blake2bDigest(secret: OwnedBytes): Digest {
  const wasm = createWasmHasher("blake2b-256", secret);
  const key = Buffer.from(secret.buffer, secret.byteOffset, secret.byteLength);
  return (data) => {
    const native = data.byteLength > WASM_MAX_BYTES ? nativeBlake() : undefined;
    if (native === undefined) return wasm.hash(data);
    const parameters = new native.Blake2BParam();
    parameters.hashLength(BLAKE2B_BYTES);
    parameters.key(key);
    const view = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return copyBytes(native.Blake2BHasher.withParams(parameters).update(view).digestBuffer());
  };
}

function blake3Digest(key: OwnedBytes): Digest {
  const wasm = createWasmHasher("blake3-256", key);
  const keyBuffer = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  return (data) => {
    const native = data.byteLength > WASM_MAX_BYTES ? nativeBlake() : undefined;
    if (native === undefined) return wasm.hash(data);
    const view = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return copyBytes(native.Blake3Hasher.newKeyed(keyBuffer).update(view).digestBuffer());
  };
}
