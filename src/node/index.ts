/** Everything that needs Node: fast engines, threads and local files. */
export {
  createNodeContentCipher,
  loadOpenSsl,
  type NodeContentCipher,
  derivingOnce,
  nodeCryptoEngine,
  nodeRandom,
  openInto,
  sealInto,
} from "./crypto/index.ts";
export * from "./engine/index.ts";
export * from "./files/index.ts";
export { boundHeapGrowth } from "./heap.ts";
export { loadNatives } from "./load-natives.ts";
export { endAtOnce } from "./native.ts";
export { nodeCompressionEngine } from "./compress/index.ts";
export {
  createFastSplitter,
  createWasmEngine,
  createWasmHasher,
  createWasmMemory,
  type InPlaceHasher,
  type InPlaceSplitter,
  kernelModule,
  WASM_SCRATCH_BYTES,
  type WasmEngine,
  type WasmHashAlgorithm,
  type WasmHasher,
  wasmSupported,
} from "./wasm/index.ts";
export {
  type BenchmarkAmount,
  type BenchmarkResult,
  benchmarkCompression,
  benchmarkCrypto,
  benchmarkEcc,
  benchmarkEncryption,
  benchmarkHashing,
  benchmarkSplitter,
  type CompressionBenchmarkOptions,
  type CompressionBenchmarkResult,
  type CryptoBenchmarkResult,
  type BenchmarkName,
  type EccBenchmarkOptions,
  type EccBenchmarkResult,
  offeredCompressors,
  runBenchmark,
  type SplitterBenchmarkOptions,
  type SplitterBenchmarkResult,
} from "./benchmark/index.ts";
export { giveMemoryBack } from "./native.ts";
