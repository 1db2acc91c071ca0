/**
 * The snapshot commands beside a real kopia on one repository: the same differences, the same rewritten trees, the same
 * histories and pins, and migrations in both directions that the other verifies.
 */
import assert from "node:assert/strict";
import { appendFileSync, chmodSync, cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees } from "../../scripts/compare-trees.ts";
import { type CommandClient, KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { temporaryDirectory } from "../../src/testkit/temp.ts";
import { openSources, type SourcesClient } from "../cli/support.ts";
import { writeSampleTree } from "./sample-tree.ts";

const QUIET = "--no-progress";
const KOPIA_SNAPSHOT = ["--no-auto-maintenance", "--no-send-snapshot-report", QUIET];
const CONNECT = ["--override-hostname=host", "--override-username=user"];

interface Listed {
  readonly id: string;
  readonly source: { readonly host: string; readonly userName: string; readonly path: string };
  readonly startTime: string;
  readonly endTime: string;
  readonly description: string;
  readonly pins?: readonly string[];
  readonly tags?: Readonly<Record<string, string>>;
  readonly rootEntry: { readonly obj: string; readonly summ: unknown };
}

class Bench implements AsyncDisposable {
  readonly kopia: CommandClient;
  readonly sejf: SourcesClient;
  readonly folder: string;
  readonly tree: string;
  readonly repository: string;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    stack: AsyncDisposableStack,
    kopia: CommandClient,
    sejf: SourcesClient,
    folder: string,
  ) {
    this.#stack = stack;
    this.kopia = kopia;
    this.sejf = sejf;
    this.folder = folder;
    this.tree = join(folder, "tree");
    this.repository = join(folder, "repository");
  }

  /** A repository made by kopia with two snapshots of a tree that changed in between; sejf is connected too. */
  static async open(...createFlags: readonly string[]): Promise<Bench> {
    await using stack = new AsyncDisposableStack();
    const kopia = stack.use(await openKopia());
    const sejf = stack.use(await openSources());
    const { path } = stack.use(await temporaryDirectory("interop"));
    const bench = new Bench(stack.move(), kopia, sejf, path);
    mkdirSync(bench.tree);
    mkdirSync(bench.repository);
    await writeSampleTree(bench.tree);
    const at = ["filesystem", "--path", bench.repository, ...CONNECT];
    await kopia.ok(["repository", "create", ...at, ...createFlags]);
    await sejf.ok(["repository", "connect", ...at]);
    await kopia.ok(["snapshot", "create", bench.tree, "--tags=env:test", ...KOPIA_SNAPSHOT]);
    changeTree(bench.tree);
    await kopia.ok(["snapshot", "create", bench.tree, "--pin=keep", ...KOPIA_SNAPSHOT]);
    return bench;
  }

  /** By kopia, so that what it sees counts. */
  async list(): Promise<readonly Listed[]> {
    return await this.kopia.json<readonly Listed[]>(["snapshot", "list", "--all", "--json"]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function changeTree(tree: string): void {
  appendFileSync(join(tree, "hello.txt"), "more");
  chmodSync(join(tree, "docs/readme.md"), 0o600);
  rmSync(join(tree, "docs/deep/er/small-7"));
  rmSync(join(tree, "docs/deep/run.sh"));
  mkdirSync(join(tree, "docs/deep/run.sh"));
  writeFileSync(join(tree, "docs/deep/run.sh/inside"), "1");
  mkdirSync(join(tree, "added/below"), { recursive: true });
  writeFileSync(join(tree, "added/below/file"), "new");
}

function sortedLines(text: string): readonly string[] {
  return text.split("\n").toSorted();
}

test("diff: kopia's lines and counts, in a fixed order", { skip: KOPIA_SKIP }, async () => {
  await using bench = await Bench.open();
  const [first, second] = await bench.list();
  for (const ids of [
    [first?.id ?? "", second?.id ?? ""],
    [second?.id ?? "", first?.id ?? ""],
    [`${first?.rootEntry.obj}/docs`, `${second?.rootEntry.obj}/docs`],
  ]) {
    const theirs = await bench.kopia.ok(["diff", ...ids, QUIET]);
    const ours = await bench.sejf.ok(["diff", ...ids]);
    assert.deepEqual(sortedLines(ours.stdout), sortedLines(theirs.stdout));
    assert.equal(ours.stdout.split("\n").at(-1), theirs.stdout.split("\n").at(-1));
  }
});

test("snapshot verify: kopia's statistics, also where something is lost", {
  skip: KOPIA_SKIP,
}, async () => {
  await using bench = await Bench.open("--object-splitter=DYNAMIC-128K-BUZHASH");
  const args = ["snapshot", "verify", "--json", "--verify-files-percent=100", QUIET];
  const theirs = await bench.kopia.json<Record<string, unknown>>(args);
  assert.deepEqual(await bench.sejf.json(args), theirs);
  const blobs = await bench.kopia.json<readonly { readonly id: string }[]>([
    "blob",
    "list",
    "--json",
  ]);
  const pack = blobs.find(({ id }) => id.startsWith("p"))?.id ?? "";
  await bench.kopia.ok(["blob", "delete", pack, "--dangerous-commands=enabled"]);
  const all = ["snapshot", "verify", "--json", QUIET];
  // Kopia takes 0 for 1; a great number makes it find all.
  const broken = await bench.kopia.run([...all, "--max-errors=100000"]);
  const ours = await bench.sejf.run(all);
  assert.deepEqual([broken.exitCode, ours.exitCode], [1, 1]);
  const [their, our] = [broken, ours].map(
    ({ stdout }) => JSON.parse(stdout) as { readonly stats: unknown; readonly errorCount: number },
  );
  assert.deepEqual([our?.stats, our?.errorCount], [their?.stats, their?.errorCount]);
});

test("snapshot fix remove-files: the very trees that kopia makes", {
  skip: KOPIA_SKIP,
}, async () => {
  for (const flags of [[], ["--format-version=1"]]) {
    await using bench = await Bench.open(...flags);
    const twin = join(bench.folder, "twin");
    cpSync(bench.repository, twin, { recursive: true });
    const args = [
      "snapshot",
      "fix",
      "remove-files",
      "--filename=small-1*",
      "--filename=deep?",
      "--filename=[hr]e*",
      "--commit",
    ];
    await bench.sejf.ok(args);
    const ours = (await bench.list()).map(({ rootEntry }) => rootEntry);
    await bench.kopia.ok(["snapshot", "verify", "--verify-files-percent=100", QUIET]);
    await using other = await openKopia();
    await other.ok(["repository", "connect", "filesystem", "--path", twin, ...CONNECT]);
    await other.ok([...args, "--no-auto-maintenance", QUIET]);
    const theirs = await other.json<readonly Listed[]>(["snapshot", "list", "--all", "--json"]);
    assert.deepEqual(
      ours,
      theirs.map(({ rootEntry }) => rootEntry),
    );
  }
});

test("snapshot fix invalid-files: what kopia cannot verify it verifies afterwards", {
  skip: KOPIA_SKIP,
}, async () => {
  await using bench = await Bench.open();
  const blobs = await bench.kopia.json<readonly { readonly id: string }[]>([
    "blob",
    "list",
    "--json",
  ]);
  const pack = blobs.filter(({ id }) => id.startsWith("p")).at(-1)?.id ?? "";
  await bench.kopia.ok(["blob", "delete", pack, "--dangerous-commands=enabled"]);
  assert.equal((await bench.kopia.run(["snapshot", "verify", QUIET])).exitCode, 1);
  await bench.sejf.ok(["snapshot", "fix", "invalid-files", "--commit"]);
  await bench.kopia.ok(["snapshot", "verify", "--verify-files-percent=100", QUIET]);
  const nothing = await bench.kopia.ok([
    "snapshot",
    "fix",
    "invalid-files",
    QUIET,
    "--no-auto-maintenance",
  ]);
  assert.match(nothing.stderr, /No changes\./);
});

test("snapshot pin, copy-history, move-history and expire: kopia sees what it would have done", {
  skip: KOPIA_SKIP,
}, async () => {
  await using bench = await Bench.open();
  const [first, second] = await bench.list();
  await bench.sejf.ok(["snapshot", "pin", first?.id ?? "", "--add=z", "--add=a"]);
  await bench.sejf.ok([
    "snapshot",
    "pin",
    second?.rootEntry.obj ?? "",
    "--remove=keep",
    "--add=mine",
  ]);
  const pinned = await bench.list();
  const wanted = [first, second].map((one, at) => ({
    ...one,
    id: pinned[at]?.id,
    pins: [["a", "z"], ["mine"]][at],
  }));
  assert.deepEqual(pinned, wanted);
  await bench.sejf.ok(["snapshot", "copy-history", "user@host", "@copy"]);
  const again = await bench.kopia.ok([
    "snapshot",
    "copy-history",
    "user@host",
    "@copy",
    QUIET,
    "--no-auto-maintenance",
  ]);
  assert.equal(again.stderr.match(/already exists/g)?.length, 2);
  await bench.sejf.ok(["snapshot", "move-history", `user@host:${bench.tree}`, "me@there:/moved"]);
  const sources = (await bench.list()).map(
    ({ source }) => `${source.userName}@${source.host}:${source.path}`,
  );
  assert.deepEqual(sources, [
    "me@there:/moved",
    "me@there:/moved",
    `user@copy:${bench.tree}`,
    `user@copy:${bench.tree}`,
  ]);
  const keep = ["hourly", "daily", "weekly", "monthly", "annual"].map((one) => `--keep-${one}=0`);
  await bench.kopia.ok(["policy", "set", "--global", "--keep-latest=1", ...keep, QUIET]);
  for (const { id, pins = [] } of await bench.list()) {
    const removals = pins.map((pin) => `--remove=${pin}`);
    if (removals.length > 0) await bench.sejf.ok(["snapshot", "pin", id, ...removals]);
  }
  const told = (stderr: string): readonly string[] =>
    stderr.split("\n").filter((line) => /^(Nothing|\d+ snap)/.test(line));
  const theirs = await bench.kopia.ok([
    "snapshot",
    "expire",
    "--all",
    QUIET,
    "--no-auto-maintenance",
  ]);
  const ours = await bench.sejf.ok(["snapshot", "expire", "--all"]);
  assert.deepEqual(told(ours.stderr), told(theirs.stderr));
  await bench.sejf.ok(["snapshot", "expire", "--all", "--delete"]);
  assert.equal((await bench.list()).length, 2);
});

test("snapshot estimate: kopia's table", { skip: KOPIA_SKIP }, async () => {
  await using bench = await Bench.open();
  const ignored = ["*.log", "deep/", "!nothing"].map((rule) => `--add-ignore=${rule}`);
  await bench.kopia.ok(["policy", "set", bench.tree, ...ignored, QUIET]);
  for (const flags of [
    [],
    ["--show-files", "--max-examples-per-bucket=1000", "--upload-speed=0.5"],
  ]) {
    const args = ["snapshot", "estimate", bench.tree, ...flags, "--quiet"];
    const [ours, theirs] = [await bench.sejf.ok(args), await bench.kopia.ok([...args, QUIET])];
    assert.deepEqual(sortedLines(ours.stdout), sortedLines(theirs.stdout));
  }
});

/** What must not be lost on the way. */
function essence({ source, startTime, endTime, description }: Listed): unknown {
  return { source, startTime, endTime, description };
}

test("snapshot migrate: from kopia's repository and back into one of kopia's", {
  skip: KOPIA_SKIP,
}, async () => {
  await using bench = await Bench.open(
    "--format-version=1",
    "--object-splitter=DYNAMIC-1M-BUZHASH",
  );
  await using middle = await openSources({ SEJF_CACHE_DIRECTORY: "" });
  const path = join(bench.folder, "middle");
  await middle.ok(["repository", "create", "filesystem", "--path", path, ...CONNECT]);
  await middle.ok(["snapshot", "migrate", `--source-config=${bench.kopia.configFile}`, "--all"]);
  const before = await bench.list();
  const migrated = await middle.json<readonly Listed[]>(["snapshot", "list", "--all", "--json"]);
  assert.deepEqual(migrated.map(essence), before.map(essence));
  assert.deepEqual(
    migrated.map(({ pins, tags, rootEntry }) => [pins, tags, rootEntry.summ]),
    before.map(({ pins, tags, rootEntry }) => [pins, tags, rootEntry.summ]),
  );
  await using kopia = await openKopia({ env: { KOPIA_CACHE_DIRECTORY: "" } });
  await kopia.ok(["repository", "connect", "filesystem", "--path", path, ...CONNECT]);
  await kopia.ok(["snapshot", "verify", "--verify-files-percent=100", QUIET]);
  await using last = await openKopia({ env: { KOPIA_CACHE_DIRECTORY: "" } });
  const end = join(bench.folder, "end");
  mkdirSync(end);
  await last.ok(["repository", "create", "filesystem", "--path", end, ...CONNECT]);
  const config = `--source-config=${middle.configFile}`;
  await last.ok(["snapshot", "migrate", config, "--all", "--no-auto-maintenance", QUIET]);
  const arrived = await last.json<readonly Listed[]>(["snapshot", "list", "--all", "--json"]);
  assert.deepEqual(arrived.map(essence), before.map(essence));
  const target = join(bench.folder, "restored");
  await last.ok(["snapshot", "restore", arrived.at(-1)?.id ?? "", target, QUIET]);
  assert.deepEqual(differencesOf(bench.tree, target), []);
});

/** But for times: kopia gives directories those of what lies in them, and symlinks microseconds. */
function differencesOf(a: string, b: string): readonly string[] {
  return compareTrees(a, b).differences.filter((line) => !/time/i.test(line));
}
