/** The keyed hashes of contents, from noble. Spec: `docs/format.md`, "Hashing". */
import { blake2b, blake2s } from "@noble/hashes/blake2.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha224, sha256 } from "@noble/hashes/sha2.js";
import { sha3_224, sha3_256 } from "@noble/hashes/sha3.js";
import { copyBytes, type OwnedBytes } from "../bytes/index.ts";
import { type HashAlgorithm, hashAlgorithm } from "./algorithms.ts";
import { blake3Key } from "./blake3-key.ts";
import type { ContentHash } from "./engine.ts";
import { hashEach } from "./hash-each.ts";

type Digest = (data: Uint8Array) => OwnedBytes;

/** @throws SEJF_UNSUPPORTED as `CryptoEngine.contentHash`. */
export function createPortableHash(name: string, secret: Uint8Array): ContentHash {
  const algorithm = hashAlgorithm(name, secret.byteLength);
  return new PortableHash(algorithm, digestFor(algorithm, copyBytes(secret)));
}

class PortableHash implements ContentHash {
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

/** The closure holds the secret, out of sight of `inspect` and JSON. */
function digestFor(algorithm: HashAlgorithm, secret: OwnedBytes): Digest {
  const dkLen = algorithm.digestBytes;
  // An empty BLAKE2 key means the unkeyed function, which noble spells as no key at all.
  const blake2Options = secret.byteLength === 0 ? { dkLen } : { dkLen, key: secret };
  switch (algorithm.function) {
    case "blake2b":
      return (data) => blake2b(data, blake2Options);
    case "blake2s":
      return (data) => blake2s(data, blake2Options);
    case "blake3": {
      const key = blake3Key(secret);
      return (data) => blake3(data, { key, dkLen });
    }
    case "hmac-sha224":
      return (data) => hmac(sha224, secret, data);
    case "hmac-sha256":
      return (data) => hmac(sha256, secret, data);
    case "hmac-sha3-224":
      return (data) => hmac(sha3_224, secret, data);
    case "hmac-sha3-256":
      return (data) => hmac(sha3_256, secret, data);
  }
}
