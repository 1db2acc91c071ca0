/** Our own WASM: splitter and hashes that work in place on memory shared between threads. */
export { createWasmEngine, createWasmMemory, WASM_SCRATCH_BYTES, wasmSupported } from "./engine.ts";
export { createFastSplitter } from "./fast-splitter.ts";
export { createWasmHasher } from "./hasher.ts";
export { kernelModule } from "./module.ts";
export type {
  InPlaceHasher,
  InPlaceSplitter,
  WasmEngine,
  WasmHashAlgorithm,
  WasmHasher,
} from "./types.ts";
