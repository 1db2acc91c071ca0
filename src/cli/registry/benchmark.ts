/** Commands that measure algorithms on this machine. */
import type { RegisteredCommand } from "./types.ts";

export const BENCHMARK_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "benchmark compression",
    summary: "Run compression benchmarks",
    load: () => import("../cmd/benchmark-compression.ts"),
  },
  {
    path: "benchmark crypto",
    summary: "Run combined hash and encryption benchmarks",
    load: () => import("../cmd/benchmark-crypto.ts"),
  },
  {
    path: "benchmark ecc",
    summary: "Run ECC benchmarks",
    load: () => import("../cmd/benchmark-ecc.ts"),
  },
  {
    path: "benchmark encryption",
    summary: "Run encryption benchmarks",
    load: () => import("../cmd/benchmark-encryption.ts"),
  },
  {
    path: "benchmark hashing",
    aliases: ["hash"],
    summary: "Run hashing function benchmarks",
    load: () => import("../cmd/benchmark-hashing.ts"),
  },
  {
    path: "benchmark splitter",
    summary: "Run splitter benchmarks",
    load: () => import("../cmd/benchmark-splitter.ts"),
  },
];
