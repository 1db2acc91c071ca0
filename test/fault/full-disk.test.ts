/**
 * A full disk under the repository, the cache, a restore and the log: said as such, with status 1 where the work could
 * not be done, and everything goes on once there is room. The small file system belongs to a process of the test.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type CommandResult, runCommand } from "../../src/testkit/kopia.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { openSources, type SourcesClient } from "../cli/support.ts";
import { assertWhole, differences, digestTree, listed, restored, writeTree } from "./support.ts";

const UNSHARE = ["--user", "--map-root-user", "--mount"] as const;
const MOUNT = 'mount -t tmpfs -o "size=$2" none "$1" && echo ready && exec cat';

const CANNOT_MOUNT: string | false = cannotMount();

function cannotMount(): string | false {
  if (process.platform !== "linux") return "no mount namespaces";
  const tried = spawnSync("unshare", [...UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"]);
  return tried.status === 0 ? false : "no file system may be mounted here";
}

/** A mounted file system of `size`, seen by everybody through its holder's root. */
class SmallDisk implements AsyncDisposable {
  readonly path: string;
  readonly #holder: ChildProcess;

  private constructor(path: string, holder: ChildProcess) {
    this.path = path;
    this.#holder = holder;
  }

  static async open(home: string, size: string): Promise<SmallDisk> {
    const mountPoint = join(home, "mount point");
    mkdirSync(mountPoint, { recursive: true });
    const holder = spawn("unshare", [...UNSHARE, "sh", "-c", MOUNT, "sh", mountPoint, size], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    if (holder.stdout === null) throw new Error("no pipe");
    await once(holder.stdout, "data");
    return new SmallDisk(`/proc/${holder.pid}/root${mountPoint}`, holder);
  }

  /** Takes all room but `leave` bytes; `makeRoom` gives it back. */
  fill(leave = 0): void {
    spawnSync("dd", ["if=/dev/zero", `of=${join(this.path, "ballast")}`, "bs=4k"]);
    if (leave > 0) spawnSync("truncate", ["-s", `-${leave}`, join(this.path, "ballast")]);
  }

  makeRoom(): void {
    rmSync(join(this.path, "ballast"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#holder, "close");
    this.#holder.stdin?.end();
    await ended;
  }
}

function assertSaysFull(result: CommandResult): void {
  assert.equal(result.exitCode, 1, result.stderr);
  assert.match(result.stderr, /sejf: error: .*no space left on device/);
  assert.match(result.stderr, /\n {2}hint: free some space/);
  assert.doesNotMatch(result.stderr, /unexpected failure|\n\s+at /);
}

interface Setting extends AsyncDisposable {
  readonly sejf: SourcesClient;
  readonly disk: SmallDisk;
  readonly tree: string;
}

async function openSetting(size: string, env?: Record<string, string>): Promise<Setting> {
  const stack = new AsyncDisposableStack();
  const sejf = stack.use(await openSources(env));
  const disk = stack.use(await SmallDisk.open(sejf.home, size));
  const tree = join(sejf.home, "tree");
  mkdirSync(tree);
  writeTree(tree, new SeededRandom(3), { files: 200, big: 1, bigBytes: 1_000_000 });
  return { sejf, disk, tree, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function create(sejf: SourcesClient, tree: string): Promise<string> {
  const { id } = await sejf.json<{ readonly id: string }>(["snapshot", "create", tree, "--json"]);
  return id;
}

test("a full repository: what was flushed stays readable, and with room the next run completes", {
  skip: CANNOT_MOUNT,
}, async () => {
  await using setting = await openSetting("20m");
  const { sejf, disk, tree } = setting;
  const path = join(disk.path, "repo");
  await sejf.ok(["repository", "create", "filesystem", "--path", path]);
  const before = digestTree(tree);
  const id = await create(sejf, tree);
  writeFileSync(join(tree, "big 1"), new SeededRandom(4).bytes(6_000_000));
  for (const leave of [0, 3_000_000]) {
    disk.fill(leave);
    assertSaysFull(await sejf.run(["snapshot", "create", tree]));
    assert.deepEqual(differences(before, await restored(sejf, id)), []);
    await assertWhole(sejf);
    disk.makeRoom();
  }
  const next = await create(sejf, tree);
  assert.deepEqual(differences(digestTree(tree), await restored(sejf, next)), []);
  await assertWhole(sejf);
  assert.deepEqual(
    (await listed(sejf)).map((snapshot) => snapshot.id),
    [id, next],
  );
});

test("a full disk at set-parameters and change-password: the repository opens", {
  skip: CANNOT_MOUNT,
}, async () => {
  await using setting = await openSetting("20m");
  const { sejf, disk, tree } = setting;
  await sejf.ok(["repository", "create", "filesystem", "--path", join(disk.path, "repo")]);
  const id = await create(sejf, tree);
  disk.fill();
  assertSaysFull(await sejf.run(["repository", "set-parameters", "--max-pack-size-mb=30"]));
  const changed = await sejf.run(["repository", "change-password", "--new-password=second"]);
  const env = { SEJF_PASSWORD: changed.exitCode === 0 ? "second" : "fixture-password" };
  await sejf.ok(["snapshot", "verify", "--verify-files-percent=100"], { env });
  disk.makeRoom();
  await sejf.ok(["repository", "change-password", "--new-password=fixture-password"], { env });
  assert.deepEqual(differences(digestTree(tree), await restored(sejf, id)), []);
});

test("a full cache: every command goes on without it", { skip: CANNOT_MOUNT }, async () => {
  await using setting = await openSetting("1m");
  const { sejf, disk, tree } = setting;
  const env = { SEJF_CACHE_DIRECTORY: join(disk.path, "cache") };
  const path = join(sejf.home, "repo");
  await sejf.ok(["repository", "create", "filesystem", "--path", path], { env });
  disk.fill();
  const { id } = await sejf.json<{ readonly id: string }>(["snapshot", "create", tree, "--json"], {
    env,
  });
  assert.deepEqual(differences(digestTree(tree), await restored(sejf, id)), []);
  await assertWhole(sejf);
});

test("a full target of a restore: said as such, and with room it completes", {
  skip: CANNOT_MOUNT,
}, async () => {
  await using setting = await openSetting("20m");
  const { sejf, disk, tree } = setting;
  await sejf.ok(["repository", "create", "filesystem", "--path", join(sejf.home, "repo")]);
  const id = await create(sejf, tree);
  const target = join(disk.path, "target");
  disk.fill(600_000);
  assertSaysFull(await sejf.run(["restore", id, target]));
  assertSaysFull(await sejf.run(["restore", id, target, "--write-files-atomically"]));
  disk.makeRoom();
  await sejf.ok(["restore", id, target, "--skip-existing"]);
  assert.deepEqual(differences(digestTree(tree), digestTree(target)), []);
});

test("a full disk under the log: the command does its work and says that it keeps no log", {
  skip: CANNOT_MOUNT,
}, async () => {
  await using setting = await openSetting("1m");
  const { sejf, disk, tree } = setting;
  await sejf.ok(["repository", "create", "filesystem", "--path", join(sejf.home, "repo")]);
  disk.fill();
  const env = { SEJF_LOG_DIR: join(disk.path, "logs") };
  const made = await sejf.ok(["snapshot", "create", tree], { env });
  assert.match(made.stderr, /log/);
  assert.doesNotMatch(made.stderr, /unexpected failure|\n\s+at /);
  const [snapshot] = await listed(sejf);
  assert.ok(snapshot !== undefined && snapshot.incomplete === undefined);
});

test("a connection file on a full disk: said as such", { skip: CANNOT_MOUNT }, async () => {
  await using setting = await openSetting("1m");
  const { sejf, disk } = setting;
  const path = join(sejf.home, "repo");
  await sejf.ok(["repository", "create", "filesystem", "--path", path]);
  disk.fill();
  const { NODE = "", MAIN = "", ...env } = sejf.environment();
  const config = `--config-file=${join(disk.path, "new.config")}`;
  const args = [MAIN, "repository", "connect", "filesystem", "--path", path, config];
  assertSaysFull(await runCommand(NODE, args, { env }));
});
