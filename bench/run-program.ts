/** Runs a program to its end and measures it from outside: wall time, CPU time and peak memory, as Linux counts them. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Measurement {
  readonly wallMs: number;
  /** User and system time of the process, threads included; last seen up to 10 ms before its end. */
  readonly cpuMs: number;
  readonly peakBytes: number;
  readonly stdout: string;
}

/** A run of `snapshot create --json`. */
export type SnapshotMeasurement = Measurement & { readonly id: string };

export function snapshotOf(measured: Measurement): SnapshotMeasurement {
  return { ...measured, id: (JSON.parse(measured.stdout) as { readonly id: string }).id };
}

const POLL_MS = 10;
const TICK_MS = 10;

/** @throws Error with the program's own words when it fails. */
export async function runProgram(
  exe: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<Measurement> {
  const begun = performance.now();
  const child = spawn(exe, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let cpuMs = 0;
  let peakBytes = 0;
  const poll = (): void => {
    const seen = child.pid === undefined ? undefined : readProcess(child.pid);
    if (seen === undefined) return;
    cpuMs = Math.max(cpuMs, seen.cpuMs);
    peakBytes = Math.max(peakBytes, seen.peakBytes);
  };
  const timer = setInterval(poll, POLL_MS);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (bytes: Buffer) => out.push(bytes));
  child.stderr.on("data", (bytes: Buffer) => err.push(bytes));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  clearInterval(timer);
  const wallMs = performance.now() - begun;
  if (code !== 0) {
    throw new Error(
      `${exe} ${args.join(" ")}: exit status ${code}\n${Buffer.concat(err).toString()}`,
    );
  }
  return { wallMs, cpuMs, peakBytes, stdout: Buffer.concat(out).toString() };
}

/** CPU time and peak memory of a process so far; `undefined` when it has ended. */
export function readProcess(
  pid: number,
): { readonly cpuMs: number; readonly peakBytes: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
    return { cpuMs: ticks * TICK_MS, peakBytes: Number(peak?.[1] ?? 0) * 1024 };
  } catch {
    return undefined;
  }
}
