/** Splitters over streams, with the buzhash search in WASM. */
import {
  createSplitter,
  DynamicSplitter,
  splitterSpec,
  type Splitter,
} from "../../splitter/index.ts";
import { localEngine } from "./local-engine.ts";
import type { WasmEngine } from "./types.ts";

/**
 * Cuts as `createSplitter` does, but faster; pieces that lie in the engine's memory are not copied. Without an engine
 * the thread's own is used. @throws SEJF_UNSUPPORTED for a name Kopia does not have.
 */
export function createFastSplitter(name: string, engine: WasmEngine = localEngine()): Splitter {
  const spec = splitterSpec(name);
  return spec.kind === "buzhash"
    ? new DynamicSplitter(spec, engine.scanBuzhash)
    : createSplitter(name);
}
