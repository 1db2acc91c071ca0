import assert from "node:assert/strict";
import { test } from "node:test";
import { SejfError } from "../errors/index.ts";
import type { ContentRef } from "../format/index.ts";
import { type MemoryRepository, memoryRepository } from "../testkit/memory-repository.ts";
import { storeDirectory, storeSnapshot, storeTree, TREE_TIME } from "../testkit/stored-tree.ts";
import {
  type DirEntry,
  listDirectory,
  loadSnapshots,
  summaryOf,
  type VerifyEvent,
  type VerifyProblem,
  type VerifyRoot,
  verifyTrees,
} from "./index.ts";

function rootOf(entry: DirEntry, label = "/"): VerifyRoot {
  return { entry, label };
}

async function childOf(
  repository: MemoryRepository,
  directory: DirEntry,
  name: string,
): Promise<DirEntry> {
  const { entries } = await listDirectory(repository, directory.object);
  const found = entries.find((entry) => entry.name === name);
  assert.ok(found, `${name} is in the directory`);
  return found;
}

function lose(repository: MemoryRepository, entry: DirEntry): void {
  assert.ok(repository.contents.stored.delete(entry.object as string as ContentRef));
}

/** Reading this content fails from now on; the index still names it. */
function damage(repository: MemoryRepository, ref: string): void {
  const before = repository.contents.onRead;
  repository.contents.onRead = (asked) => {
    before?.(asked);
    if (asked === ref) throw new SejfError("SEJF_CORRUPT", `content ${ref} fails authentication`);
  };
}

test("verifyTrees: a whole tree gives Kopia's counts, shared objects once", async () => {
  const repository = memoryRepository();
  const model = {
    "a.txt": "hello",
    sub: { same: "hello", other: "12345678" },
    l: { link: "a.txt" },
  };
  const root = await storeTree(repository, model);
  const result = await verifyTrees(repository, [rootOf(root), rootOf(root)], {
    filesPercent: 100,
  });
  assert.deepEqual([result.problemCount, result.problems, result.hurt], [0, [], []]);
  assert.deepEqual(result.counters, {
    processedObjects: 5,
    processedBytes: 18,
    readFiles: 3,
    readBytes: 18,
    expectedObjects: 12,
    expectedFiles: 6,
    expectedBytes: 36,
  });
});

test("verifyTrees: a lost content names path, object and content, and hurts just the trees that hold it", async () => {
  const repository = memoryRepository();
  const good = await storeTree(repository, { shared: { fine: "fine" }, own: "1" });
  const first = await storeTree(repository, { deep: { er: { lost: "lost bytes" } }, own: "2" });
  const second = await storeTree(repository, { deep: { er: { lost: "lost bytes" } }, own: "3" });
  const deep = await childOf(repository, first, "deep");
  const lost = await childOf(repository, await childOf(repository, deep, "er"), "lost");
  lose(repository, lost);
  const roots = [rootOf(good, "good"), rootOf(first, "first"), rootOf(second, "second")];
  const result = await verifyTrees(repository, roots);
  assert.equal(result.problemCount, 1);
  const { path, object, content, code } = result.problems[0] as VerifyProblem;
  assert.deepEqual(
    [path, object, content, code],
    ["first/deep/er/lost", lost.object, lost.object, "SEJF_CONTENT_NOT_FOUND"],
  );
  assert.deepEqual(
    result.hurt.map(({ root, damaged }) => [root.label, damaged]),
    [
      ["first", 1],
      ["second", 1],
    ],
  );
  assert.ok(result.isBroken(lost.object) && !result.isBroken(deep.object));
});

test("verifyTrees: a directory that cannot be read, or is not one, is a problem of its own", async () => {
  const repository = memoryRepository();
  const root = await storeTree(repository, {
    gone: { a: "a" },
    torn: { b: "b" },
    fine: { c: "c" },
  });
  lose(repository, await childOf(repository, root, "gone"));
  const torn = await childOf(repository, root, "torn");
  repository.contents.stored.set(torn.object as string as ContentRef, new Uint8Array([1, 2, 3]));
  const result = await verifyTrees(repository, [rootOf(root)]);
  assert.deepEqual(result.problems.map(({ path, code }) => `${path} ${code}`).toSorted(), [
    "//gone SEJF_CONTENT_NOT_FOUND",
    "//torn SEJF_CORRUPT",
  ]);
  assert.deepEqual(
    result.hurt.map(({ damaged }) => damaged),
    [2],
  );
});

test("verifyTrees: a damaged content is found only by reading, and then in every file that holds it", async () => {
  const repository = memoryRepository({ splitter: "FIXED-1M" });
  const block = "x".repeat(1 << 20);
  const root = await storeTree(repository, {
    one: `${block}first`,
    two: `${block}second`,
    sub: { plain: block, other: "other" },
  });
  const plain = await childOf(repository, await childOf(repository, root, "sub"), "plain");
  damage(repository, plain.object);
  const unread = await verifyTrees(repository, [rootOf(root)]);
  assert.equal(unread.problemCount, 0);
  const read = await verifyTrees(repository, [rootOf(root)], { filesPercent: 100 });
  assert.deepEqual(read.problems.map(({ path }) => path).toSorted(), [
    "//one",
    "//sub/plain",
    "//two",
  ]);
  assert.deepEqual(
    read.hurt.map(({ damaged }) => damaged),
    [3],
  );
});

test("verifyTrees: an entry with another size than its content cannot be restored", async () => {
  const repository = memoryRepository();
  const tree = await storeTree(repository, { file: "12345" });
  const file = await childOf(repository, tree, "file");
  const wrong = { ...file, sizeBytes: 6 };
  const root = await storeDirectory(repository, "tree", [wrong], summaryOf([wrong], TREE_TIME));
  const { problems } = await verifyTrees(repository, [rootOf(root)]);
  assert.match(problems[0]?.message ?? "", /is 5 bytes, its directory entry says 6/);
});

test("verifyTrees: compressed objects of index version 1 are read through", async () => {
  const repository = memoryRepository({ indexVersion: 1 });
  const { writeObject } = await import("../object/index.ts");
  const { id } = await writeObject(repository.contents, "z".repeat(5000), {
    format: repository.parameters,
    prefix: "",
    compressor: 0x1500,
  });
  assert.match(id, /^Z/);
  const tree = await storeTree(repository, { file: "12345" });
  const file = { ...(await childOf(repository, tree, "file")), object: id, sizeBytes: 5000 };
  const root = await storeDirectory(repository, "tree", [file], summaryOf([file], TREE_TIME));
  const whole = await verifyTrees(repository, [rootOf(root)], { filesPercent: 100 });
  assert.deepEqual([whole.problemCount, whole.counters.readBytes], [0, 5000]);
  const ref = id.slice(1) as ContentRef;
  repository.contents.stored.set(ref, repository.contents.stored.get(ref)!.slice(0, 20));
  const torn = await verifyTrees(repository, [rootOf(root)], { filesPercent: 100 });
  assert.equal(torn.problems[0]?.object, id);
});

test("verifyTrees: maxErrors ends it early, 0 and absence do not", async () => {
  const repository = memoryRepository();
  const model = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`f${at}`, `text ${at}`]));
  const root = await storeTree(repository, model);
  const { entries } = await listDirectory(repository, root.object);
  for (const entry of entries) lose(repository, entry);
  for (const [maxErrors, expected] of [
    [3, 3],
    [0, 20],
    [undefined, 20],
  ]) {
    const result = await verifyTrees(repository, [rootOf(root)], { maxErrors });
    assert.deepEqual([result.problemCount, result.hurt.length], [expected, 1]);
  }
});

test("verifyTrees: a share of the files is chosen by chance, and told with the progress", async () => {
  const repository = memoryRepository();
  const model = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`f${at}`, `text ${at}`]));
  const root = await storeTree(repository, model);
  const events: VerifyEvent["kind"][] = [];
  let turn = 0;
  const { counters } = await verifyTrees(repository, [rootOf(root)], {
    filesPercent: 25,
    random: () => (turn++ % 4) / 4,
    onEvent: ({ kind }) => events.push(kind),
  });
  assert.equal(counters.readFiles, 10);
  assert.ok(events.includes("progress") && !events.includes("listed"));
  await assert.rejects(verifyTrees(repository, [], { filesPercent: 101 }), {
    code: "SEJF_INVALID_ARGUMENT",
  });
});

test("verifyTrees: an abort is thrown, not taken for damage", async () => {
  const repository = memoryRepository();
  const root = await storeTree(repository, { a: { b: "c" } });
  const stop = new AbortController();
  repository.contents.onRead = () => stop.abort(new SejfError("SEJF_CANCELLED", "stopped"));
  await assert.rejects(verifyTrees(repository, [rootOf(root)], { signal: stop.signal }), {
    code: "SEJF_CANCELLED",
  });
});

test("loadSnapshots: one that cannot be read is told of, the others are there", async () => {
  const repository = memoryRepository();
  const root = await storeTree(repository, { a: "a" });
  const good = await storeSnapshot(repository, root);
  const labels = { type: "snapshot", hostname: "host", username: "user", path: "/tree" };
  const bad = await repository.manifests.put(labels, { source: 5 });
  const { snapshots, unreadable } = await loadSnapshots(repository, { path: "/tree" });
  assert.deepEqual(
    [snapshots.map(({ id }) => id), unreadable.map(({ id }) => id)],
    [[good.id], [bad]],
  );
});
