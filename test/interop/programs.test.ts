/**
 * sejf and a real kopia on one repository, in both directions, for every format version and many combinations of
 * algorithms: what one wrote the other lists, verifies and restores, and finds unchanged on its next snapshot.
 */
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees } from "../../scripts/compare-trees.ts";
import {
  type CommandClient,
  KOPIA_SKIP,
  openKopia,
  openSejf,
  SEJF_EXE,
} from "../../src/testkit/kopia.ts";
import { temporaryDirectory } from "../../src/testkit/temp.ts";
import { writeSampleTree } from "./sample-tree.ts";

const COMBINATIONS: readonly (readonly string[])[] = [
  [],
  [
    "--block-hash=BLAKE2B-256-128",
    "--encryption=AES256-GCM-HMAC-SHA256",
    "--object-splitter=DYNAMIC-128K-BUZHASH",
  ],
  [
    "--block-hash=BLAKE3-256-128",
    "--encryption=CHACHA20-POLY1305-HMAC-SHA256",
    "--object-splitter=FIXED-1M",
  ],
  ["--block-hash=BLAKE2S-128", "--object-splitter=DYNAMIC-1M-RABINKARP"],
  [
    "--block-hash=HMAC-SHA3-224",
    "--encryption=CHACHA20-POLY1305-HMAC-SHA256",
    "--format-version=2",
  ],
  [
    "--block-hash=HMAC-SHA256",
    "--ecc=REED-SOLOMON-CRC32",
    "--ecc-overhead-percent=5",
    "--object-splitter=FIXED-512K",
  ],
  [
    "--block-hash=BLAKE2S-256",
    "--ecc=REED-SOLOMON-CRC32",
    "--ecc-overhead-percent=2",
    "--format-version=2",
  ],
  ["--block-hash=HMAC-SHA256-128", "--format-version=1", "--object-splitter=DYNAMIC-128K-BUZHASH"],
  ["--block-hash=HMAC-SHA224", "--format-version=1", "--encryption=CHACHA20-POLY1305-HMAC-SHA256"],
];
const QUIET = ["--no-progress"];
const KOPIA_SNAPSHOT = ["--no-auto-maintenance", "--no-send-snapshot-report", ...QUIET];

interface SnapshotJson {
  readonly id: string;
  readonly rootEntry: { readonly obj: string };
}

async function snapshot(client: CommandClient, tree: string): Promise<SnapshotJson> {
  return await client.json<SnapshotJson>(["snapshot", "create", tree, "--json", ...KOPIA_SNAPSHOT]);
}

async function restoreAndCompare(client: CommandClient, id: string, tree: string): Promise<void> {
  const target = join(client.home.path, `restored-${id}`);
  await client.ok(["restore", id, target, ...QUIET]);
  const { compared, differences } = compareTrees(tree, target);
  const exact = client.exe === SEJF_EXE;
  assert.deepEqual(
    differences.filter((line) => exact || !isKopiaTime(line)),
    [],
  );
  assert.ok(compared > 300);
}

/** Kopia gives a subdirectory the newest time below it instead of its own, and symlinks microseconds. */
function isKopiaTime(line: string): boolean {
  return /\/(?:docs|deep|er|big|empty|odd <&> names|link|broken|folder-link): time /.test(line);
}

async function contents(client: CommandClient): Promise<readonly string[]> {
  const list = await client.json<readonly { readonly contentID: string }[]>([
    "content",
    "list",
    "--json",
  ]);
  return list.map((content) => content.contentID).toSorted();
}

async function checkByKopia(kopia: CommandClient): Promise<void> {
  await kopia.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  await kopia.ok(["content", "verify", "--full"]);
  await kopia.ok(["blob", "list"]);
  await kopia.ok(["manifest", "list"]);
  await kopia.ok(["index", "list"]);
}

for (const flags of COMBINATIONS) {
  test(`sejf writes, kopia reads and goes on: ${flags.join(" ") || "defaults"}`, {
    skip: KOPIA_SKIP,
  }, async () => {
    await using folder = await temporaryDirectory("interop");
    await using sejf = await openSejf();
    await using kopia = await openKopia();
    const tree = join(folder.path, "tree");
    const path = join(folder.path, "repository");
    mkdirSync(tree);
    mkdirSync(path);
    await writeSampleTree(tree);
    await sejf.ok(["repository", "create", "filesystem", "--path", path, ...flags]);
    const ours = await snapshot(sejf, tree);
    await kopia.ok(["repository", "connect", "filesystem", "--path", path]);
    await checkByKopia(kopia);
    await restoreAndCompare(kopia, ours.id, tree);
    const shown = await kopia.ok(["show", `${ours.rootEntry.obj}/hello.txt`]);
    assert.equal(shown.stdout, "hello kopia\n");

    const before = await contents(kopia);
    const theirs = await snapshot(kopia, tree);
    assert.equal(theirs.rootEntry.obj, ours.rootEntry.obj);
    const added = (await contents(kopia)).filter((id) => !before.includes(id));
    assert.deepEqual(
      added.filter((id) => !id.startsWith("m")),
      [],
    );

    appendFileSync(join(tree, "hello.txt"), "changed\n");
    writeFileSync(join(tree, "docs/new"), "new");
    const next = await snapshot(sejf, tree);
    const again = await snapshot(kopia, tree);
    assert.equal(next.rootEntry.obj, again.rootEntry.obj);
    await checkByKopia(kopia);
    await restoreAndCompare(kopia, next.id, tree);
    await restoreAndCompare(sejf, again.id, tree);
  });

  test(`kopia writes, sejf reads and goes on: ${flags.join(" ") || "defaults"}`, {
    skip: KOPIA_SKIP,
  }, async () => {
    await using folder = await temporaryDirectory("interop");
    await using sejf = await openSejf();
    await using kopia = await openKopia();
    const tree = join(folder.path, "tree");
    const path = join(folder.path, "repository");
    mkdirSync(tree);
    mkdirSync(path);
    await writeSampleTree(tree);
    await kopia.ok(["repository", "create", "filesystem", "--path", path, ...flags]);
    await kopia.ok(["policy", "set", "--global", "--compression=zstd"]);
    const theirs = await snapshot(kopia, tree);
    await sejf.ok(["repository", "connect", "filesystem", "--path", path]);
    await sejf.ok(["content", "verify", "--full"]);
    await restoreAndCompare(sejf, theirs.id, tree);
    const listed = await sejf.json<readonly SnapshotJson[]>([
      "snapshot",
      "list",
      "--all",
      "--json",
    ]);
    assert.deepEqual(
      listed.map((item) => item.id),
      [theirs.id],
    );
    const before = await contents(sejf);
    const ours = await snapshot(sejf, tree);
    assert.equal(ours.rootEntry.obj, theirs.rootEntry.obj);
    const added = (await contents(sejf)).filter((id) => !before.includes(id));
    assert.deepEqual(
      added.filter((id) => !id.startsWith("m")),
      [],
    );
    await checkByKopia(kopia);
  });
}

test("both write one repository at the same time, nothing is lost", {
  skip: KOPIA_SKIP,
}, async () => {
  await using folder = await temporaryDirectory("interop");
  await using sejf = await openSejf();
  await using kopia = await openKopia();
  const path = join(folder.path, "repository");
  mkdirSync(path);
  await sejf.ok(["repository", "create", "filesystem", "--path", path]);
  await kopia.ok(["repository", "connect", "filesystem", "--path", path]);
  const write = async (client: CommandClient, name: string): Promise<readonly SnapshotJson[]> => {
    const tree = join(folder.path, name);
    mkdirSync(tree);
    await writeSampleTree(tree);
    const made: SnapshotJson[] = [];
    for (let round = 0; round < 4; round++) {
      writeFileSync(join(tree, `round-${round}`), `${name} ${round}`.repeat(1000));
      made.push(await snapshot(client, tree));
    }
    return made;
  };
  const [ours, theirs] = await Promise.all([write(sejf, "a"), write(kopia, "b")]);
  for (const client of [sejf, kopia]) {
    const listed = await client.json<readonly SnapshotJson[]>([
      "snapshot",
      "list",
      "--all",
      "--json",
    ]);
    assert.deepEqual(
      listed.map((item) => item.id).toSorted(),
      [...ours, ...theirs].map((item) => item.id).toSorted(),
    );
  }
  await checkByKopia(kopia);
  await sejf.ok(["content", "verify", "--full"]);
});
