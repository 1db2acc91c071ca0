/** The engine of a thread that has no memory in common with others: made when first needed. */
import { createWasmEngine, createWasmMemory, WASM_SCRATCH_BYTES } from "./engine.ts";
import type { WasmEngine } from "./types.ts";

let engine: WasmEngine | undefined;

/** The same one at every call. */
export function localEngine(): WasmEngine {
  engine ??= createWasmEngine(createWasmMemory(WASM_SCRATCH_BYTES), 0);
  return engine;
}
