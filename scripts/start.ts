/**
 * The main job, as a new user would type it: a repository server on an embedded repository in the data folder, with a
 * first account, and the lines with which clients connect. Ctrl-C stops it; the next start finds everything again.
 *
 *     npm start                              serves on 127.0.0.1:51515
 *     npm start -- --address HOST:PORT       serves there; :PORT for all addresses of this machine
 *     npm start -- --demo [FOLDER]           also connects as the account, backs FOLDER up (default docs/), restores it
 *                                            elsewhere, compares every file; the same as a sealed account; shows what
 *                                            the operator can read of both, and ends
 *     npm start -- --data DIR …              keeps everything in DIR instead of data/ (or SEJF_DATA)
 */
import { spawnSync } from "node:child_process";
import { rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { compareTrees } from "./compare-trees.ts";
import { demonstrateSealed } from "./sealed-demo.ts";
import {
  accountEnvironment,
  accountName,
  type Places,
  placesIn,
  prepare,
  quoted,
  ROOT,
  sejf,
  type StartedServer,
  startServer,
} from "./embedded-server.ts";

const DEFAULT_ADDRESS = "127.0.0.1:51515";
/** A demonstration does not stand in the way of a server that runs. */
const DEMO_ADDRESS = "127.0.0.1:0";

interface Wanted {
  readonly at: Places;
  readonly address: string;
  /** Folder to back up; absent: only serve. */
  readonly demo: string | undefined;
}

function usage(message: string): never {
  process.stderr.write(
    `sejf: ${message}\nusage: npm start -- [--data DIR] [--address HOST:PORT] [--demo [FOLDER]]\n`,
  );
  process.exit(2);
}

function parse(): Wanted {
  const from = process.env["INIT_CWD"] ?? process.cwd();
  const options = {
    data: { type: "string" },
    address: { type: "string" },
    demo: { type: "boolean" },
  } as const;
  let parsed: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ options, allowPositionals: true });
  } catch (error) {
    usage(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  if (positionals.length > 0 && values.demo !== true)
    usage("a folder is backed up with --demo FOLDER");
  if (positionals.length > 1) usage("one folder at a time");
  const data = resolve(from, values.data ?? process.env["SEJF_DATA"] ?? join(ROOT, "data"));
  const demo = values.demo === true ? demoFolder(from, positionals[0], data) : undefined;
  const address = values.address ?? (demo === undefined ? DEFAULT_ADDRESS : DEMO_ADDRESS);
  return { at: placesIn(data), address, demo };
}

function demoFolder(from: string, given: string | undefined, data: string): string {
  const folder = given === undefined ? join(ROOT, "docs") : resolve(from, given);
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (stat === undefined) usage(`no folder ${folder}`);
  if (!stat.isDirectory()) usage(`${folder} is not a folder`);
  if (`${data}/`.startsWith(`${folder}/`))
    usage(`the data folder ${data} lies inside of ${folder}; choose another with --data`);
  return folder;
}

function connectArguments({ url, fingerprint }: StartedServer): readonly string[] {
  const { username, hostname } = accountName();
  return [
    "repository",
    "connect",
    "server",
    `--url=${url}`,
    `--server-cert-fingerprint=${fingerprint}`,
    `--override-username=${username}`,
    `--override-hostname=${hostname}`,
  ];
}

function tellHowToConnect(at: Places, server: StartedServer): void {
  const { username, hostname } = accountName();
  const words = connectArguments(server).map(quoted).join(" ");
  const password = quoted(at.accountPassword);
  const lines = [
    "",
    `address       ${server.url}`,
    `fingerprint   ${server.fingerprint}`,
    `account       ${username}@${hostname}, its password is in ${at.accountPassword}`,
    `with sejf     SEJF_PASSWORD="$(cat ${password})" bin/sejf ${words}`,
    `with kopia    kopia ${words} --password="$(cat ${password})"`,
    `more users    SEJF_CONFIG_PATH=${quoted(at.config)} SEJF_PASSWORD="$(cat ${quoted(at.repositoryPassword)})" bin/sejf server user add USER@HOST`,
    ...server.trust.map((line) =>
      line.replace(/^Who can (\w+):\s+/, (_, verb: string) => `may ${verb}`.padEnd(14)),
    ),
    `data          ${at.data}: the repository, its password (without it nobody can read the repository, you neither),`,
    `              the server's key, logs and audit log`,
    "",
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

async function serve(server: StartedServer): Promise<number> {
  process.stdout.write("Ctrl-C stops the server.\n");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => server.stop());
  return await server.ended;
}

interface SnapshotJson {
  readonly id: string;
  readonly rootEntry: {
    readonly obj: string;
    readonly summ: { readonly size: number; readonly files: number };
  };
}

function rate(bytes: number, ms: number): string {
  return `${(bytes / 1e6 / (ms / 1000)).toFixed(1)} MB/s`;
}

/** Gives how many entries are different. */
async function demonstrate(at: Places, server: StartedServer, folder: string): Promise<number> {
  const env = accountEnvironment(at);
  await sejf(env, connectArguments(server));
  await sejf(env, ["repository", "status"]);
  const backup = await sejf(env, ["snapshot", "create", folder, "--json"], { capture: true });
  const snapshot = JSON.parse(backup.stdout) as SnapshotJson;
  const { size, files } = snapshot.rootEntry.summ;
  process.stdout.write(
    `snapshot ${snapshot.id}: ${files} files, ${size} bytes, root ${snapshot.rootEntry.obj}\n`,
  );
  await sejf(env, ["snapshot", "list", folder]);
  rmSync(at.restored, { recursive: true, force: true });
  const restore = await sejf(env, ["restore", snapshot.id, at.restored]);
  const { compared, differences } = compareTrees(folder, at.restored);
  for (const difference of differences) process.stdout.write(`DIFFERENT ${difference}\n`);
  const used =
    spawnSync("du", ["-sk", at.repository], { encoding: "utf8" }).stdout?.split("\t")[0] ?? "?";
  const lines = [
    "",
    `compared      ${compared} entries (bytes, kinds, modes, owners, times, link targets): ${differences.length === 0 ? "all equal" : `${differences.length} DIFFERENT`}`,
    `backup        ${(backup.ms / 1000).toFixed(2)} s, ${rate(size, backup.ms)}, through the server`,
    `restore       ${(restore.ms / 1000).toFixed(2)} s, ${rate(size, restore.ms)}, through the server`,
    `repository    ${at.repository} (${used} KiB)`,
    `restored      ${at.restored}`,
    "",
  ];
  process.stdout.write(lines.join("\n"));
  return differences.length;
}

async function main(): Promise<number> {
  const { at, address, demo } = parse();
  await prepare(at);
  const server = await startServer(at, address);
  if (server === undefined) {
    process.stderr.write(
      `sejf: the server did not start; if the port is taken, choose another: npm start -- --address 127.0.0.1:51516\n`,
    );
    return 1;
  }
  tellHowToConnect(at, server);
  if (demo === undefined) return await serve(server);
  try {
    const different = await demonstrate(at, server, demo);
    const wrong = await demonstrateSealed(at, server, demo);
    return different + wrong === 0 ? 0 : 1;
  } finally {
    server.stop();
    await server.ended;
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`sejf: ${message}; what was done before it is kept\n`);
  process.exitCode = 1;
}
