import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { collect } from "../bytes/index.ts";
import type { ContentRef } from "../format/index.ts";
import { type MemoryRepository, memoryRepository } from "../testkit/memory-repository.ts";
import { numRuns } from "../testkit/property.ts";
import {
  loadTree,
  storeDirectory,
  storeSnapshot,
  storeTree,
  textOf,
  TREE_TIME,
  type TreeModel,
} from "../testkit/stored-tree.ts";
import { treeModels } from "../testkit/tree-arbitrary.ts";
import { directory, file } from "../testkit/tree-builder.ts";
import { compileGlob } from "./fix-glob.ts";
import {
  brokenEntries,
  changePins,
  copyHistory,
  type DirEntry,
  encodeDirectory,
  type FixedSnapshot,
  type FixRules,
  fixSnapshots,
  type HistoryStep,
  listDirectory,
  listSnapshots,
  loadSnapshot,
  parsePartialSource,
  removalOf,
  type SnapshotManifest,
  summaryOf,
  verifyTrees,
} from "./index.ts";

const IDENTITY = { username: "me", hostname: "here" };

function removing(patterns: readonly string[], objects: readonly string[] = []): FixRules {
  return {
    reasonToRemove: removalOf(objects, patterns),
    onRemove: "remove",
    onUnreadableDirectory: "fail",
  };
}

async function fix(
  repository: MemoryRepository,
  snapshots: readonly SnapshotManifest[],
  rules: FixRules,
): Promise<readonly FixedSnapshot[]> {
  return await collect(fixSnapshots(repository, snapshots, rules, { commit: true }));
}

function without(model: TreeModel, isRemoved: (name: string) => boolean): TreeModel {
  const kept = Object.entries(model).filter(([name]) => !isRemoved(name));
  return Object.fromEntries(
    kept.map(([name, value]) => {
      const isDirectory = typeof value !== "string" && typeof value["link"] !== "string";
      return [name, isDirectory ? without(value as TreeModel, isRemoved) : value];
    }),
  );
}

test("fixSnapshots: exactly what was asked for is removed, and the tree is the one that never had it", async () => {
  const patterns = fc.uniqueArray(fc.constantFrom("a", "*.tmp", "?", "[b-c]", "é"), {
    maxLength: 2,
  });
  await fc.assert(
    fc.asyncProperty(treeModels, patterns, async (model, globs) => {
      const repository = memoryRepository();
      const snapshot = await storeSnapshot(repository, await storeTree(repository, model, "root!"));
      const [fixed] = await fix(repository, [snapshot], removing(globs));
      const regexes = globs.map(compileGlob);
      const expected = without(model, (name) => regexes.some((regex) => regex.test(name)));
      const never = await storeTree(repository, expected, "root!");
      assert.deepEqual(fixed?.rootEntry, never);
      assert.equal(fixed?.changed, never.object !== snapshot.rootEntry?.object);
      const { problemCount } = await verifyTrees(
        repository,
        [{ entry: fixed?.rootEntry as DirEntry, label: "" }],
        { filesPercent: 100 },
      );
      assert.equal(problemCount, 0);
    }),
    { numRuns: numRuns() },
  );
});

test("fixSnapshots: members of entries and listings that nobody knows survive", async () => {
  const repository = memoryRepository();
  const inner = { ...(await file(repository, "b", "2")), unknown: { xattr: ["x"] } };
  const listing = {
    entries: [await file(repository, "a", "1"), inner],
    summary: summaryOf([inner], 0n),
    unknown: { future: 1 },
  };
  const json = new TextDecoder().decode(encodeDirectory(listing));
  const sub = { ...(await directory(repository, "sub", [], json)), unknown: { acl: "rwx" } };
  const root = { ...(await directory(repository, "root", [sub])), unknown: { label: "top" } };
  const snapshot = await storeSnapshot(repository, root);
  const [fixed] = await fix(repository, [snapshot], removing(["a"]));
  assert.deepEqual(fixed?.rootEntry?.unknown, { label: "top" });
  const top = await listDirectory(repository, fixed.rootEntry.object);
  assert.deepEqual(top.entries[0]?.unknown, { acl: "rwx" });
  const below = await listDirectory(repository, top.entries[0]?.object as DirEntry["object"]);
  assert.deepEqual([below.entries, below.unknown], [[inner], { future: 1 }]);
  const stored = await repository.manifests.get(fixed.id);
  assert.match(stored.text, /"rootEntry":\{.*"label":"top"/);
});

test("fixSnapshots: a changed snapshot has a new ID and keeps all that its manifest said; others are left alone", async () => {
  const repository = memoryRepository();
  const options = { pins: ["keep"], tags: { "tag:env": "test" }, unknown: { future: { a: [1] } } };
  const touched = await storeSnapshot(repository, await storeTree(repository, { a: "1", b: "2" }), {
    ...options,
    startTimeNs: 5n,
  });
  const untouched = await storeSnapshot(repository, await storeTree(repository, { b: "2" }));
  const results = await fix(repository, [touched, untouched], removing(["a"]));
  assert.deepEqual(
    results.map(({ changed }) => changed),
    [true, false],
  );
  const listed = await listSnapshots(repository);
  assert.equal(listed.length, 2);
  assert.deepEqual(await loadSnapshot(repository, untouched.id), untouched);
  const [now] = listed;
  assert.notEqual(now?.id, touched.id);
  assert.deepEqual(now, { ...touched, id: now?.id, rootEntry: results[0]?.rootEntry });
});

test("fixSnapshots: without commit no manifest changes", async () => {
  const repository = memoryRepository();
  const snapshot = await storeSnapshot(repository, await storeTree(repository, { a: "1" }));
  const options = { commit: false };
  const [fixed] = await collect(fixSnapshots(repository, [snapshot], removing(["a"]), options));
  assert.deepEqual([fixed?.changed, fixed?.id], [true, snapshot.id]);
  assert.deepEqual(await listSnapshots(repository), [snapshot]);
});

test("fixSnapshots: what had failed in a directory when it was uploaded stays recorded", async () => {
  const repository = memoryRepository();
  const model = await storeTree(repository, { a: "1", b: "2" }, "sub");
  const { entries } = await listDirectory(repository, model.object);
  const failed = {
    failed: 1,
    ignoredErrors: 1,
    errors: [
      { path: "sub/x", error: "no" },
      { path: "sub/y", error: "no" },
    ],
    incomplete: "canceled",
  };
  const summary = { ...summaryOf(entries, TREE_TIME), ...failed };
  const sub = await storeDirectory(repository, "sub", entries, summary);
  const top = { ...summaryOf([sub], TREE_TIME), incomplete: "canceled" };
  const root = await storeDirectory(repository, "tree", [sub], top);
  const [fixed] = await fix(repository, [await storeSnapshot(repository, root)], removing(["a"]));
  const {
    files,
    failed: count,
    ignoredErrors,
    errors,
    incomplete,
  } = fixed?.rootEntry?.summary ?? {};
  assert.deepEqual(
    [files, count, ignoredErrors, errors, incomplete],
    [1, 1, 1, failed.errors, "canceled"],
  );
});

async function damaged(): Promise<{
  readonly repository: MemoryRepository;
  readonly snapshot: SnapshotManifest;
  readonly rules: (handling: FixRules["onRemove"]) => Promise<FixRules>;
}> {
  const repository = memoryRepository();
  const root = await storeTree(repository, { lost: "lost", gone: { a: "a" }, fine: "fine" });
  const { entries } = await listDirectory(repository, root.object);
  for (const { name, object } of entries)
    if (name !== "fine") repository.contents.stored.delete(object as string as ContentRef);
  const snapshot = await storeSnapshot(repository, root);
  const rules = async (onRemove: FixRules["onRemove"]): Promise<FixRules> => {
    const { isBroken } = await verifyTrees(repository, [{ entry: root, label: "" }]);
    const onUnreadableDirectory = onRemove === "remove" ? "stub" : onRemove;
    const reasons = new Map();
    return { reasonToRemove: brokenEntries(isBroken, reasons), onRemove, onUnreadableDirectory };
  };
  return { repository, snapshot, rules };
}

test("fixSnapshots: stubs stand where something is lost, with its attributes and the reason", async () => {
  const { repository, snapshot, rules } = await damaged();
  const [fixed] = await fix(repository, [snapshot], await rules("stub"));
  const { entries } = await listDirectory(
    repository,
    fixed?.rootEntry?.object as DirEntry["object"],
  );
  assert.deepEqual(
    entries.map(({ name, type, uid }) => [name, type, uid]),
    [
      [".INVALID.gone", "f", 1],
      [".INVALID.lost", "f", 1],
      ["fine", "f", 1],
    ],
  );
  const stub = JSON.parse(await textOf(repository, entries[1] as DirEntry)) as Record<
    string,
    unknown
  >;
  assert.deepEqual(Object.keys(stub), ["info", "error", "entry"]);
  assert.equal((stub["entry"] as Record<string, unknown>)["name"], "lost");
  const again = await verifyTrees(repository, [{ entry: fixed?.rootEntry as DirEntry, label: "" }]);
  assert.equal(again.problemCount, 0);
});

test("fixSnapshots: broken things are removed, kept, or make it fail, as was asked", async () => {
  const { repository, snapshot, rules } = await damaged();
  const [kept] = await fix(repository, [snapshot], await rules("keep"));
  assert.deepEqual([kept?.changed, kept?.rootEntry], [false, snapshot.rootEntry]);
  await assert.rejects(fix(repository, [snapshot], await rules("fail")), { code: /^SEJF_/ });
  const [removed] = await fix(repository, [snapshot], await rules("remove"));
  const names = Object.keys(await loadTree(repository, removed?.rootEntry as DirEntry));
  assert.deepEqual(names, [".INVALID.gone", "fine"]);
});

test("fixSnapshots: an unreadable root becomes a stub with a summary", async () => {
  const repository = memoryRepository();
  const root = await storeTree(repository, { a: "1" });
  repository.contents.stored.delete(root.object as string as ContentRef);
  const rules = { ...removing(["x"]), onUnreadableDirectory: "stub" as const };
  const [fixed] = await fix(repository, [await storeSnapshot(repository, root)], rules);
  const { name, type, summary } = fixed?.rootEntry ?? {};
  assert.deepEqual([name, type, summary?.files], [".INVALID.tree", "f", 1]);
});

test("compileGlob: matches as Go's path.Match", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["abc", "abc", true],
    ["*", "abc", true],
    ["*c", "abc", true],
    ["a*", "ab/c", false],
    ["a*/b", "a/c/b", false],
    ["a*b*c*d*e*/f", "axbxcxdxe/f", true],
    ["ab[c]", "abc", true],
    ["ab[b-d]", "abc", true],
    ["ab[e-g]", "abc", false],
    ["ab[^c]", "abc", false],
    ["ab[^e-g]", "abc", true],
    ["a\\*b", "a*b", true],
    ["a\\*b", "ab", false],
    ["a?b", "a☺b", true],
    ["a[^a]b", "a☺b", true],
    ["a???b", "a☺b", false],
    ["[a-ζ]*", "α", true],
    ["*[a-ζ]", "A", false],
    ["a?b", "a/b", false],
    ["[\\]a]", "]", true],
    ["[\\-]", "-", true],
    ["[x\\-]", "z", false],
    ["[\\-x]", "x", true],
    ["*x", "xxx", true],
    ["", "", true],
    ["[c-a]", "b", false],
    ["[^c-a]", "b", true],
    ["a.b", "axb", false],
  ];
  for (const [pattern, name, expected] of cases)
    assert.equal(compileGlob(pattern).test(name), expected, `${pattern} on ${name}`);
  for (const pattern of ["[", "[^", "[^bc", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "a[", "\\"])
    assert.throws(() => compileGlob(pattern), { code: "SEJF_INVALID_ARGUMENT" }, pattern);
});

test("changePins: adds, then removes, sorted; unknown members survive; no change, no new ID", async () => {
  const repository = memoryRepository();
  const root = await storeTree(repository, {});
  const unknown = { future: 1 };
  const first = await storeSnapshot(repository, root, { pins: ["b"], unknown });
  const second = await changePins(repository, first, ["c", "a", "x"], ["x", "nothing"]);
  assert.deepEqual([second?.pins, second?.unknown], [["a", "b", "c"], unknown]);
  assert.deepEqual(await listSnapshots(repository), [second]);
  assert.equal(await changePins(repository, second as SnapshotManifest, ["a"], ["z"]), undefined);
  const third = await changePins(repository, second as SnapshotManifest, [], ["a", "b", "c"]);
  const { data } = await repository.manifests.get(third?.id as SnapshotManifest["id"]);
  assert.ok(!Object.hasOwn(data as object, "pins"));
});

async function history(
  repository: MemoryRepository,
  from: string,
  to: string,
  options: { readonly move?: boolean; readonly dryRun?: boolean } = {},
): Promise<readonly HistoryStep[]> {
  const { move = false, dryRun = false } = options;
  const [source, destination] = [from, to].map((text) => parsePartialSource(text, IDENTITY));
  return await collect(copyHistory(repository, source!, destination!, { move, dryRun }));
}

test("copyHistory: parts that are given replace those of the source; copies are not made twice", async () => {
  const repository = memoryRepository();
  const root = await storeTree(repository, { a: "1" });
  const options = { pins: ["p"], tags: { "tag:k": "v" }, unknown: { future: true } };
  await storeSnapshot(repository, root, options);
  await storeSnapshot(repository, root, { startTimeNs: 9n });
  await storeSnapshot(repository, root, { source: { username: "other", path: "/x" } });
  assert.deepEqual(
    (await history(repository, "user@host", "@new", { dryRun: true })).map(
      ({ outcome }) => outcome,
    ),
    ["copied", "copied"],
  );
  assert.equal((await listSnapshots(repository)).length, 3);
  await history(repository, "user@host", "@new");
  const again = await history(repository, "user@host", "@new");
  assert.deepEqual(
    again.map(({ outcome }) => outcome),
    ["exists", "exists"],
  );
  const copies = await listSnapshots(repository, { source: { hostname: "new" } });
  assert.deepEqual(
    copies.map(({ source: { username, path }, pins, tags, unknown }) => [
      username,
      path,
      pins,
      tags,
      unknown,
    ]),
    [
      ["user", "/tree", [], {}, {}],
      ["user", "/tree", ["p"], { "tag:k": "v" }, { future: true }],
    ],
  );
  assert.equal((await listSnapshots(repository)).length, 5);
});

test("copyHistory: a move leaves nothing behind, also where the destination has it already", async () => {
  const repository = memoryRepository();
  const root = await storeTree(repository, { a: "1" });
  await storeSnapshot(repository, root);
  await history(repository, "user@host:/tree", "me@here:/new");
  const steps = await history(repository, "user@host:/tree", "me@here:/new", { move: true });
  assert.deepEqual(
    steps.map(({ outcome }) => outcome),
    ["exists"],
  );
  const left = await listSnapshots(repository);
  assert.deepEqual(
    left.map(({ source }) => source),
    [{ username: "me", hostname: "here", path: "/new" }],
  );
});

test("copyHistory: users and paths are never thrown together", async () => {
  const repository = memoryRepository();
  for (const [from, to] of [
    ["@host1", "user2@host2"],
    ["@host1", "user2@host2:/path2"],
    ["user1@host1", "user2@host2:/path2"],
  ] as const)
    await assert.rejects(history(repository, from, to), { code: "SEJF_INVALID_ARGUMENT" });
  for (const text of ["@", "bar@"])
    assert.throws(() => parsePartialSource(text, IDENTITY), { code: "SEJF_INVALID_ARGUMENT" });
});
