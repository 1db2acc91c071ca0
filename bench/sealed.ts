/**
 * Sealed accounts beside managed ones of the same program: whole commands over a repository in a folder, in turn, on equal
 * data; then what a second member of a group adds, and what the lists of contents cost.
 *
 *     npm run bench:sealed -- [--only TEXT] [--rounds N] [--markdown FILE]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type DatasetName, dataset } from "./datasets.ts";
import {
  type Measurement,
  runProgram,
  type SnapshotMeasurement,
  snapshotOf,
} from "./run-program.ts";
import { type ListCost, listCost, secondMember } from "./sealed-storage.ts";
import { best, frozenSejf, settle, warm } from "./whole-commands.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string", default: "3" },
    markdown: { type: "string" },
  },
});
const ROUNDS = Number(options.rounds);
const WORK = process.env["SEJF_BENCH_WORK"] ?? tmpdir();
const MODES = ["managed", "sealed"] as const;

type Mode = (typeof MODES)[number];

/** One connection: configuration, cache, logs and repository in a folder of its own. */
class Client {
  readonly mode: Mode;
  readonly folder: string;
  readonly #sejf: Awaited<ReturnType<typeof frozenSejf>>;

  constructor(mode: Mode, sejf: Awaited<ReturnType<typeof frozenSejf>>) {
    this.mode = mode;
    this.#sejf = sejf;
    this.folder = mkdtempSync(join(WORK, `sejf-bench-${mode}-`));
  }

  async run(...args: readonly string[]): Promise<Measurement> {
    return await runProgram(this.#sejf.exe, [...this.#sejf.args, ...args], {
      PATH: process.env["PATH"],
      HOME: this.folder,
      KOPIA_PASSWORD: "benchmark",
      SEJF_ACCOUNT_PASSWORD: "benchmark of an account",
      KOPIA_CONFIG_PATH: join(this.folder, "repository.config"),
      KOPIA_CACHE_DIRECTORY: join(this.folder, "cache"),
      KOPIA_LOG_DIR: join(this.folder, "logs"),
      SEJF_THREADS: process.env["SEJF_THREADS"],
    });
  }

  /** The compression is the policy of the path: there is none for all that a sealed account could set. */
  async create(path: string, compression: string | undefined): Promise<void> {
    const place = `--path=${join(this.folder, "repository")}`;
    await this.run("repository", "create", "filesystem", place);
    if (this.mode === "sealed")
      await this.run(
        "repository",
        "connect",
        "filesystem",
        place,
        "--sealed=bench@sejf",
        "--no-recovery-kit",
        // Reading asks for the password otherwise, which is a second of Argon2 that has nothing to do with the data.
        "--remember-key",
      );
    if (compression !== undefined)
      await this.run("policy", "set", path, `--compression=${compression}`);
    // The first command of a connection derives the repository's key, and keeps it: not a part of sealing.
    await this.run("repository", "status");
  }

  async snapshot(path: string): Promise<SnapshotMeasurement> {
    const measured = await this.run(
      "snapshot",
      "create",
      path,
      "--json",
      "--no-progress",
      "--no-auto-maintenance",
    );
    return snapshotOf(measured);
  }
}

interface Row {
  readonly run: string;
  readonly results: Readonly<Record<Mode, Measurement[]>>;
}

const rows = new Map<string, Row>();
/** To be removed at the end: a file system that has just lost many files makes the next ones slowly. */
const folders: string[] = [];

function note(run: string, mode: Mode, measured: Measurement): void {
  const row = rows.get(run) ?? { run, results: { managed: [], sealed: [] } };
  rows.set(run, row);
  row.results[mode].push(measured);
  const { wallMs, cpuMs } = measured;
  process.stderr.write(
    `${run}, ${mode}: ${(wallMs / 1000).toFixed(2)} s, ${(cpuMs / 1000).toFixed(2)} s CPU\n`,
  );
}

async function scenario(name: DatasetName, compression?: string): Promise<void> {
  const { path, description } = dataset(name);
  const what = compression === undefined ? description : `${description}, ${compression}`;
  await warm(path);
  for (let round = 0; round < ROUNDS; round++)
    for (const mode of round % 2 === 0 ? MODES : MODES.toReversed()) {
      const client = new Client(mode, sejf);
      folders.push(client.folder);
      await client.create(path, compression);
      await settle(WORK);
      const first = await client.snapshot(path);
      note(`first, ${what}`, mode, first);
      if (name === "random") {
        const rested = mode === "sealed" ? first : await leavingOneCore(path, compression);
        note(`first, the managed one leaving one core free, ${what}`, mode, rested);
      }
      await settle(WORK);
      note(`unchanged, ${what}`, mode, await client.snapshot(path));
      const target = join(client.folder, "restored");
      await settle(WORK);
      note(
        `restore, ${what}`,
        mode,
        await client.run("restore", first.id, target, "--no-progress"),
      );
      const all = "--verify-files-percent=100";
      note(`verify everything, ${what}`, mode, await client.run("snapshot", "verify", all));
      if (name !== "small") rmSync(client.folder, { recursive: true, force: true });
    }
}

/** A managed backup on all processors but one. */
async function leavingOneCore(
  path: string,
  compression: string | undefined,
): Promise<SnapshotMeasurement> {
  const most = `0-${Math.max(0, cpus().length - 2)}`;
  const client = new Client("managed", {
    exe: "taskset",
    args: ["--cpu-list", most, sejf.exe, ...sejf.args],
  });
  folders.push(client.folder);
  await client.create(path, compression);
  await settle(WORK);
  const measured = await client.snapshot(path);
  rmSync(client.folder, { recursive: true, force: true });
  return measured;
}

function table(): string {
  const lines = [
    "| run | managed | sealed | wall sealed : managed | CPU sealed : managed | memory managed : sealed |",
    "|---|---|---|---|---|---|",
  ];
  for (const { run, results } of rows.values()) {
    const { managed, sealed } = results;
    const seconds = (list: readonly Measurement[], value: (m: Measurement) => number): number =>
      best(list, value) / 1000;
    const [wall, cpu] = [(m: Measurement) => m.wallMs, (m: Measurement) => m.cpuMs];
    const ratio = (value: (m: Measurement) => number): string =>
      (best(sealed, value) / best(managed, value)).toFixed(2);
    const peak = (list: readonly Measurement[]): string =>
      (Math.max(...list.map(({ peakBytes }) => peakBytes)) / 2 ** 20).toFixed(0);
    lines.push(
      `| ${run} | ${seconds(managed, wall).toFixed(2)} s, ${seconds(managed, cpu).toFixed(2)} s CPU | ${seconds(sealed, wall).toFixed(2)} s, ${seconds(sealed, cpu).toFixed(2)} s CPU | **${ratio(wall)}** | ${ratio(cpu)} | ${peak(managed)} : ${peak(sealed)} MiB |`,
    );
  }
  return lines.join("\n");
}

async function storage(): Promise<string> {
  const lines: string[] = [];
  for (const name of ["random", "small"] as const) {
    if (!wanted(name)) continue;
    const { path, description } = dataset(name);
    const folder = mkdtempSync(join(WORK, "sejf-bench-group-"));
    folders.push(folder);
    const { firstBytes, secondBytes, configFile } = await secondMember(folder, path);
    const percent = ((100 * secondBytes) / firstBytes).toFixed(2);
    const { contents, listBytes }: ListCost = await listCost(configFile);
    lines.push(
      `- ${description}: the first member stores ${(firstBytes / 1e6).toFixed(1)} MB, a second one adds ${(secondBytes / 1e6).toFixed(2)} MB (**${percent} %**); \`contents/\` takes **${(listBytes / contents).toFixed(1)} bytes** for each of ${contents} contents`,
    );
  }
  return lines.join("\n");
}

function wanted(name: string): boolean {
  return options.only === undefined || name.includes(options.only);
}

const sejf = await frozenSejf();
mkdirSync(WORK, { recursive: true });
try {
  if (wanted("random")) await scenario("random");
  if (wanted("log")) await scenario("log", "zstd-fastest");
  if (wanted("small")) await scenario("small");
  const machine = `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "?"}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; best of ${ROUNDS}, in turn, warm cache.`;
  const report = `${machine}\n\n${table()}\n\n${await storage()}\n`;
  process.stdout.write(report);
  if (options.markdown !== undefined) writeFileSync(options.markdown, report);
} finally {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
