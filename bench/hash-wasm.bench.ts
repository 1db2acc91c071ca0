/**
 * The WASM hashes in place and copied, beside noble's, from 1 KiB to 4 MiB. Run: `node bench/hash-wasm.bench.ts`; with
 * `KOPIA_EXE` set, `kopia benchmark hashing` at 4 MB is shown beside.
 */
import { blake2b } from "@noble/hashes/blake2.js";
import { blake3 } from "@noble/hashes/blake3.js";
import {
  createWasmEngine,
  createWasmHasher,
  createWasmMemory,
  nodeRandom,
  WASM_SCRATCH_BYTES,
} from "../src/node/index.ts";
import { kopiaBenchmark, printThroughput, type ThroughputCase } from "./throughput.ts";

const SIZES = { "1 KiB": 1024, "4 KiB": 4096, "16 KiB": 16384, "4 MiB": 4 * 1024 * 1024 };
const KOPIA_NAMES = { "blake2b-256": "BLAKE2B-256-128", "blake3-256": "BLAKE3-256-128" } as const;

const key = nodeRandom.bytes(32);
const engine = createWasmEngine(createWasmMemory(WASM_SCRATCH_BYTES + SIZES["4 MiB"]), 0);
const oracles = {
  "blake2b-256": (data: Uint8Array): Uint8Array => blake2b(data, { dkLen: 32, key }),
  "blake3-256": (data: Uint8Array): Uint8Array => blake3(data, { key }),
};

const cases: ThroughputCase[] = [];
for (const algorithm of ["blake2b-256", "blake3-256"] as const) {
  const inPlace = engine.createHasher(algorithm, key);
  const copying = createWasmHasher(algorithm, key);
  for (const [size, bytes] of Object.entries(SIZES)) {
    const data = nodeRandom.bytes(bytes);
    engine.bytes.set(data, WASM_SCRATCH_BYTES);
    const name = bytes === SIZES["4 MiB"] ? KOPIA_NAMES[algorithm] : `${algorithm}, ${size}`;
    cases.push({ name, bytes, run: () => inPlace.hashAt(WASM_SCRATCH_BYTES, bytes) });
    cases.push({ name: `${algorithm}, ${size}, copied`, bytes, run: () => copying.hash(data) });
    cases.push({
      name: `${algorithm}, ${size}, noble`,
      bytes,
      run: () => oracles[algorithm](data),
    });
  }
}

const kopia = kopiaBenchmark(
  ["hashing", "--block-size=4MB", "--repeat=20"],
  /^\s*\d+\.\s+(\S+)\s+([\d.]+ \S+)\s*\/ second/,
);
await printThroughput(cases, kopia);
