/** Devices, FIFOs and sockets in a tree: both programs see the same tree and say the same of them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { KOPIA_SKIP, openKopia, openSejf } from "../../src/testkit/kopia.ts";
import { temporaryDirectory } from "../../src/testkit/temp.ts";

const DEVICE_SKIP = process.getuid?.() === 0 ? false : "only root can make devices";
const QUIET = ["--no-auto-maintenance", "--no-send-snapshot-report", "--no-progress"];

interface SnapshotJson {
  readonly rootEntry: {
    readonly obj: string;
    readonly summ: {
      readonly files: number;
      readonly numFailed: number;
      readonly errors?: readonly { readonly path: string; readonly error: string }[];
    };
  };
}

function makeTree(tree: string): void {
  mkdirSync(join(tree, "sub"), { recursive: true });
  writeFileSync(join(tree, "sub/file"), "x");
  linkSync(join(tree, "sub/file"), join(tree, "same"));
  symlinkSync("character", join(tree, "to-device"));
  execFileSync("mkfifo", [join(tree, "pipe"), join(tree, "sub/pipe")]);
  execFileSync("mknod", [join(tree, "character"), "c", "1", "5"]);
  execFileSync("mknod", [join(tree, "sub/block"), "b", "7", "250"]);
}

test("devices, FIFOs and sockets: the same objects and the same errors as kopia's", {
  skip: KOPIA_SKIP || DEVICE_SKIP,
}, async () => {
  await using folder = await temporaryDirectory("special");
  await using sejf = await openSejf();
  await using kopia = await openKopia();
  const [path, tree] = [join(folder.path, "repository"), join(folder.path, "tree")];
  mkdirSync(path);
  makeTree(tree);
  const server = createServer().listen(join(tree, "socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  try {
    await kopia.ok(["repository", "create", "filesystem", "--path", path]);
    await sejf.ok(["repository", "connect", "filesystem", "--path", path]);
    const create = ["snapshot", "create", tree, "--json", "--force-hash=100", ...QUIET];
    const theirs = await kopia.json<SnapshotJson>(create);
    const ours = await sejf.json<SnapshotJson>(create);
    assert.equal(ours.rootEntry.obj, theirs.rootEntry.obj);
    assert.deepEqual([ours.rootEntry.summ.files, ours.rootEntry.summ.numFailed], [2, 0]);

    await kopia.ok(["policy", "set", tree, "--ignore-unknown-types=false"]);
    const [strict, told] = [await kopia.run(create), await sejf.run(create)];
    assert.notEqual(strict.exitCode, 0);
    assert.notEqual(told.exitCode, 0);
    const listed = await kopia.json<readonly SnapshotJson[]>(["snapshot", "list", tree, "--json"]);
    const [kopiaFailed, failed] = listed.slice(-2);
    assert.equal(failed?.rootEntry.obj, kopiaFailed?.rootEntry.obj);
    assert.deepEqual(
      failed?.rootEntry.summ.errors?.map((one) => one.path),
      ["character", "pipe", "socket", "sub/block", "sub/pipe"],
    );
    for (const device of [join(tree, "character"), join(tree, "pipe")])
      assert.notEqual((await sejf.run(["snapshot", "create", device, ...QUIET])).exitCode, 0);
  } finally {
    server.close();
  }
});
