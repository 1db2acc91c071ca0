import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type MemoryRepository, memoryRepository } from "../testkit/memory-repository.ts";
import { numRuns } from "../testkit/property.ts";
import { storeDirectory, storeTree, TREE_TIME, type TreeModel } from "../testkit/stored-tree.ts";
import { treeModels } from "../testkit/tree-arbitrary.ts";
import {
  type DiffCounts,
  type Difference,
  type DirEntry,
  diffTrees,
  listDirectory,
  summaryOf,
} from "./index.ts";

async function diff(
  repository: MemoryRepository,
  before: DirEntry,
  after: DirEntry,
): Promise<{ readonly lines: readonly Difference[]; readonly counts: DiffCounts }> {
  const { differences, counts } = diffTrees(repository, before, after);
  const lines: Difference[] = [];
  for await (const page of differences) lines.push(...page);
  return { lines, counts };
}

/** Paths with what is there: `./a` → `file text`. Directories too. */
function flat(model: TreeModel, path = "."): Map<string, string> {
  const all = new Map<string, string>();
  for (const [name, value] of Object.entries(model)) {
    const at = `${path}/${name}`;
    if (typeof value === "string") all.set(at, `file ${value}`);
    else if (typeof value["link"] === "string") all.set(at, `link ${value["link"]}`);
    else {
      all.set(at, "directory");
      for (const [below, what] of flat(value as TreeModel, at)) all.set(below, what);
    }
  }
  return all;
}

function pathsOf(lines: readonly Difference[], kind: Difference["kind"]): readonly string[] {
  return lines.filter((line) => line.kind === kind).map(({ path }) => path);
}

/** Below something whose type changed nothing is told, as Kopia has it. */
function isBelowTypeChange(path: string, a: Map<string, string>, b: Map<string, string>): boolean {
  const parts = path.split("/");
  for (let length = 1; length < parts.length; length++) {
    const above = parts.slice(0, length).join("/");
    const [left, right] = [a.get(above), b.get(above)];
    if (left !== undefined && right !== undefined && left !== right) return true;
  }
  return false;
}

test("diffTrees: any two trees differ in what was added, removed and changed, and in nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(treeModels, treeModels, async (left, right) => {
      const repository = memoryRepository();
      const [before, after] = [
        await storeTree(repository, left),
        await storeTree(repository, right),
      ];
      const { lines, counts } = await diff(repository, before, after);
      const [a, b] = [flat(left), flat(right)];
      const seen = ([path]: [string, string]): boolean => !isBelowTypeChange(path, a, b);
      const onlyIn = (one: Map<string, string>, other: Map<string, string>): string[] =>
        [...one]
          .filter(([path]) => !other.has(path))
          .filter(seen)
          .map(([path]) => path)
          .toSorted();
      assert.deepEqual(pathsOf(lines, "added").toSorted(), onlyIn(b, a));
      assert.deepEqual(pathsOf(lines, "removed").toSorted(), onlyIn(a, b));
      const changedFiles = [...a].filter(
        ([path, what]) =>
          what.startsWith("file") &&
          b.get(path)?.startsWith("file") === true &&
          b.get(path) !== what,
      );
      const contents = lines.filter((line) => line.kind === "content" && line.before.type === "f");
      assert.deepEqual(
        contents.map(({ path }) => path).toSorted(),
        changedFiles
          .filter(seen)
          .map(([path]) => path)
          .toSorted(),
      );
      const { added, removed } = counts.fileEntries;
      assert.equal(added + counts.directoryEntries.added, onlyIn(b, a).length);
      assert.equal(removed + counts.directoryEntries.removed, onlyIn(a, b).length);
    }),
    { numRuns: numRuns() },
  );
});

test("diffTrees: a tree does not differ from itself; there and back, added and removed change places", async () => {
  await fc.assert(
    fc.asyncProperty(treeModels, treeModels, async (left, right) => {
      const repository = memoryRepository();
      const [a, b] = [await storeTree(repository, left), await storeTree(repository, right)];
      assert.deepEqual((await diff(repository, a, a)).lines, []);
      const [there, back] = [await diff(repository, a, b), await diff(repository, b, a)];
      for (const kind of ["fileEntries", "directoryEntries"] as const) {
        assert.equal(there.counts[kind].added, back.counts[kind].removed);
        assert.equal(there.counts[kind].removed, back.counts[kind].added);
        assert.equal(there.counts[kind].modified, back.counts[kind].modified);
      }
    }),
    { numRuns: numRuns() },
  );
});

async function withEntries(
  repository: MemoryRepository,
  change: (entry: DirEntry) => DirEntry,
  model: TreeModel = { file: "text", sub: { deep: "1" } },
): Promise<readonly [DirEntry, DirEntry]> {
  const before = await storeTree(repository, model);
  const { entries } = await listDirectory(repository, before.object);
  const changed = entries.map(change);
  const summary = summaryOf(changed, TREE_TIME);
  return [before, await storeDirectory(repository, "tree", changed, summary)];
}

test("diffTrees: the same content with other metadata is only counted", async () => {
  const repository = memoryRepository();
  const [before, after] = await withEntries(repository, (entry) =>
    entry.type === "d" ? entry : { ...entry, mode: 0o600, uid: 7, gid: 8 },
  );
  const { lines, counts } = await diff(repository, before, after);
  assert.deepEqual(lines, []);
  assert.deepEqual(counts.fileEntries, {
    added: 0,
    removed: 0,
    modified: 0,
    sameContentButDifferentMetadata: 1,
    sameContentButDifferentMode: 1,
    sameContentButDifferentModificationTime: 0,
    sameContentButDifferentUserOwner: 1,
    sameContentButDifferentGroupOwner: 1,
  });
});

test("diffTrees: a changed file with other metadata counts twice, as in Kopia", async () => {
  const repository = memoryRepository();
  const before = await storeTree(repository, { file: "text" });
  const after = await storeTree(repository, { file: "longer text" });
  const { lines, counts } = await diff(repository, before, after);
  assert.deepEqual(
    lines.map((line) => [line.kind, line.path, line.kind === "metadata" ? line.field : ""]),
    [
      ["metadata", "./file", "size"],
      ["content", "./file", ""],
    ],
  );
  assert.deepEqual([counts.fileEntries.modified, counts.directoryEntries.modified], [2, 0]);
});

test("diffTrees: a symlink that leads elsewhere never goes unseen", async () => {
  const repository = memoryRepository();
  const before = await storeTree(repository, { l: { link: "one" } });
  const after = await storeTree(repository, { l: { link: "two" } });
  const { lines } = await diff(repository, before, after);
  assert.deepEqual(pathsOf(lines, "content"), ["./l"]);
});

test("diffTrees: a directory is not compared with a file", () => {
  const repository = memoryRepository();
  const file = { type: "f" } as DirEntry;
  assert.throws(() => diffTrees(repository, file, { ...file, type: "d" }), {
    code: "SEJF_INVALID_ARGUMENT",
  });
});
