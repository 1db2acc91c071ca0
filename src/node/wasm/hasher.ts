/** Keyed hashes in WASM for whoever has no engine: bytes are copied through the thread's own small memory. */
import { localEngine } from "./local-engine.ts";
import type { WasmHashAlgorithm, WasmHasher } from "./types.ts";

/**
 * `key`: at most 64 bytes for BLAKE2b (none: unkeyed), exactly 32 for BLAKE3. Where WASM is missing, noble's.
 * @throws RangeError for other lengths.
 */
export function createWasmHasher(algorithm: WasmHashAlgorithm, key: Uint8Array): WasmHasher {
  return localEngine().createHasher(algorithm, key);
}
