/** Functions measured as bytes a second, and the same figures as a real kopia reports them. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { do_not_optimize, measure } from "mitata";

/** One function over some bytes. */
export interface ThroughputCase {
  readonly name: string;
  /** Bytes it works through at each call. */
  readonly bytes: number;
  readonly run: () => unknown;
}

const CPU_TIME_NS = 3e8;

/** Measures all and prints a table, in GB/s; `kopia` has what that program says of the same name. */
export async function printThroughput(
  cases: readonly ThroughputCase[],
  kopia: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  const rows = [];
  for (const { name, bytes, run } of cases) {
    const stats = await measure(() => do_not_optimize(run()), { min_cpu_time: CPU_TIME_NS });
    const row = {
      name,
      "GB/s (best)": round(bytes / stats.min),
      "GB/s (median)": round(bytes / stats.p50),
      "µs (median)": round(stats.p50 / 1000),
    };
    rows.push(kopia.size === 0 ? row : { ...row, kopia: kopia.get(name) ?? "" });
  }
  console.table(rows);
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

/**
 * What `kopia benchmark …` reports by algorithm, where `KOPIA_EXE` names the program; else empty. `pattern` finds
 * the name and the figure in a line.
 */
export function kopiaBenchmark(
  args: readonly string[],
  pattern: RegExp,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const program = process.env["KOPIA_EXE"];
  if (program === undefined || program === "") return found;
  const folder = mkdtempSync(join(tmpdir(), "sejf-bench-"));
  try {
    const env = {
      ...process.env,
      KOPIA_CACHE_DIRECTORY: folder,
      KOPIA_LOG_DIR: folder,
      KOPIA_CHECK_FOR_UPDATES: "false",
    };
    const config = `--config-file=${join(folder, "kopia.config")}`;
    const output = execFileSync(program, [config, "benchmark", ...args], {
      env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    for (const line of output.split("\n")) {
      const [, name, figure] = pattern.exec(line) ?? [];
      if (name !== undefined && figure !== undefined)
        found.set(name, figure.replaceAll(/\s+/g, " "));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return found;
}
