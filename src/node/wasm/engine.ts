/**
 * One thread's engine over a shared memory: kernels in place, plain JavaScript and noble where WASM cannot do it.
 * SECURITY: keys of hashes lie in the memory while the process runs, as they lie in the process anyway.
 */
import {
  BUZHASH_TABLE,
  type CutScan,
  keyedScan,
  keyedSpec,
  portableScan,
  splitterSpec,
  type SplitterSpec,
} from "../../splitter/index.ts";
import { blake2bHasher } from "./blake2b-hasher.ts";
import { blake3Hasher } from "./blake3-hasher.ts";
import { BUZHASH_TABLE_AT, SCRATCH_BYTES, STAGING_AT, STAGING_BYTES, TILES_AT } from "./layout.ts";
import { instantiateKernels, type Kernels, kernelModule } from "./module.ts";
import { keyedScanIn } from "./keyed-scan.ts";
import { portableHasher } from "./portable-hasher.ts";
import type { InPlaceHasher, InPlaceSplitter, WasmEngine, WasmHashAlgorithm } from "./types.ts";
import type { CompiledModule, SharedMemory } from "./web-assembly.ts";

/** What each engine needs for itself, at a multiple of 16 in the memory. */
export const WASM_SCRATCH_BYTES: number = SCRATCH_BYTES;

const PAGE_BYTES = 65536;
/** A shorter search is not worth copying its bytes into the memory. */
const MIN_COPIED_SCAN_BYTES = 1024;

/** True when the kernels can run here; otherwise engines work too, but slowly. */
export function wasmSupported(): boolean {
  return kernelModule() !== undefined;
}

/** A shared memory of at least `minBytes`. It never grows. */
export function createWasmMemory(minBytes: number): SharedMemory {
  const pages = Math.ceil(minBytes / PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

/**
 * An engine over `memory`, which must be shared and must not grow, with WASM_SCRATCH_BYTES at `scratchOffset` for
 * itself. Threads pass a `module` on (it can be posted) so that it is generated only once.
 */
export function createWasmEngine(
  memory: SharedMemory,
  scratchOffset: number,
  module: CompiledModule | undefined = kernelModule(),
): WasmEngine {
  const buffer = memory.buffer;
  const fits =
    Number.isInteger(scratchOffset) &&
    scratchOffset >= 0 &&
    scratchOffset % 16 === 0 &&
    scratchOffset + SCRATCH_BYTES <= buffer.byteLength;
  if (!fits)
    throw new RangeError(
      `scratch region of ${SCRATCH_BYTES} bytes at ${scratchOffset} in a memory of ${buffer.byteLength}`,
    );
  const bytes = new Uint8Array(buffer);
  const kernels = module === undefined ? undefined : instantiateKernels(module, memory);
  const scanBuzhash =
    kernels === undefined ? portableScan("buzhash") : wasmScan(kernels, bytes, scratchOffset);
  return {
    memory,
    bytes,
    copy(to, from, length): void {
      if (kernels === undefined) bytes.copyWithin(to, from, from + length);
      else kernels.copy(to, from, length);
    },
    scanBuzhash,
    createSplitter(name): InPlaceSplitter {
      const spec = splitterSpec(name);
      return inPlaceSplitter(
        spec,
        bytes,
        spec.kind === "rabinkarp" ? portableScan(spec.kind) : scanBuzhash,
      );
    },
    createKeyedSplitter(name, { table, cutKey }): InPlaceSplitter {
      const scan =
        kernels === undefined
          ? keyedScan(table, (window) => portableHasher("blake3-256", cutKey, bytes).hash(window))
          : keyedScanIn(kernels, bytes, scratchOffset, { table, cutKey });
      return inPlaceSplitter(keyedSpec(name), bytes, scan);
    },
    createHasher: (algorithm, key) => createHasher(algorithm, key, bytes, kernels, scratchOffset),
  };
}

function createHasher(
  algorithm: WasmHashAlgorithm,
  key: Uint8Array,
  bytes: Uint8Array<SharedArrayBuffer>,
  kernels: Kernels | undefined,
  scratchOffset: number,
): InPlaceHasher {
  const longest = algorithm === "blake2b-256" ? 64 : 32;
  if (key.length > longest || (algorithm === "blake3-256" && key.length !== 32)) {
    throw new RangeError(
      `key of ${key.length} bytes for ${algorithm}, which takes ${algorithm === "blake3-256" ? "32" : "at most 64"}`,
    );
  }
  if (kernels === undefined) return portableHasher(algorithm, key, bytes);
  const make = algorithm === "blake2b-256" ? blake2bHasher : blake3Hasher;
  return make(kernels, bytes, scratchOffset, key);
}

/** The kernel as a scan of any array: in place in the memory, else by copying pieces into the scratch region. */
function wasmScan(
  kernels: Kernels,
  memory: Uint8Array<SharedArrayBuffer>,
  scratchOffset: number,
): CutScan {
  const table = scratchOffset + BUZHASH_TABLE_AT;
  const tiles = scratchOffset + TILES_AT;
  const staging = scratchOffset + STAGING_AT;
  new Uint32Array(memory.buffer, table, BUZHASH_TABLE.length).set(BUZHASH_TABLE);
  const before = 63;
  const byByte = portableScan("buzhash");
  return (bytes, from, end, mask) => {
    if (bytes.buffer === memory.buffer) {
      const hit = kernels.scanBuzhash(
        bytes.byteOffset + from,
        bytes.byteOffset + end,
        mask,
        table,
        tiles,
      );
      return hit === -1 ? -1 : (hit >>> 0) - bytes.byteOffset;
    }
    if (end - from < MIN_COPIED_SCAN_BYTES) return byByte(bytes, from, end, mask);
    for (let at = from; at < end; at += STAGING_BYTES - before) {
      const stop = Math.min(end, at + STAGING_BYTES - before);
      memory.set(bytes.subarray(at - before, stop), staging);
      const first = staging + before;
      const hit = kernels.scanBuzhash(first, first + stop - at, mask, table, tiles);
      if (hit !== -1) return at + (hit >>> 0) - first;
    }
    return -1;
  };
}

function inPlaceSplitter(spec: SplitterSpec, bytes: Uint8Array, scan: CutScan): InPlaceSplitter {
  return {
    name: spec.name,
    minSegmentBytes: spec.minBytes,
    maxSegmentBytes: spec.maxBytes,
    findCut(offset, length, examined): number {
      const end = Math.min(length, spec.maxBytes);
      const first = Math.max(examined, spec.minBytes - 1);
      if (spec.kind !== "fixed" && first < end) {
        const hit = scan(bytes, offset + first, offset + end, spec.mask);
        if (hit >= 0) return hit - offset + 1;
      }
      return end === spec.maxBytes ? end : -1;
    },
  };
}
