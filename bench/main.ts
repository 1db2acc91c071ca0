/**
 * The main job beside a real kopia, whole commands on equal data, both programs in turn in one run.
 *
 *     npm run bench -- [--only TEXT] [--rounds N] [--defaults | --equal] [--markdown FILE]
 *
 * Needs a kopia as `KOPIA_EXE` or on the PATH. Data sets are made once below `SEJF_BENCH_DATA`, repositories and
 * restored trees lie below `SEJF_BENCH_WORK` (default: the system's temporary folder). Trees on a disk are removed at
 * the end of all: a file system that has just lost 100,000 files makes the next ones slowly. Nothing of an earlier run
 * is left to be written when the next one begins.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { KOPIA_EXE } from "../src/testkit/kopia.ts";
import { type DatasetName, dataset, mutatedDataset } from "./datasets.ts";
import { createFloor } from "./floor.ts";
import {
  type Measurement,
  runProgram,
  type SnapshotMeasurement,
  snapshotOf,
} from "./run-program.ts";
import { best, chosenSetups, frozenSejf, type Setup, settle, warm } from "./whole-commands.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string", default: "3" },
    defaults: { type: "boolean", default: false },
    equal: { type: "boolean", default: false },
    markdown: { type: "string" },
  },
});
const ROUNDS = Number(options.rounds);
const WORK = process.env["SEJF_BENCH_WORK"] ?? tmpdir();

interface Program {
  readonly name: "sejf" | "kopia";
  readonly exe: string;
  /** Before the command's own arguments. */
  readonly args: readonly string[];
}

/** One installation: configuration, cache, logs and repository in a folder of its own. */
class Client {
  readonly program: Program;
  readonly folder: string;
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor(program: Program) {
    this.program = program;
    this.folder = mkdtempSync(join(WORK, `sejf-bench-${program.name}-`));
    this.#env = {
      PATH: process.env["PATH"],
      HOME: this.folder,
      KOPIA_PASSWORD: "benchmark",
      KOPIA_CONFIG_PATH: join(this.folder, "repository.config"),
      KOPIA_CACHE_DIRECTORY: join(this.folder, "cache"),
      KOPIA_LOG_DIR: join(this.folder, "logs"),
      KOPIA_CHECK_FOR_UPDATES: "false",
      SEJF_THREADS: process.env["SEJF_THREADS"],
    };
  }

  async run(...args: readonly string[]): Promise<Measurement> {
    const { exe, args: first } = this.program;
    return await runProgram(exe, [...first, ...args], this.#env);
  }

  async create(setup: Setup, compression: string | undefined): Promise<void> {
    await this.run(
      "repository",
      "create",
      "filesystem",
      `--path=${join(this.folder, "repository")}`,
      ...setup.create,
    );
    if (compression !== undefined)
      await this.run("policy", "set", "--global", `--compression=${compression}`);
  }

  /** `as`: the source under which it is stored, where that is not the path itself. */
  async snapshot(path: string, as?: string): Promise<SnapshotMeasurement> {
    const measured = await this.run(
      "snapshot",
      "create",
      path,
      "--json",
      "--no-progress",
      "--no-auto-maintenance",
      "--no-send-snapshot-report",
      ...(as === undefined ? [] : [`--override-source=${as}`]),
    );
    return snapshotOf(measured);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface Row {
  readonly run: string;
  readonly setup: string;
  readonly sejf: readonly Measurement[];
  readonly kopia: readonly Measurement[];
  readonly note?: string | undefined;
}

const rows: Row[] = [];

function wanted(name: string): boolean {
  return options.only === undefined || name.includes(options.only);
}

/** Both programs on one data set: first run, unchanged run, restore to a disk and to memory, verification. */
async function scenario(name: DatasetName, setup: Setup, compression?: string): Promise<void> {
  const data = dataset(name);
  const changed = mutatedDataset(name);
  const results = new Map<
    string,
    { readonly sejf: Measurement[]; readonly kopia: Measurement[]; note?: string }
  >();
  const note = (run: string, program: Program, measured: Measurement): void => {
    const row = results.get(run) ?? { sejf: [], kopia: [] };
    results.set(run, row);
    row[program.name].push(measured);
    process.stderr.write(
      `${data.name} ${run} ${program.name}: ${(measured.wallMs / 1000).toFixed(2)} s, ${(measured.cpuMs / 1000).toFixed(2)} s CPU, ${(measured.peakBytes / 2 ** 20).toFixed(0)} MiB\n`,
    );
  };
  for (const { path } of [data, changed]) await warm(path);
  for (let round = 0; round < ROUNDS; round++) {
    for (const program of round % 2 === 0 ? PROGRAMS : PROGRAMS.toReversed()) {
      const client = new Client(program);
      try {
        await client.create(setup, compression);
        await settle(WORK);
        const first = await client.snapshot(data.path);
        note("first", program, first);
        if (name === "small") note("unchanged", program, await client.snapshot(data.path));
        await settle(WORK);
        note("changed", program, await client.snapshot(changed.path, data.path));
        note("restore to a disk", program, await restore(client, first.id, WORK));
        if (name === "small")
          note("restore to memory", program, await restore(client, first.id, "/dev/shm"));
        note(
          "verify everything",
          program,
          await client.run("snapshot", "verify", "--verify-files-percent=100"),
        );
      } finally {
        client.remove();
      }
    }
    if (name === "small") {
      const target = mkdtempSync(join(WORK, "sejf-bench-floor-"));
      trees.push(target);
      await settle(WORK);
      floors.push(await createFloor(data.path, join(target, "tree")));
    }
  }
  for (const [run, row] of results) {
    rows.push({
      run: `${run}, ${data.description}${compression === undefined ? "" : `, ${compression}`}`,
      setup: setup.name,
      ...row,
    });
  }
}

const floors: number[] = [];
/** To be removed at the end. */
const trees: string[] = [];

async function restore(client: Client, id: string, below: string): Promise<Measurement> {
  const target = mkdtempSync(join(below, "sejf-bench-restored-"));
  const inMemory = below !== WORK;
  if (!inMemory) trees.push(target);
  await settle(WORK);
  try {
    return await client.run("restore", id, join(target, "tree"), "--no-progress");
  } finally {
    if (inMemory) rmSync(target, { recursive: true, force: true });
  }
}

function table(): string {
  const lines = [
    "| run | parameters | sejf | kopia | wall sejf : kopia | CPU sejf : kopia | memory sejf : kopia |",
    "|---|---|---|---|---|---|---|",
  ];
  for (const row of rows) {
    const [wall, cpu] = [(m: Measurement) => m.wallMs, (m: Measurement) => m.cpuMs];
    const peak = (list: readonly Measurement[]): number =>
      Math.max(...list.map((measured) => measured.peakBytes)) / 2 ** 20;
    lines.push(
      `| ${row.run} | ${row.setup} | ${(best(row.sejf, wall) / 1000).toFixed(2)} s | ${(best(row.kopia, wall) / 1000).toFixed(2)} s | **${(best(row.sejf, wall) / best(row.kopia, wall)).toFixed(2)}** | ${(best(row.sejf, cpu) / best(row.kopia, cpu)).toFixed(2)} | ${peak(row.sejf).toFixed(0)} : ${peak(row.kopia).toFixed(0)} MiB |`,
    );
  }
  if (floors.length > 0) {
    const floor = Math.min(...floors);
    const restored = rows.filter(
      ({ run }) => run.startsWith("restore to a disk") && run.includes("100,000"),
    );
    const ratios = restored.map(({ sejf }) => (best(sejf, (m) => m.wallMs) / floor).toFixed(2));
    lines.push(
      "",
      `Floor of the small files' restore to a disk (two threads that create the same files, nothing else): ${(floor / 1000).toFixed(2)} s; sejf : floor ${ratios.join(", ")}.`,
    );
  }
  return lines.join("\n");
}

async function heading(): Promise<string> {
  const [sejf, kopia] = await Promise.all(
    PROGRAMS.map(({ exe, args }) => runProgram(exe, [...args, "--version"], process.env)),
  );
  return `sejf ${sejf?.stdout.trim()}, kopia ${kopia?.stdout.trim()}, Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "?"}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; best of ${ROUNDS}, both programs in turn, warm cache.`;
}

if (KOPIA_EXE === undefined) {
  process.stderr.write(
    "bench: no kopia on the PATH and KOPIA_EXE is not set: there is nothing to compare with\n",
  );
  process.exit(1);
}
const PROGRAMS: readonly Program[] = [
  { name: "sejf", ...(await frozenSejf()) },
  { name: "kopia", exe: KOPIA_EXE, args: [] },
];
mkdirSync(WORK, { recursive: true });
const setups = chosenSetups(options);
try {
  for (const setup of setups) {
    if (wanted("random")) await scenario("random", setup);
    if (wanted("log")) await scenario("log", setup, "zstd-fastest");
    if (wanted("small")) await scenario("small", setup);
    if (wanted("disk")) await scenario("disk", setup);
  }
} finally {
  for (const tree of trees) rmSync(tree, { recursive: true, force: true });
}
const report = `${await heading()}\n\n${table()}\n`;
process.stdout.write(`${report}`);
if (options.markdown !== undefined) writeFileSync(options.markdown, report);
