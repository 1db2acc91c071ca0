import assert from "node:assert/strict";
import { test } from "node:test";
import { listAllBlobs } from "../blob/index.ts";
import { utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { ContentId, ContentRef } from "../format/index.ts";
import { allContents, TestRepository } from "../testkit/direct-contents.ts";
import { FaultStorage } from "../testkit/fault-storage.ts";
import type { DirectContents } from "./index.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

async function put(contents: DirectContents, text: string): Promise<ContentRef> {
  return await contents.write(utf8ToBytes(text), { prefix: "" });
}

async function count(repository: TestRepository, prefix: string): Promise<number> {
  return (await listAllBlobs(repository.storage, prefix)).length;
}

test("epochs: hundreds of flushes and maintenance leave a bounded number of index blobs, nothing is lost", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  const refs: ContentRef[] = [];
  let most = 0;
  for (let i = 0; i < 400; i++) {
    refs.push(await put(contents, `content ${i}`));
    await contents.flush();
    repository.clock.advance(2 * HOUR_MS);
    if (i % 4 === 0) await contents.maintainIndexes({ cleanup: true });
    most = Math.max(most, (await contents.indexBlobs()).length);
  }
  const state = await contents.epochState();
  assert.ok((state?.writeEpoch ?? 0) > 10, `epoch ${state?.writeEpoch}`);
  assert.ok((state?.ranges.length ?? 0) >= 1);
  assert.ok(most < 100, `${most} active index blobs`);
  assert.ok((await count(repository, "x")) < 200, `${await count(repository, "x")} blobs in all`);
  await using other = await repository.open();
  assert.equal((await allContents(other)).length, 400);
  for (const ref of refs) assert.notEqual(await other.stat(ref), undefined);
});

test("epochs: without maintenance, flushes alone keep the active blobs few, and delete nothing", async () => {
  const repository = new TestRepository();
  const recording = new FaultStorage(repository.storage);
  await using contents = await repository.open({ storage: recording });
  let most = 0;
  for (let i = 0; i < 300; i++) {
    await put(contents, `content ${i}`);
    await contents.flush();
    repository.clock.advance(2 * HOUR_MS);
    most = Math.max(most, (await contents.indexBlobs()).length);
  }
  assert.ok(most <= 80, `${most} active index blobs`);
  assert.equal(recording.count("delete", /^x/), 0);
  await using other = await repository.open();
  assert.equal((await allContents(other)).length, 300);
});

test("epochs: an index that comes two epochs too late is taken back and written anew", async () => {
  const repository = new TestRepository();
  const slow = new FaultStorage(repository.storage);
  await using contents = await repository.open({ storage: slow });
  await using other = await repository.open();
  const ref = await put(contents, "late");
  let advance: () => void = () => {};
  const until = new Promise<void>((resolve) => {
    advance = resolve;
  });
  slow.add({ on: "put", id: /^xn/, fault: { kind: "delay", until } });
  const flushing = contents.flush();
  await other.advanceEpoch();
  await other.advanceEpoch();
  advance();
  await flushing;
  const names = (await listAllBlobs(repository.storage, "xn")).map((blob) => blob.id.slice(0, 4));
  assert.deepEqual(names, ["xn2_"]);
  await other.refresh();
  assert.notEqual(await other.stat(ref), undefined);
});

test("epochs: a state that has expired is read again before an index is put", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  await using other = await repository.open();
  await put(contents, "a");
  await other.advanceEpoch();
  repository.clock.advance(6 * MINUTE_MS);
  await contents.flush();
  const names = (await listAllBlobs(repository.storage, "xn")).map((blob) => blob.id.slice(0, 4));
  assert.deepEqual(names, ["xn1_"]);
});

test("epochs: the deletion watermark hides old deletions, never moves back", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  const [a, b] = [await put(contents, "a"), await put(contents, "b")];
  await contents.flush();
  await contents.delete(a as string as ContentId);
  await contents.flush();
  repository.clock.advance(HOUR_MS);
  const watermarkS = Math.floor(repository.clock.nowMs() / 1000);
  repository.clock.advance(HOUR_MS);
  await contents.delete(b as string as ContentId);
  await contents.flush();
  await contents.setDeletionWatermark(watermarkS);
  await assert.rejects(contents.setDeletionWatermark(watermarkS - 1), RangeError);
  await using other = await repository.open();
  for (const client of [contents, other]) {
    const listed = await allContents(client, { includeDeleted: true });
    assert.deepEqual(
      listed.map((info) => info?.id),
      [b],
    );
    assert.equal(await client.info(a as string as ContentId), undefined);
  }
  const again = await put(other, "a");
  await other.flush();
  assert.equal(again, a);
  assert.notEqual(await other.stat(a), undefined);
});

test("epochs: a compaction that loses an input writes no set", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  for (let i = 0; i < 3; i++) {
    await put(contents, `${i}`);
    await contents.flush();
  }
  for (let i = 0; i < 2; i++) await contents.advanceEpoch();
  const faulty = new FaultStorage(repository.storage);
  await using compactor = await repository.open({ storage: faulty });
  const [victim] = await listAllBlobs(repository.storage, "xn0_");
  const error = new SejfError("SEJF_BLOB_NOT_FOUND", "it has just been compacted away");
  faulty.add({ on: "get", id: String(victim?.id), fault: { kind: "fail", error } });
  const done = await compactor.maintainIndexes();
  assert.deepEqual(done.compactedEpochs, []);
  assert.equal(await count(repository, "xs"), 0);
  assert.deepEqual((await compactor.maintainIndexes()).compactedEpochs, [0]);
  assert.equal(await count(repository, "xs0_"), 1);
});

test("old manager: compaction with a log, delayed cleanup, dropped contents", async () => {
  const repository = new TestRepository({ format: { version: 1 } });
  await using contents = await repository.open();
  const refs: ContentRef[] = [];
  for (let i = 0; i < 30; i++) {
    refs.push(await put(contents, `content ${i}`));
    await contents.flush();
  }
  await contents.delete(refs[0] as string as ContentId);
  await contents.flush();
  repository.clock.advance(HOUR_MS);
  const dropDeletedBeforeS = Math.floor(repository.clock.nowMs() / 1000);
  await contents.compactIndexes({ all: true, dropDeletedBeforeS });
  assert.equal((await contents.indexBlobs()).length, 1);
  assert.equal(await count(repository, "n"), 32, "inputs stay for readers that have them");
  assert.equal(await count(repository, "m"), 1);
  assert.equal((await allContents(contents, { includeDeleted: true })).length, 29);
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 10; i++) {
      await put(contents, `more ${round} ${i}`);
      await contents.flush();
    }
    repository.clock.advance(2 * HOUR_MS);
    await contents.maintainIndexes({ cleanup: true });
    await using other = await repository.open();
    assert.equal((await allContents(other, { includeDeleted: true })).length, 39 + 10 * round);
  }
  assert.ok((await count(repository, "n")) < 32, `${await count(repository, "n")} index blobs`);
  assert.ok((await count(repository, "m")) <= 3);
  await assert.rejects(contents.advanceEpoch(), { code: "SEJF_UNSUPPORTED" });
  assert.equal(await contents.epochState(), undefined);
});

test("old manager: many flushes are merged by flushes", async () => {
  const repository = new TestRepository({ format: { version: 1 } });
  await using contents = await repository.open();
  for (let i = 0; i < 150; i++) {
    await put(contents, `content ${i}`);
    await contents.flush();
    assert.ok((await contents.indexBlobs()).length <= 64);
  }
  await using other = await repository.open();
  assert.equal((await allContents(other)).length, 150);
});
