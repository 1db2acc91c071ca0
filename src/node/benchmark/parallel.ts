/**
 * Measurements in several threads at once: each thread measures the same algorithm, then all go on to the next; the
 * speeds of the threads add up.
 */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { SejfError } from "../../errors/index.ts";
import {
  benchmarkCompression,
  benchmarkCrypto,
  benchmarkEcc,
  benchmarkEncryption,
  benchmarkHashing,
  benchmarkSplitter,
} from "./benchmark.ts";

interface Benchmarks {
  readonly compression: typeof benchmarkCompression;
  readonly crypto: typeof benchmarkCrypto;
  readonly ecc: typeof benchmarkEcc;
  readonly encryption: typeof benchmarkEncryption;
  readonly hashing: typeof benchmarkHashing;
  readonly splitter: typeof benchmarkSplitter;
}

const BENCHMARKS: Benchmarks = {
  compression: benchmarkCompression,
  crypto: benchmarkCrypto,
  ecc: benchmarkEcc,
  encryption: benchmarkEncryption,
  hashing: benchmarkHashing,
  splitter: benchmarkSplitter,
};

export type BenchmarkName = keyof Benchmarks;
export type BenchmarkOptionsOf<N extends BenchmarkName> = Parameters<Benchmarks[N]>[0];
export type BenchmarkResultOf<N extends BenchmarkName> =
  ReturnType<Benchmarks[N]> extends Generator<infer R> ? R : never;

/** What a thread is started with. A message to it asks for the next result. */
export interface BenchmarkThreadData {
  readonly name: BenchmarkName;
  readonly options: unknown;
}

/** `undefined`: there are no more. */
export type BenchmarkReply = Readonly<Record<string, unknown>> | undefined;

/**
 * The results of a measurement, speeds added over `threads`. One thread is this one, so that nothing is between the
 * engines and the figures; it is blocked while an algorithm runs.
 */
export async function* runBenchmark<N extends BenchmarkName>(
  name: N,
  options: BenchmarkOptionsOf<N>,
  threads: number,
  signal?: AbortSignal,
): AsyncGenerator<BenchmarkResultOf<N>, void, void> {
  const replies = threads === 1 ? here(name, options) : inThreads({ name, options }, threads);
  for await (const reply of replies) {
    signal?.throwIfAborted();
    yield reply as unknown as BenchmarkResultOf<N>;
  }
}

/** The generator of a measurement whose options are of its own type. */
export function startBenchmark({ name, options }: BenchmarkThreadData): Iterator<BenchmarkReply> {
  const start = BENCHMARKS[name] as unknown as (options: unknown) => Generator<BenchmarkReply>;
  return start(options);
}

async function* here(name: BenchmarkName, options: unknown): AsyncGenerator<BenchmarkReply> {
  const results = startBenchmark({ name, options });
  for (;;) {
    await new Promise<void>((resolve) => setImmediate(resolve)); // signals are seen here
    const next = results.next();
    if (next.done === true) return;
    yield next.value;
  }
}

async function* inThreads(
  data: BenchmarkThreadData,
  threads: number,
): AsyncGenerator<BenchmarkReply> {
  const file = new URL(`./benchmark-worker${extname(import.meta.url)}`, import.meta.url);
  const workers = Array.from({ length: threads }, () => new Worker(file, { workerData: data }));
  try {
    for (;;) {
      const replies = await Promise.all(workers.map(nextReply));
      const summed = sumSpeeds(replies);
      if (summed === undefined) return;
      yield summed;
    }
  } finally {
    await Promise.all(workers.map(async (worker) => await worker.terminate()));
  }
}

function nextReply(worker: Worker): Promise<BenchmarkReply> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void =>
      reject(
        new SejfError("SEJF_WORKER", "a thread of the benchmark ended", {
          cause: error instanceof Error ? error : undefined,
        }),
      );
    worker.removeAllListeners();
    worker.once("message", (reply: BenchmarkReply) => resolve(reply));
    worker.once("error", fail).once("exit", fail);
    worker.postMessage("next");
  });
}

/** The first thread's result with everybody's speeds. */
function sumSpeeds(replies: readonly BenchmarkReply[]): BenchmarkReply {
  const [first, ...others] = replies;
  if (first === undefined) return undefined;
  const summed: Record<string, unknown> = { ...first };
  for (const [key, value] of Object.entries(first)) {
    if (!/bytesPerSecond$/i.test(key) || typeof value !== "number") continue;
    summed[key] = others.reduce((sum, other) => sum + Number(other?.[key] ?? 0), value);
  }
  return summed;
}
