/** What the benchmarks of whole commands have in common. */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { SEJF_EXE } from "../src/testkit/kopia.ts";
import { type Measurement, runProgram } from "./run-program.ts";

/** What is written and removed so that a virtual machine has memory for its page cache. */
const WARM_BYTES = 2_000_000_000;

/** A program and what comes before a command's own arguments. */
export interface Executable {
  readonly exe: string;
  readonly args: readonly string[];
}

/** What a repository is created with. */
export interface Setup {
  readonly name: string;
  readonly create: readonly string[];
}

const EQUAL: Setup = {
  name: "equal parameters (BLAKE2B-256-128)",
  create: [
    "--block-hash=BLAKE2B-256-128",
    "--encryption=AES256-GCM-HMAC-SHA256",
    "--object-splitter=DYNAMIC-4M-BUZHASH",
  ],
};
const DEFAULTS: Setup = { name: "each with its defaults", create: [] };

/** What `--equal` and `--defaults` choose; both without either. */
export function chosenSetups(options: {
  readonly equal: boolean;
  readonly defaults: boolean;
}): readonly [Setup, ...Setup[]] {
  if (options.equal) return [EQUAL];
  return options.defaults ? [DEFAULTS] : [EQUAL, DEFAULTS];
}

/** The bundle that the launcher runs now: it would bundle anew, in the measured time, when a source changes. */
export async function frozenSejf(): Promise<Executable> {
  await runProgram(SEJF_EXE, ["--version"], process.env);
  const folder = join(import.meta.dirname, "..", "dist", "bundle");
  const bundle = /import\("\.\/(.+)"\)/.exec(readFileSync(join(folder, "main.js"), "utf8"))?.[1];
  if (bundle === undefined) throw new Error(`${folder}/main.js names no bundle`);
  const flags = /exec "\$node" (\S+) "\$bundle"/.exec(readFileSync(SEJF_EXE, "utf8"))?.[1];
  return {
    exe: process.execPath,
    args: [...(flags === undefined ? [] : [flags]), join(folder, bundle)],
  };
}

/**
 * What earlier runs have written is on the disk, and the system has free memory: a virtual machine gives what it does
 * not use back to its host, and the next one to fill the page cache pays for it, up to a second a gigabyte.
 */
export async function settle(folder: string): Promise<void> {
  await runProgram("sync", [], { PATH: process.env["PATH"] });
  const file = join(folder, "sejf-bench-warm");
  const open = openSync(file, "w");
  try {
    const block = Buffer.alloc(1 << 22, 1);
    for (let at = 0; at < WARM_BYTES; at += block.length) writeSync(open, block);
  } finally {
    closeSync(open);
    rmSync(file);
  }
}

/** All files are in the page cache. */
export async function warm(path: string): Promise<void> {
  await runProgram("sh", ["-c", 'find "$0" -type f -exec cat {} + >/dev/null', path], {
    PATH: process.env["PATH"],
  });
}

export function best(
  list: readonly Measurement[],
  value: (measured: Measurement) => number,
): number {
  return Math.min(...list.map(value));
}
