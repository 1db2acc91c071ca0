/**
 * Splitters over 32 MiB of random bytes, skipping included, as files are split. Run: `node bench/splitter.bench.ts`;
 * with `KOPIA_EXE` set, `kopia benchmark splitter` is shown beside.
 */
import { createSplitter, splitAll } from "../src/splitter/index.ts";
import {
  createFastSplitter,
  createWasmEngine,
  createWasmMemory,
  nodeRandom,
  WASM_SCRATCH_BYTES,
} from "../src/node/index.ts";
import { kopiaBenchmark, printThroughput, type ThroughputCase } from "./throughput.ts";

const BYTES = 32 * 1024 * 1024;
const READ_BYTES = 256 * 1024;
const NAMES = [
  "DYNAMIC-4M-BUZHASH",
  "DYNAMIC-1M-BUZHASH",
  "DYNAMIC-128K-BUZHASH",
  "DYNAMIC-4M-RABINKARP",
];

const data = nodeRandom.bytes(BYTES);
const engine = createWasmEngine(createWasmMemory(WASM_SCRATCH_BYTES + BYTES), 0);
engine.bytes.set(data, WASM_SCRATCH_BYTES);
const inPlace = engine.bytes.subarray(WASM_SCRATCH_BYTES, WASM_SCRATCH_BYTES + BYTES);

const cases = NAMES.flatMap((name): ThroughputCase[] => {
  const [plain, copying, shared] = [
    createSplitter(name),
    createFastSplitter(name),
    createFastSplitter(name, engine),
  ];
  return [
    { name, bytes: BYTES, run: () => splitAll(shared, inPlace, READ_BYTES) },
    {
      name: `${name}, copied into WASM`,
      bytes: BYTES,
      run: () => splitAll(copying, data, READ_BYTES),
    },
    {
      name: `${name}, plain JavaScript`,
      bytes: BYTES,
      run: () => splitAll(plain, data, READ_BYTES),
    },
  ];
});
const mask = 0x7fff_ffff;
cases.push({
  name: "scan alone, nothing skipped",
  bytes: BYTES,
  run: () => engine.scanBuzhash(inPlace, 63, BYTES, mask),
});

await printThroughput(
  cases,
  kopiaBenchmark(["splitter"], /^\s*\d+\.\s+(\S+)\s+([\d.]+ \S+)\s*\/s/),
);
