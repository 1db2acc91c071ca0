import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8ToBytes } from "../bytes/index.ts";
import { FakeClock } from "../testkit/clock.ts";
import { FaultStorage } from "../testkit/fault-storage.ts";
import {
  type BlobStorage,
  copyAllBlobs,
  type CopyBlobsProgress,
  listAllBlobs,
  MemoryStorage,
  toBlobId,
} from "./index.ts";

const FORMAT = toBlobId("kopia.repository");
const NAMES = [
  "p1",
  "q1",
  "xn0_1",
  "n1",
  "xe1",
  "s1",
  "_log_1",
  "kopia.maintenance",
  "kopia.blobcfg",
];

async function repository(uniqueId = "aaaa", clock = new FakeClock()): Promise<MemoryStorage> {
  const storage = new MemoryStorage({ clock });
  await storage.put(FORMAT, utf8ToBytes(JSON.stringify({ tool: "x", uniqueID: uniqueId })));
  for (const [n, name] of NAMES.entries())
    await storage.put(toBlobId(name), new Uint8Array(n + 1).fill(n));
  return storage;
}

async function dump(storage: BlobStorage): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const { id } of await listAllBlobs(storage, "")) all[id] = (await storage.get(id)).join();
  return all;
}

test("copyAllBlobs: into an empty place, then nothing is left to do", async () => {
  const source = await repository();
  const target = new MemoryStorage();
  const progress: CopyBlobsProgress[] = [];
  const first = await copyAllBlobs(source, target, {
    parallel: 4,
    onProgress: (event) => progress.push(event),
  });
  assert.deepEqual(await dump(target), await dump(source));
  assert.equal(first.copied.blobs, NAMES.length + 1);
  assert.equal(first.inSync.blobs, 0);
  assert.deepEqual(progress.at(-1), {
    phase: "copying",
    ...first.copied,
    totalBlobs: first.copied.blobs,
    totalBytes: first.copied.bytes,
  });
  const second = await copyAllBlobs(source, target);
  assert.deepEqual(second, {
    copied: { blobs: 0, bytes: 0 },
    deleted: { blobs: 0, bytes: 0 },
    inSync: first.copied,
    timesKept: true,
  });
});

test("copyAllBlobs: packs go first, indexes after them, the format blob last", async () => {
  const target = new FaultStorage(new MemoryStorage());
  await copyAllBlobs(await repository(), target, { parallel: 3 });
  const order = target.calls.filter(({ kind }) => kind === "put").map(({ id }) => id);
  const rank = (id: string): number =>
    id === "kopia.repository" ? 3 : /^[nx]/.test(id) ? 2 : /^[pq]/.test(id) ? 0 : 1;
  assert.deepEqual(
    order.map(rank),
    order.map(rank).toSorted((a, b) => a - b),
  );
  assert.equal(order.at(-1), "kopia.repository");
});

test("copyAllBlobs: a target that dies half-way is no repository yet, and the next run completes it", async () => {
  const source = await repository();
  const inner = new MemoryStorage();
  const target = new FaultStorage(inner, { on: "put", at: 6, fault: { kind: "die" } });
  await assert.rejects(copyAllBlobs(source, target), { code: "SEJF_IO" });
  assert.equal(await inner.stat(FORMAT), undefined);
  await copyAllBlobs(source, inner);
  assert.deepEqual(await dump(inner), await dump(source));
});

test("copyAllBlobs: another repository is left alone", async () => {
  const target = await repository("bbbb");
  const before = await dump(target);
  await assert.rejects(copyAllBlobs(await repository("aaaa"), target, { deleteExtra: true }), {
    code: "SEJF_ALREADY_EXISTS",
  });
  assert.deepEqual(await dump(target), before);
});

test("copyAllBlobs: no source repository, and with mustExist no target repository, is refused", async () => {
  await assert.rejects(copyAllBlobs(new MemoryStorage(), new MemoryStorage()), {
    code: "SEJF_NOT_A_REPOSITORY",
  });
  const target = new MemoryStorage();
  await assert.rejects(copyAllBlobs(await repository(), target, { mustExist: true }), {
    code: "SEJF_NOT_A_REPOSITORY",
  });
  assert.deepEqual(await listAllBlobs(target, ""), []);
});

test("copyAllBlobs: a format blob that is none is SEJF_CORRUPT", async () => {
  for (const text of ["", "{}", "null", '{"uniqueID":""}', '{"uniqueID":1}']) {
    const target = new MemoryStorage();
    await target.put(FORMAT, utf8ToBytes(text));
    await assert.rejects(copyAllBlobs(await repository(), target), { code: "SEJF_CORRUPT" }, text);
  }
});

test("copyAllBlobs: newer blobs are copied again unless told otherwise, torn ones too", async () => {
  const clock = new FakeClock();
  const source = await repository("aaaa", clock);
  const target = new MemoryStorage({ clock });
  await copyAllBlobs(source, target);
  clock.advance(1000);
  await source.put(toBlobId("kopia.maintenance"), new Uint8Array([1, 2, 3]));
  await target.put(toBlobId("p1"), new Uint8Array(0));
  const untouched = await copyAllBlobs(source, target, { update: false });
  assert.equal(untouched.copied.blobs, 0);
  const { copied } = await copyAllBlobs(source, target);
  assert.equal(copied.blobs, 2);
  assert.deepEqual(await dump(target), await dump(source));
});

test("copyAllBlobs: what only the target has stays, or goes when asked, indexes before packs", async () => {
  const source = await repository();
  const inner = new MemoryStorage();
  await copyAllBlobs(source, inner);
  for (const name of ["p9", "xn9", "other"]) await inner.put(toBlobId(name), new Uint8Array(5));
  const target = new FaultStorage(inner);
  assert.equal((await copyAllBlobs(source, target)).deleted.blobs, 0);
  assert.deepEqual(
    (await copyAllBlobs(source, target, { deleteExtra: true, dryRun: true })).deleted,
    { blobs: 3, bytes: 15 },
  );
  assert.equal(target.count("delete"), 0);
  assert.deepEqual((await copyAllBlobs(source, target, { deleteExtra: true })).deleted, {
    blobs: 3,
    bytes: 15,
  });
  assert.deepEqual(
    target.calls.filter(({ kind }) => kind === "delete").map(({ id }) => id),
    ["xn9", "other", "p9"],
  );
  assert.deepEqual(await dump(inner), await dump(source));
});

test("copyAllBlobs: times are kept where the target can, else it says that they are not", async () => {
  const clock = new FakeClock();
  const source = await repository("aaaa", clock);
  clock.advance(60_000);
  const target = new MemoryStorage({ clock });
  assert.equal((await copyAllBlobs(source, target, { times: true })).timesKept, true);
  assert.deepEqual(await listAllBlobs(target, ""), await listAllBlobs(source, ""));
  class NoTimes extends MemoryStorage {
    override readonly capabilities = { objectLock: false, setTime: false, readOnly: false };
  }
  assert.equal((await copyAllBlobs(source, new NoTimes(), { times: true })).timesKept, false);
});

test("copyAllBlobs: an index written while we list waits for the next run, a pack deleted meanwhile is skipped", async () => {
  const source = await repository();
  const target = new MemoryStorage();
  let listed = 0;
  const busy = new FaultStorage(source);
  const list = busy.list.bind(busy);
  busy.list = async function* (prefix, options) {
    // the whole listing comes after those of the indexes
    if (prefix === "" && listed++ === 0) await source.put(toBlobId("xn5_new"), new Uint8Array(1));
    yield* list(prefix, options);
  };
  busy.add({ on: "get", id: "p1", fault: { kind: "delay", until: source.delete(toBlobId("p1")) } });
  await copyAllBlobs(busy, target);
  assert.equal(await target.stat(toBlobId("xn5_new")), undefined);
  assert.equal(await target.stat(toBlobId("p1")), undefined);
  await copyAllBlobs(source, target);
  assert.deepEqual(await dump(target), await dump(source));
});
