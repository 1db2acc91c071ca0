/** `restore` as a user types it: sources, targets, placeholders, runs that were killed, and kopia on the same repository. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees } from "../../scripts/compare-trees.ts";
import { KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { openSources, type SourcesClient } from "./support.ts";

interface Made {
  readonly id: string;
  readonly rootEntry: { readonly obj: string };
}

async function prepared(sejf: SourcesClient): Promise<string> {
  const tree = join(sejf.home, "tree");
  await mkdir(join(tree, "sub", "deep"), { recursive: true });
  await mkdir(join(tree, "empty"));
  await writeFile(join(tree, "a.txt"), "hello\n");
  await writeFile(join(tree, "sub", "b <&>.bin"), new Uint8Array(300_000).fill(7));
  await writeFile(join(tree, "sub", "deep", "c"), "");
  await symlink("a.txt", join(tree, "link"));
  await chmod(join(tree, "a.txt"), 0o604);
  await sejf.ok(["repository", "create", "filesystem", "--path", join(sejf.home, "repo")]);
  return tree;
}

async function create(sejf: SourcesClient, path: string): Promise<Made> {
  return await sejf.json<Made>(["snapshot", "create", path, "--json"]);
}

test("sources: in place, below a source, the oldest snapshot, another host's, a relative path", async () => {
  await using sejf = await openSources();
  const tree = await prepared(sejf);
  await create(sejf, tree);
  await writeFile(join(tree, "a.txt"), "second\n");
  await create(sejf, tree);
  await rm(join(tree, "sub"), { recursive: true });
  const { stderr } = await sejf.ok(["restore", tree]);
  assert.match(stderr, /Snapshot source: .*@.*:.*\/tree\n/);
  assert.equal((await stat(join(tree, "sub", "b <&>.bin"))).size, 300_000);
  const restored = async (...args: readonly string[]): Promise<string> => {
    const target = join(sejf.home, "out");
    await sejf.ok(["restore", ...args, target], { cwd: sejf.home });
    const text = await readFile(target, "utf8");
    await rm(target);
    return text;
  };
  assert.equal(await restored(join(tree, "a.txt")), "second\n");
  assert.equal(await restored(join(tree, "a.txt"), "--snapshot-time=oldest"), "hello\n");
  assert.equal(await restored("tree/a.txt"), "second\n");
  const listed = await sejf.json<readonly { source: { host: string; userName: string } }[]>([
    "snapshot",
    "list",
    "--json",
  ]);
  const { host, userName } = listed[0]?.source ?? { host: "", userName: "" };
  assert.equal(await restored(`${userName}@${host}:${tree}/a.txt`), "second\n");
  for (const args of [
    [`${tree}/none`, "x"],
    ["someone@else:/x", "x"],
  ])
    assert.equal((await sejf.run(["restore", ...args])).exitCode, 1);
  for (const args of [
    ["someone@else:/x"],
    ["a", "b", "c"],
    [tree, "x", "--snapshot-time=2026-02-30"],
    [tree, "x.zip", "--skip-existing"],
    [tree, "x", "--shallow=-1"],
  ])
    assert.equal((await sejf.run(["restore", ...args])).exitCode, 2, args.join(" "));
});

test("consistent-attributes: an object with two sets of attributes is refused, a snapshot's ID is not", async () => {
  await using sejf = await openSources();
  const tree = await prepared(sejf);
  const first = await create(sejf, tree);
  await chmod(tree, 0o711);
  const second = await create(sejf, tree);
  assert.equal(first.rootEntry.obj, second.rootEntry.obj);
  const target = join(sejf.home, "out");
  const flag = "--consistent-attributes";
  assert.equal((await sejf.run(["restore", first.rootEntry.obj, target, flag])).exitCode, 2);
  await sejf.ok(["restore", first.rootEntry.obj, target]);
  assert.equal((await stat(target)).mode & 0o777, 0o711);
  await sejf.ok(["restore", first.id, target, flag]);
  assert.equal((await stat(target)).mode & 0o777, 0o755);
});

test("exit status 3 where errors are ignored, and the events of --json-progress", async () => {
  await using sejf = await openSources();
  const tree = await prepared(sejf);
  const { id } = await create(sejf, tree);
  const target = join(sejf.home, "out");
  await mkdir(join(target, "a.txt"), { recursive: true });
  const args = ["restore", id, target, "--ignore-errors"];
  const result = await sejf.run([...args, "--json-progress"]);
  assert.equal(result.exitCode, 3);
  const events = result.stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { event: string; path?: string; files?: number });
  assert.deepEqual(
    [...new Set(events.map(({ event }) => event))].filter((event) => event !== "progress"),
    ["started", "estimate", "error", "finished"],
  );
  assert.equal(events.find(({ event }) => event === "error")?.path, "a.txt");
  const text = await sejf.run([...args, "--skip-existing", "--delete-extra", "--no-progress"]);
  assert.equal(text.exitCode, 0);
  assert.match(
    text.stderr,
    /Restored 1 files, 4 directories and 0 symbolic links \(6 B\), skipped 3 \(300 KB\), deleted directories 1\.\n/,
  );
});

test("a restore that is killed is completed by the next, and no half file passes for a whole one", async () => {
  await using sejf = await openSources();
  const tree = join(sejf.home, "tree");
  await mkdir(tree);
  const now = new Date();
  for (let i = 0; i < 60; i++) {
    await writeFile(join(tree, `big${i}`), new Uint8Array(5_000_000 + i).fill(i));
    await utimes(join(tree, `big${i}`), now, now);
  }
  await sejf.ok(["repository", "create", "filesystem", "--path", join(sejf.home, "repo")]);
  const { id } = await create(sejf, tree);
  const target = join(sejf.home, "out");
  const { NODE, MAIN, CONFIG, ...env } = sejf.environment();
  const child = spawn(
    NODE ?? "",
    [MAIN ?? "", "restore", id, target, "--write-sparse-files", `--config-file=${CONFIG}`],
    { env, stdio: "ignore" },
  );
  const ended = new Promise((resolve) => child.once("close", resolve));
  for (;;) {
    const names = await readdir(target).catch(() => []);
    if (names.length > 5 || child.exitCode !== null) break;
  }
  child.kill("SIGKILL");
  await ended;
  await sejf.ok(["restore", id, target, "--skip-existing"]);
  assert.deepEqual(compareTrees(tree, target).differences, []);
});

test("shallow: expanded by either program, and again the same snapshot", {
  skip: KOPIA_SKIP,
}, async () => {
  await using sejf = await openSources();
  const tree = await prepared(sejf);
  const { id, rootEntry } = await create(sejf, tree);
  await using kopia = await openKopia();
  await kopia.ok(["repository", "connect", "filesystem", "--path", join(sejf.home, "repo")], {
    env: { KOPIA_PASSWORD: "fixture-password" },
  });
  const ours = join(sejf.home, "ours");
  const theirs = join(sejf.home, "theirs");
  await sejf.ok(["restore", id, ours, "--shallow=0"]);
  await kopia.ok(["restore", id, theirs, "--shallow=0"]);
  const names = ["a.txt.kopia-entry", "empty.kopia-entry", "link", "sub.kopia-entry"];
  assert.deepEqual((await readdir(ours)).toSorted(), names);
  assert.deepEqual((await readdir(theirs)).toSorted(), names);
  // A snapshot of the shallow tree is one of the whole tree.
  await rename(tree, join(sejf.home, "whole"));
  await rename(ours, tree);
  assert.equal((await create(sejf, tree)).rootEntry.obj, rootEntry.obj);
  const placeholders = names.filter((name) => name.endsWith(".kopia-entry"));
  await kopia.ok(["restore", ...placeholders.map((name) => join(tree, name)), "--shallow=9"]);
  await sejf.ok(["restore", ...placeholders.map((name) => join(theirs, name)), "--shallow=9"]);
  for (const path of [tree, theirs]) {
    assert.equal(await readFile(join(path, "a.txt"), "utf8"), "hello\n");
    assert.equal((await stat(join(path, "sub", "b <&>.bin"))).size, 300_000);
    assert.ok(!(await readdir(path)).some((name) => name.endsWith(".kopia-entry")));
  }
});
