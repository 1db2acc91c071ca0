/** Trees that no honest writer makes, before everything that walks stored trees: each ends, none exhausts the stack. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { before, test } from "node:test";
import { collect, utf8ToBytes } from "../bytes/index.ts";
import type { ContentRef } from "../format/index.ts";
import type { ObjectId } from "../object/index.ts";
import { type MemoryRepository, memoryRepository } from "../testkit/memory-repository.ts";
import { storeSnapshot } from "../testkit/stored-tree.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import { directory, file, raw } from "../testkit/tree-builder.ts";
import {
  type DirEntry,
  diffTrees,
  fixSnapshots,
  migrateSource,
  removalOf,
  restoreToArchive,
  restoreTree,
  verifyTrees,
  walkTree,
} from "./index.ts";

/** Ten times what a stack of calls holds. */
const LEVELS = 100_000;
const CORRUPT = { code: "SEJF_CORRUPT" };
const SOURCE = { username: "user", hostname: "host", path: "/tree" };

const repository = memoryRepository();
let deep: DirEntry;
let otherDeep: DirEntry;
let cyclic: DirEntry;
let otherCyclic: DirEntry;

async function nested(leaf: string, levels: number): Promise<DirEntry> {
  const { summary: _, ...bottom } = await directory(repository, "d", [
    await file(repository, "f", leaf),
  ]);
  let entry: DirEntry = bottom;
  for (let level = 0; level < levels; level++) {
    const ref = repository.contents.put(utf8ToBytes(raw([entry])), "k");
    entry = { ...entry, object: ref as string as ObjectId };
  }
  return entry;
}

/** A directory that holds itself, twice: its listing is put in after its ID is known, as no writer could. */
async function insideItself(label: string): Promise<DirEntry> {
  const root = await directory(repository, "root", [await file(repository, label, label)]);
  const inner = ["a", "b"].map((name) => ({ ...root, name }));
  const key = root.object as string as ContentRef;
  repository.contents.stored.set(key, utf8ToBytes(raw(inner)));
  return root;
}

before(async () => {
  [deep, otherDeep] = [await nested("one", LEVELS), await nested("two", LEVELS / 10)];
  [cyclic, otherCyclic] = [await insideItself("one"), await insideItself("two")];
});

function hostile(): readonly DirEntry[] {
  return [deep, cyclic];
}

test("walkTree, diffTrees: what is too deep or lies inside itself is SEJF_CORRUPT", async () => {
  for (const root of hostile()) await assert.rejects(collect(walkTree(repository, root)), CORRUPT);
  const { differences } = diffTrees(repository, deep, otherDeep);
  await assert.rejects(collect(differences), CORRUPT);
  await assert.rejects(collect(diffTrees(repository, cyclic, otherCyclic).differences), CORRUPT);
});

test("verifyTrees: each directory once; what is too deep is a problem", async () => {
  const verify = async (entry: DirEntry): Promise<number> =>
    (await verifyTrees(repository, [{ entry, label: "" }], { filesPercent: 100 })).problemCount;
  assert.equal(await verify(deep), 1);
  assert.equal(await verify(cyclic), 0);
});

test("restores to a folder and to archives end, and with ignoreErrors restore what there is", async () => {
  for (const root of hostile()) {
    await using temp = await temporaryDirectory("hostile");
    try {
      const target = `${temp.path}/t`;
      // The system's own limit on paths may come first.
      const code = root === deep ? /^SEJF_(CORRUPT|IO)$/ : /^SEJF_CORRUPT$/;
      await assert.rejects(restoreTree(repository, root, target, { skipOwners: true }), { code });
      for (const format of root === deep ? (["tar"] as const) : (["tar", "zip"] as const))
        await assert.rejects(
          restoreToArchive(repository, root, `${target}.x`, { format }),
          CORRUPT,
        );
      if (root === deep) continue;
      const options = { skipOwners: true, ignoreErrors: true };
      const { errors } = await restoreTree(repository, root, `${temp.path}/u`, options);
      assert.equal(errors, 2);
    } finally {
      execFileSync("rm", ["-rf", `${temp.path}/t`, `${temp.path}/u`]);
    }
  }
});

test("fixSnapshots: ends, with a failure where that is asked for", async () => {
  for (const root of hostile()) {
    const snapshot = await storeSnapshot(repository, root);
    const rules = { reasonToRemove: removalOf([], ["f"]), onRemove: "remove" } as const;
    const fix = async (onUnreadableDirectory: "fail" | "keep"): Promise<unknown> =>
      await collect(
        fixSnapshots(
          repository,
          [snapshot],
          { ...rules, onUnreadableDirectory },
          { commit: false },
        ),
      );
    await assert.rejects(fix("fail"), CORRUPT);
    await fix("keep");
  }
});

test("migrateSource: ends, and tells what it left out", async () => {
  for (const root of hostile()) {
    const from: MemoryRepository = memoryRepository();
    for (const [ref, data] of repository.contents.stored) from.contents.stored.set(ref, data);
    for (const ref of from.contents.stored.keys())
      if (ref.startsWith("m")) from.contents.stored.delete(ref);
    await storeSnapshot(from, root);
    let errors = 0;
    await migrateSource(from, memoryRepository(), SOURCE, {
      onEvent: ({ kind }) => {
        if (kind === "error") errors++;
      },
    });
    assert.equal(errors, root === deep ? 1 : 2);
  }
});
