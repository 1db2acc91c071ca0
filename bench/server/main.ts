/**
 * Clients and servers beside a real kopia's, whole commands on equal data, all pairs in turn in one run.
 *
 *     npm run bench:server -- [--only TEXT] [--rounds N] [--defaults | --equal] [--markdown FILE]
 *
 * Pairs are named client-server. Needs a kopia as `KOPIA_EXE` or on the PATH; `SEJF_BENCH_EXE` is another sejf than
 * the checkout's. Data sets lie below `SEJF_BENCH_DATA`, all else below `SEJF_BENCH_WORK`.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { KOPIA_EXE, SEJF_EXE } from "../../src/testkit/kopia.ts";
import { type DatasetName, dataset } from "../datasets.ts";
import { chosenSetups, type Setup, settle, warm } from "../whole-commands.ts";
import { crowd } from "./crowd.ts";
import { BenchClient, BenchServer, type Program, WORK } from "./parties.ts";
import { DelayingRelay } from "./relay.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string", default: "2" },
    pairs: { type: "string" },
    defaults: { type: "boolean", default: false },
    equal: { type: "boolean", default: false },
    markdown: { type: "string" },
  },
});
if (KOPIA_EXE === undefined) throw new Error("no kopia on the PATH, and KOPIA_EXE is not set");
const SEJF: Program = { name: "sejf", exe: process.env["SEJF_BENCH_EXE"] ?? SEJF_EXE };
const KOPIA: Program = { name: "kopia", exe: KOPIA_EXE };
const USER = "bench@client";
const ROUND_TRIP_MS = 20;

interface Pair {
  readonly name: string;
  readonly client: Program;
  readonly server: Program;
}

const ALL_PAIRS: readonly Pair[] = [SEJF, KOPIA].flatMap((client) =>
  [SEJF, KOPIA].map((server) => ({ name: `${client.name}-${server.name}`, client, server })),
);
const PAIRS = ALL_PAIRS.filter(({ name }) => options.pairs?.split(",").includes(name) ?? true);

interface Figure {
  readonly wallMs: number;
  readonly clientCpuMs: number;
  readonly serverCpuMs: number;
  readonly clientPeakBytes: number;
  readonly serverPeakBytes: number;
}

/** By run, then by pair: the best round. */
const figures = new Map<string, Map<string, Figure>>();
const lines: string[] = [];

function wanted(name: string): boolean {
  return options.only === undefined || name.includes(options.only);
}

function note(run: string, pair: Pair, figure: Figure): void {
  const row = figures.get(run) ?? new Map<string, Figure>();
  figures.set(run, row);
  const before = row.get(pair.name);
  if (before === undefined || figure.wallMs < before.wallMs) row.set(pair.name, figure);
  process.stderr.write(
    `${run} ${pair.name}: ${seconds(figure.wallMs)}, CPU client ${seconds(figure.clientCpuMs)} server ${seconds(figure.serverCpuMs)}, memory ${mebibytes(figure.clientPeakBytes)} and ${mebibytes(figure.serverPeakBytes)}\n`,
  );
}

/** First snapshot, unchanged, restore; `relayMs` 0: no relay. */
async function scenario(
  name: DatasetName,
  pair: Pair,
  setup: Setup,
  relayMs: number,
): Promise<void> {
  const data = dataset(name);
  await warm(data.path);
  await using server = await BenchServer.start(pair.server, [USER], setup);
  await using relay = relayMs === 0 ? undefined : await DelayingRelay.start(server.port, relayMs);
  using client = await BenchClient.connect(pair.client, server, USER, relay?.port);
  const suffix = `${data.description}, ${setup.name}${relayMs === 0 ? "" : `, ${relayMs} ms of round trip`}`;
  const measured = async <T extends { wallMs: number; cpuMs: number; peakBytes: number }>(
    run: string,
    work: () => Promise<T>,
  ): Promise<T> => {
    await settle(WORK);
    const before = server.use();
    const result = await work();
    const after = server.use();
    note(`${run}, ${suffix}`, pair, {
      wallMs: result.wallMs,
      clientCpuMs: result.cpuMs,
      serverCpuMs: after.cpuMs - before.cpuMs,
      clientPeakBytes: result.peakBytes,
      serverPeakBytes: after.peakBytes,
    });
    return result;
  };
  const { id } = await measured("first", () => client.snapshot(data.path));
  if (name === "small") await measured("unchanged", () => client.snapshot(data.path));
  client.clearCache();
  await measured("restore", () => client.restore(id));
}

function table(): string {
  const heads = PAIRS.map(({ name }) => name);
  const rows = [
    `| run | ${heads.join(" | ")} | server CPU | server memory |`,
    `|---|${"---|".repeat(heads.length)}---|---|`,
  ];
  for (const [run, row] of figures) {
    const reference = row.get("kopia-kopia")?.wallMs;
    const cells = heads.map((name) => {
      const figure = row.get(name);
      if (figure === undefined) return "";
      const ratio = reference === undefined ? "" : ` (${(figure.wallMs / reference).toFixed(2)})`;
      return `${seconds(figure.wallMs)}${ratio}`;
    });
    const all = heads.map((name) => row.get(name));
    const cpu = all.map((figure) => (figure === undefined ? "–" : seconds(figure.serverCpuMs)));
    const memory = all.map((figure) =>
      figure === undefined ? "–" : mebibytes(figure.serverPeakBytes),
    );
    rows.push(`| ${run} | ${cells.join(" | ")} | ${cpu.join(", ")} | ${memory.join(", ")} |`);
  }
  return [...rows, "", ...lines].join("\n");
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

const setups = chosenSetups(options);
for (const setup of setups) {
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const pair of round % 2 === 0 ? PAIRS : PAIRS.toReversed()) {
      if (wanted("random")) await scenario("random", pair, setup, 0);
      if (wanted("small")) await scenario("small", pair, setup, 0);
    }
  }
}
for (const pair of PAIRS) {
  if (wanted("relay")) await scenario("random", pair, setups[0], ROUND_TRIP_MS);
}
for (const pair of PAIRS) {
  for (const data of ["distinct", "identical"] as const)
    if (wanted("crowd")) lines.push(await crowd(pair, data, setups[0]));
}
const heading = `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "?"}; wall time of the best of ${options.rounds} rounds, pairs are client-server, in brackets the ratio to kopia's own pair.`;
const report = `${heading}\n\n${table()}\n`;
process.stdout.write(report);
if (options.markdown !== undefined) writeFileSync(options.markdown, report);
