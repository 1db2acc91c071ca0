/** Measurements of this machine's speed by algorithm, for `sejf benchmark`. */
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
  type EccBenchmarkOptions,
  type EccBenchmarkResult,
  offeredCompressors,
  type SplitterBenchmarkOptions,
  type SplitterBenchmarkResult,
} from "./benchmark.ts";
export { type BenchmarkName, runBenchmark } from "./parallel.ts";
