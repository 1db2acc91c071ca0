/** Snapshot commands as a user types them, and their output beside kopia's on the same repository. */
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees } from "../../scripts/compare-trees.ts";
import { KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { openSources, type SourcesClient } from "./support.ts";

interface SnapshotJson {
  readonly id: string;
  readonly description: string;
  readonly startTime: string;
  readonly endTime: string;
  readonly source: { readonly host: string; readonly userName: string; readonly path: string };
  readonly rootEntry: { readonly obj: string; readonly summ: { readonly numFailed: number } };
  readonly tags?: Readonly<Record<string, string>>;
  readonly pins?: readonly string[];
  readonly stats?: object;
  readonly retentionReason?: readonly string[];
}

/** A new repository and a small tree with all kinds of entries. */
async function prepared(sejf: SourcesClient): Promise<string> {
  const tree = join(sejf.home, "my tree");
  await mkdir(join(tree, "sub", "deep"), { recursive: true });
  await mkdir(join(tree, "empty"));
  await writeFile(join(tree, "a.txt"), "hello\n");
  await writeFile(join(tree, "sub", "b <&>.bin"), new Uint8Array(300_000).fill(7));
  await writeFile(join(tree, "sub", "deep", "c"), "");
  await symlink("a.txt", join(tree, "link"));
  await sejf.ok(["repository", "create", "filesystem", "--path", join(sejf.home, "repo")]);
  return tree;
}

async function create(sejf: SourcesClient, ...args: readonly string[]): Promise<SnapshotJson> {
  return await sejf.json<SnapshotJson>(["snapshot", "create", ...args, "--json"]);
}

test("snapshot create, list, restore, show: the whole way round", async () => {
  await using sejf = await openSources();
  const tree = await prepared(sejf);
  const text = await sejf.ok(["snapshot", "create", tree]);
  assert.match(
    text.stderr,
    /Snapshotting .*my tree \.\.\.\nCreated snapshot with root k[0-9a-f]+ and ID [0-9a-f]{32} in \d+s\n/,
  );
  assert.equal(text.stdout, "");
  await writeFile(join(tree, "new"), "new");
  const second = await create(
    sejf,
    tree,
    "--description=second",
    "--tags=env:test",
    "--tags",
    "a:b:c",
    "--pin=keep",
  );
  assert.equal(second.stats, undefined);
  assert.deepEqual(
    [second.description, second.tags, second.pins],
    ["second", { "tag:env": "test", "tag:a": "b:c" }, ["keep"]],
  );

  const listed = await sejf.json<readonly SnapshotJson[]>(["snapshot", "list", "--json"]);
  assert.equal(listed.length, 2);
  assert.equal(listed[1]?.id, second.id);
  assert.ok(listed.every(({ stats }) => stats !== undefined));
  assert.deepEqual(listed[0]?.retentionReason, ["latest-2"]);
  assert.equal(
    (await sejf.json<readonly unknown[]>(["snapshot", "list", "--json", "--tags=env:test"])).length,
    1,
  );
  assert.equal(
    (await sejf.ok(["snapshot", "list", "--json", join(sejf.home, "other")])).stdout,
    "[\n]",
  );
  const below = await sejf.ok(["snapshot", "list", join(tree, "sub"), "-l"]);
  assert.equal(below.stdout.trimEnd().split("\n").length, 3);

  const target = join(sejf.home, "restored");
  const restored = await sejf.ok(["restore", second.id, target]);
  assert.match(
    restored.stderr,
    /Restored 4 files, 4 directories and 1 symbolic links \(300 KB\)\./,
  );
  assert.deepEqual(
    compareTrees(tree, target).differences.filter((line) => !line.includes(": time ")),
    [],
  );
  assert.equal(await readlink(join(target, "link")), "a.txt");
  assert.equal((await sejf.ok(["show", `${second.rootEntry.obj}/a.txt`])).stdout, "hello\n");
  const bytes = await sejf.ok(["cat", `${second.id}/sub/b <&>.bin`]);
  assert.deepEqual(Buffer.from(bytes.stdoutBytes), Buffer.alloc(300_000, 7));
  assert.match(
    (await sejf.ok(["ls", "-l", second.id])).stdout,
    /^drwxr-xr-x .* k[0-9a-f]{64} +sub\/$/m,
  );
});

test("restore: a path of this client goes back to where it was, and --no-overwrite-files refuses", async () => {
  await using sejf = await openSources();
  const tree = await prepared(sejf);
  const { id } = await create(sejf, tree);
  await writeFile(join(tree, "a.txt"), "changed");
  const refused = await sejf.run(["restore", id, tree, "--no-overwrite-files"]);
  assert.equal(refused.exitCode, 1);
  assert.equal(await readFile(join(tree, "a.txt"), "utf8"), "changed");
  const back = await sejf.ok(["restore", join(tree, "a.txt")]);
  assert.match(back.stderr, /Relative path: a\.txt/);
  assert.equal(await readFile(join(tree, "a.txt"), "utf8"), "hello\n");
  const extra = join(tree, "extra");
  await writeFile(extra, "");
  await sejf.ok(["restore", id, tree, "--delete-extra"]);
  await assert.rejects(stat(extra), { code: "ENOENT" });
});

test("restore: wrong usage says so, what does not exist is not found", async () => {
  await using sejf = await openSources();
  const tree = await prepared(sejf);
  const { id } = await create(sejf, tree);
  for (const args of [[id, join(sejf.home, "x"), "--mode=rar"], [id, "a", "b"], []]) {
    const result = await sejf.run(["restore", ...args]);
    assert.equal(result.exitCode, 2, `${args.join(" ")}: ${result.stderr}`);
  }
  const missing = await sejf.run(["restore", `${id}/nothing`, join(sejf.home, "x")]);
  assert.equal(missing.exitCode, 1);
  const unknown = await sejf.run(["show", "0".repeat(32)]);
  assert.equal(unknown.exitCode, 1);
  assert.match(unknown.stderr, /there is no snapshot or object 0{32}\n.*`snapshot list`/);
  assert.equal(
    (await sejf.run(["restore", join(sejf.home, "never"), join(sejf.home, "x")])).exitCode,
    1,
  );
});

test("snapshot delete: only with --delete, by snapshot ID, by root object, by source", async () => {
  await using sejf = await openSources();
  const tree = await prepared(sejf);
  const count = async (): Promise<number> =>
    (await sejf.json<readonly unknown[]>(["snapshot", "list", "--json"])).length;
  const first = await create(sejf, tree);
  await create(sejf, tree);
  const dry = await sejf.ok(["snapshot", "delete", first.id]);
  assert.match(dry.stderr, /Would delete snapshot .* \(pass --delete to confirm\)/);
  assert.equal(await count(), 2);
  await sejf.ok(["snapshot", "delete", first.id, "--delete"]);
  assert.equal(await count(), 1);
  await sejf.ok(["snapshot", "delete", first.rootEntry.obj, "--delete"]);
  assert.equal(await count(), 0);
  await create(sejf, tree);
  await sejf.ok(["snapshot", "delete", "--all-snapshots-for-source", tree, "--delete"]);
  assert.equal(await count(), 0);
  for (const id of ["f".repeat(32), "nonsense"])
    assert.equal((await sejf.run(["snapshot", "delete", id, "--delete"])).exitCode, 1);
});

test("snapshot create: times, sources and --all", async () => {
  await using sejf = await openSources();
  const tree = await prepared(sejf);
  const timed = await create(
    sejf,
    tree,
    "--start-time=2025-06-15 10:20:30 UTC",
    "--end-time=2025-06-15 10:21:30 UTC",
  );
  assert.deepEqual(
    [timed.startTime, timed.endTime],
    ["2025-06-15T10:20:30Z", "2025-06-15T10:21:30Z"],
  );
  const other = await create(sejf, tree, "--override-source=me@there:/data");
  assert.deepEqual(other.source, { host: "there", userName: "me", path: "/data" });
  assert.equal((await sejf.ok(["snapshot", "list"])).stdout.includes("me@there"), false);
  assert.equal(
    (await sejf.ok(["snapshot", "list", "--all"])).stdout.includes("me@there:/data"),
    true,
  );
  const all = await sejf.ok(["snapshot", "create", "--all", "--json"]);
  assert.equal(all.stdout.trimEnd().split("\n").length, 1);
  const link = join(sejf.home, "link to tree");
  await symlink(tree, link);
  const linked = await create(sejf, link);
  assert.equal(linked.source.path, link);
  assert.equal(linked.rootEntry.obj, timed.rootEntry.obj);
});

test("snapshot create: wrong usage is status 2 and makes nothing", async () => {
  await using sejf = await openSources();
  const tree = await prepared(sejf);
  for (const args of [
    [],
    ["--all", tree],
    [tree, "--tags=a"],
    [tree, "--start-time=yesterday"],
    [tree, "--start-time=2026-01-02 00:00:00 UTC", "--end-time=2026-01-01 00:00:00 UTC"],
    [tree, `--description=${"x".repeat(1025)}`],
    [tree, "--force-hash=101"],
    ["--stdin-file=x"],
    [tree, tree, "--stdin-file=x"],
    [tree, "--stdin-file=a/b"],
    [tree, "--override-source=me@there"],
    [tree, "--override-source=me@there:"],
    [tree, "--log-dir-detail=11"],
    [tree, "--parallel=x"],
    [tree, "--checkpoint-interval=46m"],
  ]) {
    assert.equal(
      (await sejf.run(["snapshot", "create", ...args])).exitCode,
      2,
      args.join(" ").slice(0, 60),
    );
  }
  const missing = await sejf.run(["snapshot", "create", join(sejf.home, "none")]);
  assert.equal(missing.exitCode, 1);
  assert.equal((await sejf.ok(["snapshot", "list", "--json"])).stdout, "[\n]");
});

test("snapshot create: one bad source does not keep the others from being saved", async () => {
  await using sejf = await openSources();
  const tree = await prepared(sejf);
  const result = await sejf.run(["snapshot", "create", join(sejf.home, "none"), tree]);
  assert.equal(result.exitCode, 1);
  assert.equal((await sejf.json<readonly unknown[]>(["snapshot", "list", "--json"])).length, 1);
});

test("a read-only connection makes no snapshot", async () => {
  await using sejf = await openSources();
  const tree = await prepared(sejf);
  await sejf.ok(["repository", "set-client", "--read-only"]);
  const before = await readdir(join(sejf.home, "repo"));
  const result = await sejf.run(["snapshot", "create", tree]);
  assert.equal(result.exitCode, 1);
  assert.match(result.stderr, /read-only/);
  assert.deepEqual(await readdir(join(sejf.home, "repo")), before);
});

test("the output of list and ls is kopia's, byte for byte", { skip: KOPIA_SKIP }, async () => {
  await using sejf = await openSources();
  await using kopia = await openKopia();
  const tree = await prepared(sejf);
  await create(sejf, tree, "--pin=p", "--tags=x:<y>");
  await create(sejf, tree);
  await writeFile(join(tree, "more"), "more");
  const { id, rootEntry } = await create(sejf, tree, "--description=zażółć & <co>");
  await kopia.ok(["repository", "connect", "filesystem", "--path", join(sejf.home, "repo")]);
  for (const args of [
    ["snapshot", "list"],
    ["snapshot", "list", "--json"],
    ["snapshot", "list", "--json", "--json-indent"],
    [
      "snapshot",
      "list",
      "--all",
      "--show-identical",
      "--mtime",
      "--owner",
      "--manifest-id",
      "--no-human-readable",
    ],
    ["snapshot", "list", "--no-retention", "--reverse", "-n", "1", "-l"],
    ["snapshot", "list", "--timezone=America/New_York"],
    ["snapshot", "list", "--tags=x:<y>"],
    ["snapshot", "list", join(tree, "sub")],
    ["snapshot", "list", "/nowhere", "--json"],
    ["ls", rootEntry.obj],
    ["ls", "-l", rootEntry.obj],
    ["ls", "-l", "-h", `${rootEntry.obj}/sub`],
    ["ls", "-r", rootEntry.obj],
    ["list", "-o", `${id}/sub/`],
    ["show", rootEntry.obj],
  ]) {
    const theirs = await kopia.ok(args);
    const ours = await sejf.ok(args);
    // kopia lists the entries of subdirectories in an order that changes from run to run
    const order =
      args[0] === "ls" || args[0] === "list"
        ? (text: string): string => text.split("\n").toSorted().join("\n")
        : (text: string): string => text;
    assert.equal(order(ours.stdout), order(theirs.stdout), args.join(" "));
  }
});
