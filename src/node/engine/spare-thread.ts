/**
 * Bulk threads, the first of which may be started ahead of its work: loading a thread's modules takes longer than
 * opening a repository, and a second core has nothing to do meanwhile.
 */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";

/** Heap of young objects of a thread; contents never lie in it. */
const YOUNG_GENERATION_MB = 8;

/** The one that was started ahead, as long as it lives. */
let early: Worker | undefined;
/** The same, until it is given work. */
let spare: Worker | undefined;

/** For a command that will read or write contents in bulk. What fails is met when the thread is taken. */
export function startSpareThread(): void {
  if (early !== undefined || process.env["SEJF_THREADS"] === "0") return;
  const worker = startThread();
  early = worker;
  spare = worker;
  const forget = (): void => {
    early = undefined;
    if (spare === worker) spare = undefined;
  };
  worker.once("error", forget);
  worker.once("exit", forget);
}

/** A bulk thread that waits to be told its work; nobody else has it, and it does not keep the process. */
export function takeThread(): Worker {
  const worker = spare ?? startThread();
  spare = undefined;
  return worker;
}

/** The thread that was started ahead, whether it has work or not. */
export function earlyThread(): Worker | undefined {
  return early;
}

function startThread(): Worker {
  // The same line finds the thread's file in the sources, in dist and beside a bundle.
  const worker = new Worker(new URL(`./bulk-worker${extname(import.meta.url)}`, import.meta.url), {
    name: "sejf-bulk",
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
  worker.unref();
  return worker;
}
