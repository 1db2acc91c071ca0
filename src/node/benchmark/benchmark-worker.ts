/** One thread of a measurement: every message is answered with the next result, or `undefined` behind the last. */
import { parentPort, workerData } from "node:worker_threads";
import { type BenchmarkThreadData, startBenchmark } from "./parallel.ts";

const results = startBenchmark(workerData as BenchmarkThreadData);

parentPort?.on("message", () => {
  const next = results.next();
  parentPort?.postMessage(next.done === true ? undefined : next.value);
});
