/**
 * The same tree under the same policies gives the same root object and the same counts, whoever of sejf and a real
 * kopia reads it first: policies of folders, ignore rules, parts of big files, odd names, earlier snapshots.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setFileTimes } from "../../src/node/index.ts";
import { type CommandClient, KOPIA_SKIP, openKopia, openSejf } from "../../src/testkit/kopia.ts";
import { temporaryDirectory } from "../../src/testkit/temp.ts";
import { noise, writeSampleTree } from "./sample-tree.ts";

const KOPIA_SNAPSHOT = ["--no-auto-maintenance", "--no-send-snapshot-report", "--no-progress"];

interface SnapshotJson {
  readonly id: string;
  readonly source: { readonly path: string };
  readonly rootEntry: { readonly obj: string; readonly summ: unknown };
  readonly stats: Readonly<Record<string, number>>;
  readonly retentionReason?: readonly string[];
}

interface Setting extends AsyncDisposable {
  readonly sejf: CommandClient;
  readonly kopia: CommandClient;
  readonly path: string;
}

/** Both programs, with one identity, on a repository made by kopia. */
async function openBoth(): Promise<Setting> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryDirectory("interop"));
  const sejf = stack.use(await openSejf());
  const kopia = stack.use(await openKopia());
  const repository = join(folder.path, "repository");
  mkdirSync(repository);
  await kopia.ok([
    "repository",
    "create",
    "filesystem",
    "--path",
    repository,
    "--object-splitter=DYNAMIC-128K-BUZHASH",
  ]);
  await sejf.ok(["repository", "connect", "filesystem", "--path", repository]);
  return { sejf, kopia, path: folder.path, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** The snapshot as kopia lists it, whoever made it. */
async function snapshot(
  client: CommandClient,
  kopia: CommandClient,
  tree: string,
): Promise<SnapshotJson> {
  await client.ok(["snapshot", "create", tree, ...KOPIA_SNAPSHOT]);
  const listed = await kopia.json<readonly SnapshotJson[]>(["snapshot", "list", "--json", tree]);
  return listed.at(-1) as SnapshotJson;
}

async function fillOddTree(tree: string): Promise<void> {
  mkdirSync(tree);
  await writeSampleTree(tree);
  for (const name of ["own/sub", "rules/deep", "cache", "odd"])
    mkdirSync(join(tree, name), { recursive: true });
  const files: readonly (readonly [string, string | Uint8Array])[] = [
    ["parts.bin", noise(3_300_000, 9)],
    ["even.bin", noise(2 << 20, 8)],
    ["own/a.tmp", "own"],
    ["own/sub/b.log", "log"],
    ["own/.kopiaignore", "sub\n"],
    ["top.tmp", "left out"],
    ["rules/.kopiaignore", "# rules\n*.log\n!keep.log\n/deep/x\n"],
    ["rules/a.log", "a"],
    ["rules/keep.log", "keep"],
    ["rules/deep/x", "x"],
    ["rules/deep/y", "y"],
    ["cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n"],
    ["cache/data", "worthless"],
    ["odd/\u{1f388}", "astral"],
    ["odd/\ue000", "private use"],
    ["odd/epoch", "epoch"],
    ["odd/1754", "long ago"],
  ];
  for (const [name, data] of files) writeFileSync(join(tree, name), data);
  setFileTimes(join(tree, "odd/epoch"), { mtimeNs: 0n });
  setFileTimes(join(tree, "odd/1754"), { mtimeNs: -6_795_364_578_871_345_152n });
  symlinkSync("rules/keep.log", join(tree, "own/link"));
  if (process.platform === "linux") {
    writeFileSync(
      Buffer.concat([Buffer.from(`${tree}/odd/x`), Buffer.of(0xe2, 0x82, 0x41, 0xff)]),
      "not UTF-8",
    );
  }
}

/** Kopia counts an entry that a rule of an outer folder excludes once for every folder with rules of its own. */
function countsOf({ stats }: SnapshotJson): Readonly<Record<string, number>> {
  return { ...stats, excludedFileCount: 0, excludedTotalSize: 0 };
}

/** The same tree at another place, owners, modes and all times included. */
function copyTree(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  execFileSync("cp", ["-a", from, to]);
}

test("policies, rules, parts and odd names: same root, same counts, whoever is first", {
  skip: KOPIA_SKIP,
}, async () => {
  await using setting = await openBoth();
  const { sejf, kopia, path } = setting;
  const [ours, theirs] = [join(path, "ours"), join(path, "theirs")];
  await fillOddTree(ours);
  copyTree(ours, theirs);
  await kopia.ok([
    "policy",
    "set",
    "--global",
    "--compression=zstd",
    "--parallel-upload-above-size-mib=1",
  ]);
  for (const tree of [ours, theirs]) {
    await kopia.ok(["policy", "set", tree, "--add-ignore=*.tmp", "--add-never-compress=.log"]);
    await kopia.ok(["policy", "set", join(tree, "own"), "--compression=gzip"]);
  }
  const first = await snapshot(sejf, kopia, ours);
  const second = await snapshot(kopia, kopia, theirs);
  assert.equal(first.rootEntry.obj, second.rootEntry.obj);
  assert.deepEqual(first.rootEntry.summ, second.rootEntry.summ);
  assert.deepEqual(countsOf(first), countsOf(second));
  await kopia.ok(["snapshot", "verify", "--verify-files-percent=100"]);

  writeFileSync(join(ours, "rules/keep.log"), "changed");
  copyTree(ours, theirs);
  const third = await snapshot(kopia, kopia, ours);
  const fourth = await snapshot(sejf, kopia, theirs);
  assert.equal(third.rootEntry.obj, fourth.rootEntry.obj);
  assert.deepEqual(countsOf(third), countsOf(fourth));
});

test("names that are not UTF-8 and times before 1970: kopia after sejf finds the same root", {
  skip: KOPIA_SKIP,
}, async () => {
  await using setting = await openBoth();
  const { sejf, kopia, path } = setting;
  const tree = join(path, "tree");
  await fillOddTree(tree);
  const ours = await snapshot(sejf, kopia, tree);
  const theirs = await snapshot(kopia, kopia, tree);
  assert.equal(ours.rootEntry.obj, theirs.rootEntry.obj);
  const listing = join("rules", "keep.log");
  const single = await snapshot(sejf, kopia, join(tree, listing));
  const again = await snapshot(kopia, kopia, join(tree, listing));
  assert.deepEqual(single.rootEntry, again.rootEntry);
});

test("retention reasons and the effective policy are kopia's", { skip: KOPIA_SKIP }, async () => {
  await using setting = await openBoth();
  const { sejf, kopia, path } = setting;
  const tree = join(path, "tree");
  mkdirSync(tree);
  await kopia.ok(["policy", "set", tree, "--keep-latest=2", "--keep-daily=2", "--keep-weekly=3"]);
  for (const [index, day] of [
    "2024-01-04",
    "2024-01-09",
    "2024-01-16",
    "2024-01-17",
    "2024-01-18",
  ].entries()) {
    writeFileSync(join(tree, "day"), day);
    const client = index % 2 === 0 ? kopia : sejf;
    await client.ok([
      "snapshot",
      "create",
      tree,
      "--start-time",
      `${day} 12:00:00 UTC`,
      "--end-time",
      `${day} 12:01:00 UTC`,
      ...KOPIA_SNAPSHOT,
    ]);
  }
  const list = ["snapshot", "list", "--json", tree];
  assert.deepEqual(await sejf.json(list), await kopia.json(list));
});
