/** The hashes of an engine where WASM is missing: noble's. */
import { blake2b } from "@noble/hashes/blake2.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { copyBytes, type OwnedBytes } from "../../bytes/index.ts";
import { hashEach } from "../../crypto/index.ts";
import type { InPlaceHasher, WasmHashAlgorithm } from "./types.ts";

/** See `WasmEngine.createHasher`; `bytes` is the engine's memory. */
export function portableHasher(
  algorithm: WasmHashAlgorithm,
  key: Uint8Array,
  bytes: Uint8Array,
): InPlaceHasher {
  const ownKey = copyBytes(key);
  const hash = (data: Uint8Array): OwnedBytes => {
    if (algorithm === "blake3-256") return copyBytes(blake3(data, { key: ownKey }));
    return copyBytes(
      blake2b(data, ownKey.length === 0 ? { dkLen: 32 } : { dkLen: 32, key: ownKey }),
    );
  };
  return {
    algorithm,
    hash,
    hashAt: (offset, length) => hash(bytes.subarray(offset, offset + length)),
    hashMany: (data, lengths) => hashEach(hash, data, lengths, 32),
  };
}
