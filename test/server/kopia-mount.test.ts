/** A kopia client mounts what it has on our server, and reads it through the kernel. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { type CommandClient, KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { openServerHome, SejfServer } from "../../src/testkit/sejf-server.ts";

const MOUNT_SKIP: string | false =
  KOPIA_SKIP ||
  (existsSync("/dev/fuse") && spawnSync("fusermount3", ["-V"]).status === 0
    ? false
    : "no FUSE on this machine: /dev/fuse or fusermount3 is missing");
const TRIES = 200;

test("a kopia client mounts its snapshots on our server and reads them", {
  skip: MOUNT_SKIP,
}, async () => {
  await using sejf = await openServerHome({ "alice@laptop": "alice-pw" });
  await using server = await SejfServer.start(sejf);
  await using kopia = await openKopia({ password: "alice-pw" });
  await server.connect(kopia, "alice@laptop", "alice-pw");
  const tree = join(kopia.home.path, "tree");
  await mkdir(join(tree, "folder"), { recursive: true });
  const big = new SeededRandom(5).bytes(9_000_000);
  await writeFile(join(tree, "folder", "big"), big);
  await writeFile(join(tree, "small"), "zażółć");
  await kopia.ok(["snapshot", "create", tree]);
  const target = join(kopia.home.path, "mounted");
  await mkdir(target);
  const mounting = mount(kopia, target);
  try {
    const snapshot = await firstSnapshot(target, mounting);
    assert.deepEqual(readdirSync(snapshot).toSorted(), ["folder", "small"]);
    assert.equal(await readFile(join(snapshot, "small"), "utf8"), "zażółć");
    assert.equal(Buffer.compare(await readFile(join(snapshot, "folder", "big")), big), 0);
  } finally {
    spawnSync("fusermount3", ["-u", target]);
    await mounting.ended;
  }
});

interface Mounting {
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
}

function mount(kopia: CommandClient, target: string): Mounting {
  const args = ["mount", "all", target, `--config-file=${kopia.configFile}`];
  const child = spawn(kopia.exe, args, { env: kopia.env, stdio: "ignore" });
  return { process: child, ended: new Promise((resolve) => child.once("close", () => resolve())) };
}

/** All sources, each with its snapshots, lie below the mounted folder. */
async function firstSnapshot(target: string, { process: child }: Mounting): Promise<string> {
  for (let i = 0; i < TRIES && child.exitCode === null; i++) {
    let path = target;
    for (let depth = 0; depth < 3; depth++) {
      const name = readdirSync(path).find((each) => !each.startsWith("."));
      if (name === undefined) break;
      path = join(path, name);
      if (depth === 2) return path;
    }
    await wait(50);
  }
  throw new Error(`nothing was mounted; kopia's exit status is ${child.exitCode}`);
}
