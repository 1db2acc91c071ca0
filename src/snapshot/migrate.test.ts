import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { collect } from "../bytes/index.ts";
import type { ContentRef } from "../format/index.ts";
import { type MemoryRepository, memoryRepository } from "../testkit/memory-repository.ts";
import { numRuns } from "../testkit/property.ts";
import { loadTree, storeSnapshot, storeTree, type TreeModel } from "../testkit/stored-tree.ts";
import { treeModels } from "../testkit/tree-arbitrary.ts";
import {
  decodePolicy,
  type DirEntry,
  getPolicy,
  listDirectory,
  listSnapshots,
  listSources,
  type MigratedSource,
  type MigrateEvent,
  type MigrateOptions,
  migratePolicies,
  migrateSource,
  setPolicy,
  verifyTrees,
} from "./index.ts";

const SOURCE = { username: "user", hostname: "host", path: "/tree" };

/** Names contents in another way, so that no object has the same ID in both. */
function otherRepository(): MemoryRepository {
  const hash = (data: Uint8Array): string =>
    createHash("sha512").update(data).digest("hex").slice(0, 32);
  return memoryRepository({ hash, splitter: "FIXED-1M" });
}

async function migrate(
  from: MemoryRepository,
  to: MemoryRepository,
  options: MigrateOptions = {},
): Promise<MigratedSource & { readonly events: readonly MigrateEvent[] }> {
  const events: MigrateEvent[] = [];
  const result = await migrateSource(from, to, SOURCE, {
    ...options,
    onEvent: (event) => events.push(event),
  });
  return { ...result, events };
}

async function trees(repository: MemoryRepository): Promise<readonly TreeModel[]> {
  const snapshots = await listSnapshots(repository);
  return await Promise.all(
    snapshots.map(({ rootEntry }) => loadTree(repository, rootEntry as DirEntry)),
  );
}

test("migrateSource: any history arrives as it was, with attributes, and can be read", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(treeModels, { minLength: 1, maxLength: 3 }), async (models) => {
      const [from, to] = [memoryRepository(), otherRepository()];
      for (const [at, model] of models.entries())
        await storeSnapshot(from, await storeTree(from, model), { startTimeNs: BigInt(at + 1) });
      const { migrated, errors } = await migrate(from, to);
      assert.deepEqual([migrated, errors], [models.length, 0]);
      assert.deepEqual(await trees(to), await trees(from));
      for (const [at, { rootEntry }] of (await listSnapshots(to)).entries()) {
        // As if the tree had been stored there in the first place.
        const there = await storeTree(to, models[at] as TreeModel);
        assert.deepEqual(rootEntry, there);
        const checked = [{ entry: rootEntry as DirEntry, label: "" }];
        assert.equal((await verifyTrees(to, checked, { filesPercent: 100 })).problemCount, 0);
      }
    }),
    { numRuns: numRuns() },
  );
});

test("migrateSource: times, description, tags, pins and unknown members come along", async () => {
  const [from, to] = [memoryRepository(), otherRepository()];
  const options = { pins: ["p"], tags: { "tag:k": "v" }, unknown: { future: [1, 2] } };
  const original = await storeSnapshot(from, await storeTree(from, { a: "1" }), options);
  await migrate(from, to);
  const [copy] = await listSnapshots(to);
  assert.deepEqual(copy, { ...original, id: copy?.id, rootEntry: copy?.rootEntry });
  assert.equal((await to.manifests.find({ "tag:k": "v", type: "snapshot" })).length, 1);
});

test("migrateSource: a second run copies only what is new, without reading what is known", async () => {
  const [from, to] = [memoryRepository(), otherRepository()];
  const model = { same: { deep: { file: "unchanged" } }, mixed: { old: "old", changes: "before" } };
  await storeSnapshot(from, await storeTree(from, model), { startTimeNs: 1n });
  await migrate(from, to);
  const next = { ...model, mixed: { old: "old", changes: "after" } };
  await storeSnapshot(from, await storeTree(from, next), { startTimeNs: 2n });
  const read: string[] = [];
  from.contents.onRead = (ref) => read.push(ref);
  const { migrated, events } = await migrate(from, to);
  const files = read.filter((ref) => !ref.startsWith("k") && !ref.startsWith("m"));
  assert.deepEqual([migrated, files.length], [1, 1]);
  assert.equal(events.filter(({ kind }) => kind === "present").length, 1);
  assert.deepEqual(await trees(to), [model, next]);
});

test("migrateSource: the small files of a directory are fetched together", async () => {
  const [from, to] = [memoryRepository(), otherRepository()];
  const model = { a: "1", b: "2", sub: { c: "3", d: "4", link: { link: "c" } } };
  await storeSnapshot(from, await storeTree(from, model));
  const asked: number[] = [];
  const { contents } = from;
  const readMany = contents.readMany.bind(contents);
  contents.readMany = async function* (requests, options) {
    const pages = await collect(requests);
    asked.push(pages.flat().length);
    yield* readMany(pagesOf(pages), options);
  };
  await migrate(from, to);
  assert.deepEqual(asked.filter((count) => count > 0).toSorted(), [2, 3]);
  assert.deepEqual(await trees(to), await trees(from));
});

async function* pagesOf<T>(pages: readonly T[]): AsyncGenerator<T, void, void> {
  yield* pages;
}

test("migrateSource: incomplete snapshots stay behind; with latestOnly the newest complete one comes", async () => {
  const [from, to] = [memoryRepository(), otherRepository()];
  for (const [startTimeNs, text, incomplete] of [
    [1n, "first", undefined],
    [2n, "second", undefined],
    [3n, "torn", "canceled"],
  ] as const)
    await storeSnapshot(from, await storeTree(from, { text }), { startTimeNs, incomplete });
  assert.equal((await migrate(from, to, { latestOnly: true })).migrated, 1);
  assert.deepEqual(await trees(to), [{ text: "second" }]);
  assert.equal((await migrate(from, to)).migrated, 1);
  assert.deepEqual(await trees(to), [{ text: "first" }, { text: "second" }]);
});

test("migrateSource: what cannot be read is told, recorded and left out", async () => {
  const [from, to] = [memoryRepository(), otherRepository()];
  const root = await storeTree(from, { a: { lost: "lost bytes", fine: "fine" }, gone: { x: "y" } });
  const { entries } = await listDirectory(from, root.object);
  const [a, gone] = entries as [DirEntry, DirEntry];
  const lost = (await listDirectory(from, a.object)).entries.find(({ name }) => name === "lost");
  for (const { object } of [lost, gone] as DirEntry[])
    from.contents.stored.delete(object as string as ContentRef);
  await storeSnapshot(from, root);
  const { errors, events } = await migrate(from, to);
  assert.equal(errors, 2);
  assert.deepEqual(
    events.flatMap((event) => (event.kind === "error" ? [event.path] : [])),
    ["a/lost", "gone"],
  );
  const [copy] = await listSnapshots(to);
  assert.deepEqual(await loadTree(to, copy?.rootEntry as DirEntry), { a: { fine: "fine" } });
  const summary = copy?.rootEntry?.summary;
  assert.deepEqual(
    [summary?.failed, summary?.errors.map(({ path }) => path)],
    [2, ["a/lost", "gone"]],
  );
});

test("migrateSource: a root that cannot be read fails; the destination has nothing of it", async () => {
  const [from, to] = [memoryRepository(), otherRepository()];
  const root = await storeTree(from, { a: "1" });
  from.contents.stored.delete(root.object as string as ContentRef);
  await storeSnapshot(from, root);
  await assert.rejects(migrate(from, to), { code: "SEJF_CONTENT_NOT_FOUND" });
  assert.deepEqual(await listSnapshots(to), []);
});

test("migrateSource: a failure of the destination is not taken for one of the source", async () => {
  const [from, to] = [memoryRepository(), otherRepository()];
  await storeSnapshot(from, await storeTree(from, { a: "1" }));
  to.contents.write = () => Promise.reject(new Error("no room"));
  await assert.rejects(migrate(from, to), { message: "no room" });
});

test("migrateSource: today's ignore rules count only when asked for", async () => {
  const signature = "Signature: 8a477f597d28d172789f06886806bc55";
  const model = {
    ".kopiaignore": "*.tmp\n/skip/\n",
    "a.tmp": "1",
    skip: { b: "2" },
    sub: { skip: { c: "3" }, "d.tmp": "4", big: "0123456789" },
    cache: { "CACHEDIR.TAG": `${signature}\n`, junk: "5" },
  };
  const policy = decodePolicy(
    { files: { ignoreDotFiles: [".kopiaignore"], maxFileSize: 60 } },
    "test",
  );
  const kept = {
    ".kopiaignore": "*.tmp\n/skip/\n",
    sub: { skip: { c: "3" }, big: "0123456789" },
    cache: {},
  };
  for (const [applyIgnoreRules, expected] of [
    [false, model],
    [true, kept],
  ] as const) {
    const [from, to] = [memoryRepository(), otherRepository()];
    await setPolicy(to.manifests, SOURCE, policy);
    await storeSnapshot(from, await storeTree(from, model));
    assert.equal((await migrate(from, to, { applyIgnoreRules })).errors, 0);
    assert.deepEqual(await trees(to), [expected]);
  }
});

test("migrateSource: big files are split as the destination's policy says", async () => {
  const [from, to] = [memoryRepository(), otherRepository()];
  const text = "0123456789abcdef".repeat(200_000);
  await storeSnapshot(from, await storeTree(from, { text }));
  await migrate(from, to);
  const [copy] = await listSnapshots(to);
  assert.ok(copy?.rootEntry);
  const { entries } = await listDirectory(to, copy.rootEntry.object);
  assert.match(entries[0]?.object ?? "", /^Ix/);
  assert.deepEqual(await trees(to), [{ text }]);
});

test("migratePolicies: those that are there stay, unless they are to be overwritten", async () => {
  const [from, to] = [memoryRepository(), otherRepository()];
  const policyOf = (keepLatest: number): ReturnType<typeof decodePolicy> =>
    decodePolicy({ retention: { keepLatest }, future: true }, "test");
  const other = { ...SOURCE, path: "/other" };
  await setPolicy(from.manifests, SOURCE, policyOf(1));
  await setPolicy(from.manifests, other, policyOf(2));
  await setPolicy(to.manifests, SOURCE, policyOf(9));
  const copied = async (
    targets: readonly (typeof SOURCE)[] | undefined,
    overwrite: boolean,
  ): Promise<readonly boolean[]> =>
    (await migratePolicies(from, to, targets, { overwrite })).map((one) => one.copied);
  const keepLatest = async (target: typeof SOURCE): Promise<number | undefined> =>
    (await getPolicy(to.manifests, target))?.policy.retention.keepLatest;
  assert.deepEqual(await copied([SOURCE, { ...SOURCE, path: "/none" }], false), [false]);
  assert.deepEqual(await copied(undefined, false), [true, false]);
  assert.deepEqual([await keepLatest(SOURCE), await keepLatest(other)], [9, 2]);
  assert.deepEqual(await copied([SOURCE], true), [true]);
  assert.equal(await keepLatest(SOURCE), 1);
});

test("listSources: each once, by what the labels say", async () => {
  const repository = memoryRepository();
  const root = await storeTree(repository, {});
  await storeSnapshot(repository, root, { source: { path: "/b" } });
  await storeSnapshot(repository, root, { source: { path: "/a" } });
  await storeSnapshot(repository, root, { source: { path: "/b" }, startTimeNs: 3n });
  assert.deepEqual(
    (await listSources(repository)).map(({ path }) => path),
    ["/a", "/b"],
  );
});
