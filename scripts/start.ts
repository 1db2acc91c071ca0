/**
 * The main job, as a new user would type it: an embedded repository under the data folder, a backup of FOLDER,
 * a listing, a restore beside it, and a comparison of every file. Each command is printed before it runs.
 *
 *     npm start                    backs up the project's own docs/
 *     npm start -- FOLDER          backs up FOLDER
 *     npm start -- --data DIR …    keeps everything in DIR instead of data/ (or SEJF_DATA)
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { compareTrees } from "./compare-trees.ts";

const ROOT = join(import.meta.dirname, "..");
const SEJF = join(ROOT, "bin", "sejf");

interface Places {
  readonly data: string;
  readonly repository: string;
  readonly config: string;
  readonly passwordFile: string;
  readonly restored: string;
}

function places(data: string): Places {
  return {
    data,
    repository: join(data, "repository"),
    config: join(data, "repository.config"),
    passwordFile: join(data, "password"),
    restored: join(data, "restored"),
  };
}

function usage(message: string): never {
  process.stderr.write(`sejf: ${message}\nusage: npm start -- [--data DIR] [FOLDER]\n`);
  process.exit(2);
}

function parse(): { readonly folder: string; readonly places: Places } {
  const from = process.env["INIT_CWD"] ?? process.cwd();
  let parsed: { values: { data?: string | undefined }; positionals: string[] };
  try {
    parsed = parseArgs({ allowPositionals: true, options: { data: { type: "string" } } });
  } catch (error) {
    usage(error instanceof Error ? error.message : String(error));
  }
  if (parsed.positionals.length > 1) usage("one folder at a time");
  const data = resolve(from, parsed.values.data ?? process.env["SEJF_DATA"] ?? join(ROOT, "data"));
  const folder =
    parsed.positionals[0] === undefined ? join(ROOT, "docs") : resolve(from, parsed.positionals[0]);
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (stat === undefined) usage(`no folder ${folder}`);
  if (!stat.isDirectory()) usage(`${folder} is not a folder`);
  if (`${data}/`.startsWith(`${folder}/`))
    usage(`the data folder ${data} lies inside of ${folder}; choose another with --data`);
  return { folder, places: places(data) };
}

/** The password of the embedded repository, made once: 128 random bits, kept in a file that only the user can read. */
function embeddedPassword(file: string): string {
  if (!existsSync(file))
    writeFileSync(file, `${randomBytes(16).toString("base64url")}\n`, { mode: 0o600 });
  return readFileSync(file, "utf8").trim();
}

function environment(at: Places): NodeJS.ProcessEnv {
  return {
    ...process.env,
    KOPIA_CONFIG_PATH: at.config,
    KOPIA_CACHE_DIRECTORY: join(at.data, "cache"),
    KOPIA_LOG_DIR: join(at.data, "logs"),
    SEJF_PASSWORD: embeddedPassword(at.passwordFile),
  };
}

function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

/** Runs sejf; its output goes to the terminal, or is returned. Ends the program when the command fails. */
function sejf(
  at: Places,
  args: readonly string[],
  capture = false,
): { readonly stdout: string; readonly ms: number } {
  process.stdout.write(`\n$ bin/sejf ${args.map(quoted).join(" ")}\n`);
  const begun = performance.now();
  const result = spawnSync(SEJF, args, {
    env: environment(at),
    stdio: ["inherit", capture ? "pipe" : "inherit", "inherit"],
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0 && result.status !== 3) {
    process.stderr.write(
      `sejf: the command above failed; what was done before it is kept in ${at.data}\n`,
    );
    process.exit(result.status ?? 1);
  }
  return { stdout: result.stdout ?? "", ms: performance.now() - begun };
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

function main(): void {
  const { folder, places: at } = parse();
  mkdirSync(at.data, { recursive: true, mode: 0o700 });
  if (!existsSync(join(at.repository, "kopia.repository.f"))) {
    mkdirSync(at.repository, { recursive: true, mode: 0o700 });
    sejf(at, ["repository", "create", "filesystem", "--path", at.repository]);
  } else if (!existsSync(at.config)) {
    sejf(at, ["repository", "connect", "filesystem", "--path", at.repository]);
  }

  const backup = sejf(at, ["snapshot", "create", folder, "--json"], true);
  const snapshot = JSON.parse(backup.stdout) as SnapshotJson;
  const { size, files } = snapshot.rootEntry.summ;
  process.stdout.write(
    `snapshot ${snapshot.id}: ${files} files, ${size} bytes, root ${snapshot.rootEntry.obj}\n`,
  );
  sejf(at, ["snapshot", "list", folder]);
  rmSync(at.restored, { recursive: true, force: true });
  const restore = sejf(at, ["restore", snapshot.id, at.restored]);

  const { compared, differences } = compareTrees(folder, at.restored);
  for (const difference of differences) process.stdout.write(`DIFFERENT ${difference}\n`);
  const used =
    spawnSync("du", ["-sk", at.repository], { encoding: "utf8" }).stdout?.split("\t")[0] ?? "?";
  const lines = [
    "",
    `compared      ${compared} entries (bytes, kinds, modes, owners, times, link targets): ${differences.length === 0 ? "all equal" : `${differences.length} DIFFERENT`}`,
    `backup        ${(backup.ms / 1000).toFixed(2)} s, ${rate(size, backup.ms)}`,
    `restore       ${(restore.ms / 1000).toFixed(2)} s, ${rate(size, restore.ms)}`,
    `repository    ${at.repository} (${used} KiB)`,
    `restored      ${at.restored}`,
    `password      in ${at.passwordFile}: without it nobody can read the repository, you neither`,
    `settings      ${at.config}; logs in ${join(at.data, "logs")}`,
    `with sejf     KOPIA_CONFIG_PATH=${quoted(at.config)} bin/sejf snapshot list`,
    `with kopia    kopia --config-file ${quoted(join(at.data, "kopia.config"))} repository connect filesystem --path ${quoted(at.repository)} --password "$(cat ${quoted(at.passwordFile)})"`,
    "",
  ];
  process.stdout.write(lines.join("\n"));
  process.exitCode = differences.length === 0 ? 0 : 1;
}

main();
