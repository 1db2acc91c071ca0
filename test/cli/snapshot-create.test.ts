/** `snapshot create` when things go wrong, are stopped, or come from elsewhere; beside kopia where it says what is right. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { chmod, mkdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import {
  type CommandClient,
  type CommandResult,
  KOPIA_EXE,
  KOPIA_SKIP,
  openKopia,
  runCommand,
} from "../../src/testkit/kopia.ts";
import { openSources, type SourcesClient } from "./support.ts";

interface Entry {
  readonly name: string;
  readonly type: string;
  readonly mode?: string;
  readonly mtime?: string;
  readonly size?: number;
  readonly obj: string;
  readonly summ: {
    readonly size: number;
    readonly files: number;
    readonly numFailed: number;
    readonly numIgnoredErrors?: number;
    readonly incomplete?: string;
    readonly errors?: readonly { readonly path: string }[];
  };
}

interface Manifest {
  readonly id: string;
  readonly source: { readonly path: string };
  readonly incomplete?: string;
  readonly rootEntry: Entry;
  readonly stats: Readonly<Record<string, number>>;
}

async function list(client: SourcesClient | CommandClient): Promise<readonly Manifest[]> {
  return await client.json<readonly Manifest[]>(["snapshot", "list", "--all", "--json"]);
}

async function withRepository(sejf: SourcesClient): Promise<void> {
  await sejf.ok(["repository", "create", "filesystem", "--path", join(sejf.home, "repo")]);
}

async function connected(sejf: SourcesClient, kopia: CommandClient): Promise<void> {
  await kopia.ok(["repository", "connect", "filesystem", "--path", join(sejf.home, "repo")]);
}

const SETPRIV = "/usr/bin/setpriv";
/** Root without the right to read everything. */
const DROP: readonly string[] = [
  "--bounding-set=-dac_override,-dac_read_search",
  "--inh-caps=-dac_override,-dac_read_search",
];
const UNPRIVILEGED_SKIP = unprivilegedSkip();

function unprivilegedSkip(): string | false {
  if (process.platform === "win32") return "Windows has other permissions";
  if (process.getuid?.() !== 0) return false;
  try {
    accessSync(SETPRIV, constants.X_OK);
    const tried = spawnSync(SETPRIV, [...DROP, "true"]);
    return tried.status === 0 ? false : "root reads everything, and setpriv cannot change that";
  } catch {
    return "root reads everything, and there is no setpriv";
  }
}

/** Runs a program as somebody who cannot read everything. */
async function unprivileged(
  env: Readonly<Record<string, string>>,
  program: string,
  args: readonly string[],
): Promise<CommandResult> {
  if (process.getuid?.() !== 0) return await runCommand(program, args, { env });
  return await runCommand(SETPRIV, [...DROP, program, ...args], { env });
}

async function runUnprivileged(
  sejf: SourcesClient,
  args: readonly string[],
): Promise<CommandResult> {
  const env = sejf.environment();
  const { NODE = "", MAIN = "", CONFIG = "" } = env;
  return await unprivileged(env, NODE, [MAIN, ...args, `--config-file=${CONFIG}`]);
}

/** A running command, its standard error as it comes. */
interface Running {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly exit: Promise<number | null>;
}

function start(sejf: SourcesClient, args: readonly string[]): Running {
  const env = sejf.environment();
  const { NODE = "", MAIN = "", CONFIG = "" } = env;
  const child = spawn(NODE, [MAIN, ...args, `--config-file=${CONFIG}`], { env });
  let stderr = "";
  child.stderr.on("data", (bytes: Buffer) => (stderr += bytes.toString()));
  child.stdout.resume();
  const exit = new Promise<number | null>((done) => child.once("exit", done));
  return { child, stderr: () => stderr, exit };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(20);
}

test("snapshot create: what cannot be read is named and left out, status 3; a policy may ignore it", {
  skip: UNPRIVILEGED_SKIP,
}, async () => {
  await using sejf = await openSources();
  await withRepository(sejf);
  const tree = join(sejf.home, "tree");
  await mkdir(join(tree, "closed"), { recursive: true });
  await mkdir(join(tree, "blind"));
  for (const name of ["fine", "bad", "closed/x", "blind/y"])
    await writeFile(join(tree, name), name);
  await chmod(join(tree, "bad"), 0);
  await chmod(join(tree, "closed"), 0);
  await chmod(join(tree, "blind"), 0o400);
  const result = await runUnprivileged(sejf, ["snapshot", "create", tree]);
  assert.equal(result.exitCode, 3, result.stderr);
  for (const path of ["bad", "closed", "blind/y"])
    assert.match(result.stderr, new RegExp(`Error when processing "${path}": .*ermission`));
  assert.match(result.stderr, /Found 3 fatal error\(s\) while snapshotting .*tree\./);
  const [ours] = await list(sejf);
  const { numFailed, files, errors } = ours?.rootEntry.summ ?? {};
  assert.deepEqual(
    [numFailed, files, errors?.map(({ path }) => path), ours?.incomplete],
    [3, 1, ["bad", "blind/y", "closed"], undefined],
  );

  const fast = await runUnprivileged(sejf, ["snapshot", "create", tree, "--fail-fast"]);
  assert.equal(fast.exitCode, 1, fast.stderr);
  assert.equal((await list(sejf)).at(-1)?.incomplete, "canceled");

  const flags = ["--ignore-file-errors=true", "--ignore-dir-errors=true"];
  await sejf.ok(["policy", "set", "--global", ...flags]);
  const lenient = await runUnprivileged(sejf, ["snapshot", "create", tree]);
  assert.equal(lenient.exitCode, 0, lenient.stderr);
  assert.match(lenient.stderr, /Ignored error when processing "bad"/);
  assert.match(lenient.stderr, /Ignored 3 error\(s\) while snapshotting/);

  const before = await list(sejf);
  const root = await runUnprivileged(sejf, ["snapshot", "create", join(tree, "closed")]);
  assert.equal(root.exitCode, 1);
  assert.deepEqual(await list(sejf), before);
  for (const name of ["bad", "closed", "blind"]) await chmod(join(tree, name), 0o755);
});

test("snapshot create: kopia leaves out the same and counts the same", {
  skip: KOPIA_SKIP === false ? UNPRIVILEGED_SKIP : KOPIA_SKIP,
}, async () => {
  await using sejf = await openSources();
  await using kopia = await openKopia();
  await withRepository(sejf);
  await connected(sejf, kopia);
  const tree = join(sejf.home, "tree");
  await mkdir(join(tree, "a/closed"), { recursive: true });
  await mkdir(join(tree, "blind/below"), { recursive: true });
  for (const name of ["fine", "a/bad", "blind/y"]) await writeFile(join(tree, name), name);
  await chmod(join(tree, "a/bad"), 0);
  await chmod(join(tree, "a/closed"), 0);
  await chmod(join(tree, "blind"), 0o400);
  await runUnprivileged(sejf, ["snapshot", "create", tree]);
  const env = {
    ...sejf.environment(),
    KOPIA_PASSWORD: "fixture-password",
    KOPIA_CACHE_DIRECTORY: join(kopia.home.path, "cache", "repository"),
    KOPIA_LOG_DIR: join(kopia.home.path, "logs"),
    KOPIA_CHECK_FOR_UPDATES: "false",
  };
  const args = ["snapshot", "create", tree, `--config-file=${kopia.configFile}`];
  const theirs = await unprivileged(env, String(KOPIA_EXE), args);
  assert.equal(theirs.exitCode, 1, theirs.stderr);
  await chmod(join(tree, "blind"), 0o755);
  const [first, second] = (await list(sejf)).map(({ rootEntry: { summ } }) => [
    summ.numFailed,
    summ.files,
    summ.errors?.map(({ path }) => path),
  ]);
  assert.deepEqual(first, second);
  await chmod(join(tree, "a/closed"), 0o755);
});

test("snapshot create: several bad sources are all named, the good one is saved", async () => {
  await using sejf = await openSources();
  await withRepository(sejf);
  const tree = join(sejf.home, "tree");
  await mkdir(tree);
  const result = await sejf.run([
    "snapshot",
    "create",
    join(sejf.home, "none"),
    tree,
    join(sejf.home, "nothing"),
  ]);
  assert.equal(result.exitCode, 1);
  assert.match(result.stderr, /encountered 2 errors:\n.*none.*\n.*nothing/);
  assert.equal((await list(sejf)).length, 1);
});

test("snapshot create --stdin-file: standard input is a file, as kopia makes it", {
  skip: KOPIA_SKIP,
}, async () => {
  await using sejf = await openSources();
  await using kopia = await openKopia();
  await withRepository(sejf);
  await connected(sejf, kopia);
  const input = Buffer.alloc(5_000_000, "some text that is repeated, ");
  const args = ["snapshot", "create", "/data/base", "--stdin-file=dump.sql"];
  await sejf.ok(args, { input });
  await kopia.ok(args, { input });
  const [ours, theirs] = await list(kopia);
  assert.ok(ours !== undefined && theirs !== undefined);
  const comparable = ({ rootEntry, stats, source }: Manifest): object => {
    const { obj: _, ...rest } = rootEntry;
    return { ...rest, summ: { ...rootEntry.summ, maxTime: "" }, stats, path: source.path };
  };
  assert.deepEqual(comparable(ours), comparable(theirs));
  assert.equal(ours.rootEntry.mtime, "1754-08-30T22:43:41.128654848Z");
  const shown = await kopia.ok(["show", `${ours.rootEntry.obj}/dump.sql`]);
  assert.deepEqual(Buffer.from(shown.stdoutBytes), input);
  const file = async ({ rootEntry: { obj } }: Manifest): Promise<object> => {
    const { entries } = await sejf.json<{ entries: readonly Entry[] }>(["show", obj]);
    return { ...entries[0], mtime: "" };
  };
  assert.deepEqual(await file(ours), await file(theirs), "the file is the same object");
  const policy = await kopia.json<{ readonly scheduling: object }>([
    "policy",
    "show",
    "--json",
    "/data/base",
  ]);
  assert.deepEqual(policy.scheduling, { manual: true, runMissed: true });
  assert.equal((await sejf.run(["snapshot", "create", "--all"])).exitCode, 2, "nothing is left");
});

test("snapshot create --override-source: a schedule of the source is not thrown away", async () => {
  await using sejf = await openSources();
  await withRepository(sejf);
  const tree = join(sejf.home, "tree");
  await mkdir(tree);
  await sejf.ok(["policy", "set", "me@there:/data", "--snapshot-interval=1h"]);
  const result = await sejf.run(["snapshot", "create", tree, "--override-source=me@there:/data"]);
  assert.notEqual(result.exitCode, 0);
  const policy = await sejf.ok(["policy", "show", "me@there:/data", "--json"]);
  assert.match(policy.stdout, /"intervalSeconds":3600/);
});

test("snapshot create: an interrupt keeps what was done, and the next run goes on from it", {
  skip: process.platform === "win32" && "there are no signals",
}, async () => {
  await using sejf = await openSources();
  await withRepository(sejf);
  const tree = join(sejf.home, "tree");
  const slow = join(tree, "b");
  for (const name of ["a", "b", "c"]) {
    await mkdir(join(tree, name), { recursive: true });
    await writeFile(join(tree, name, "file"), name);
  }
  const mark = join(sejf.home, "mark");
  const script = join(sejf.home, "slow.sh");
  await writeFile(script, `#!/bin/sh\ntouch '${mark}'\nexec sleep 100\n`);
  await chmod(script, 0o755);
  await sejf.ok(["policy", "set", slow, `--before-folder-action=${script}`]);
  const args = ["snapshot", "create", tree, "--force-enable-actions", "--log-level=debug"];
  const running = start(sejf, args);
  const isReady = (): boolean => existsSync(mark) && running.stderr().includes('"path":"a"');
  await until(() => isReady() || running.child.exitCode !== null);
  running.child.kill("SIGINT");
  assert.equal(await running.exit, 1, running.stderr());
  assert.match(running.stderr(), /Created partial snapshot .*\n.*Stopped before the end/s);
  const [partial] = await list(sejf);
  assert.equal(partial?.incomplete, "canceled");
  assert.equal(partial.rootEntry.summ.files, 1);
  const next = await sejf.json<Manifest>([
    "snapshot",
    "create",
    tree,
    "--json",
    "--json-verbose",
    "--force-disable-actions",
  ]);
  assert.deepEqual(
    [next.incomplete, next.stats["cachedFiles"], next.rootEntry.summ.files],
    [undefined, 1, 3],
  );
});

test("snapshot create: a second interrupt ends at once; a stopped stream is no file", {
  skip: process.platform === "win32" && "there are no signals",
}, async () => {
  await using sejf = await openSources();
  await withRepository(sejf);
  const stream = start(sejf, [
    "snapshot",
    "create",
    "/stream",
    "--stdin-file=x",
    "--json-progress",
  ]);
  stream.child.stdin?.write("the beginning");
  await until(() => stream.stderr().includes('"started"'));
  stream.child.kill("SIGTERM");
  assert.equal(await stream.exit, 1, stream.stderr());
  const [partial] = await list(sejf);
  assert.deepEqual([partial?.incomplete, partial?.rootEntry.summ.files], ["canceled", 0]);

  const tree = join(sejf.home, "tree");
  await mkdir(tree);
  const mark = join(sejf.home, "mark");
  const script = join(sejf.home, "slow.sh");
  await writeFile(script, `#!/bin/sh\ntrap '' INT TERM\ntouch '${mark}'\nsleep 5\n`);
  await chmod(script, 0o755);
  await sejf.ok(["policy", "set", tree, `--after-snapshot-root-action=${script}`]);
  const stuck = start(sejf, ["snapshot", "create", tree, "--force-enable-actions"]);
  await until(() => existsSync(mark) || stuck.child.exitCode !== null);
  stuck.child.kill("SIGINT");
  await pause(200);
  assert.equal(stuck.child.exitCode, null, stuck.stderr());
  stuck.child.kill("SIGINT");
  assert.equal(await stuck.exit, 130);
});

test("snapshot create --json-progress: every line is an event", async () => {
  await using sejf = await openSources();
  await withRepository(sejf);
  const tree = join(sejf.home, "tree");
  await mkdir(join(tree, "sub"), { recursive: true });
  await writeFile(join(tree, "sub/file"), new Uint8Array(3_000_000));
  const { stderr } = await sejf.ok(["snapshot", "create", tree, "--json-progress"]);
  const events = stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  const kinds = events.map(({ event }) => event);
  assert.equal(kinds[0], "started");
  assert.equal(kinds.at(-1), "finished");
  assert.ok(kinds.includes("progress"));
  assert.ok(events.every(({ source }) => String(source).endsWith(tree)));
  const last = events.findLast(({ event }) => event === "progress");
  assert.deepEqual(
    [last?.["hashedFiles"], last?.["hashedBytes"], last?.["openFiles"], last?.["openBytes"]],
    [1, 3_000_000, 0, 0],
  );
  const { saved, errors, incomplete } = events.at(-1) ?? {};
  assert.deepEqual([saved, errors, incomplete], [true, 0, undefined]);
});

test("snapshot create: the files of a directory are opened and closed without a warning of the runtime", async () => {
  await using sejf = await openSources();
  await withRepository(sejf);
  const tree = join(sejf.home, "tree");
  await mkdir(tree);
  for (const name of ["a", "b", "c", "d", "e"]) await writeFile(join(tree, name), name);
  const { stderr } = await sejf.ok(["snapshot", "create", tree]);
  assert.doesNotMatch(stderr, /Warning/);
});

test("snapshot create: without a terminal progress is shown only when asked for", async () => {
  await using sejf = await openSources();
  await withRepository(sejf);
  const tree = join(sejf.home, "tree");
  await mkdir(tree);
  await writeFile(join(tree, "file"), "x");
  const shown = await sejf.ok(["snapshot", "create", tree, "--progress"]);
  assert.match(shown.stderr, /1 hashed \(1 B\)/);
  const silent = await sejf.ok(["snapshot", "create", tree]);
  assert.doesNotMatch(silent.stderr, /hashed/);
});

test("snapshot create: single entries are logged as kopia logs them", {
  skip: KOPIA_SKIP,
}, async () => {
  await using sejf = await openSources();
  await using kopia = await openKopia();
  await withRepository(sejf);
  await connected(sejf, kopia);
  const tree = join(sejf.home, "tree");
  await mkdir(join(tree, "sub"), { recursive: true });
  for (const name of ["a", "sub/b"]) {
    await writeFile(join(tree, name), name);
    await utimes(join(tree, name), 1_700_000_000, 1_700_000_000.123);
  }
  await utimes(join(tree, "sub"), 1_700_000_000, 1_700_000_000);
  const args = ["snapshot", "create", tree, "--log-level=debug"];
  const details = ["--log-dir-detail=10", "--log-entry-detail=10"];
  const lines = (text: string): readonly string[] =>
    [...text.matchAll(/snapshotted[^\n]*\t\{[^\n]*\}/g)]
      .map(([line]) => line.replace(/"dur":"[^"]*",?/, ""))
      .toSorted();
  const ours = lines((await sejf.ok([...args, ...details])).stderr);
  assert.equal(ours.length, 4, ours.join("\n"));
  // its own source: nothing is cached
  const theirs = lines((await kopia.ok([...args, ...details, "--force-hash=100"])).stderr);
  assert.deepEqual(ours, theirs);
  assert.deepEqual(lines((await sejf.ok([...args, "--log-dir-detail=0"])).stderr), []);
});
