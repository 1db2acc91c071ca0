import assert from "node:assert/strict";
import { test } from "node:test";
import { type BlobId, listAllBlobs } from "../blob/index.ts";
import { utf8ToBytes } from "../bytes/index.ts";
import type { ContentId } from "../format/index.ts";
import { TestRepository } from "../testkit/direct-contents.ts";
import {
  collectPacks,
  type CollectPacksOptions,
  FULL_COLLECTION_AGES,
  NO_COLLECTION_AGES,
  rewriteContents,
  selectContents,
} from "./index.ts";

const HOUR_MS = 3_600_000;

async function packs(repository: TestRepository): Promise<string[]> {
  return (await listAllBlobs(repository.storage, "p")).map((blob) => blob.id);
}

async function putPack(repository: TestRepository, name: string): Promise<void> {
  await repository.storage.put(name as BlobId, new Uint8Array(10));
}

test("collectPacks: only old packs that no index names go, and only when asked", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  await contents.write(utf8ToBytes("kept"), { prefix: "" });
  await contents.flush();
  const [kept] = await packs(repository);
  await putPack(repository, "p0000000000000000000000000000000a-sdead0000000000001");
  repository.clock.advance(25 * HOUR_MS);
  await putPack(repository, "p0000000000000000000000000000000b-sdead0000000000001");
  const options: CollectPacksOptions = {
    clock: repository.clock,
    ages: FULL_COLLECTION_AGES,
    delete: false,
  };
  const dry = await collectPacks(contents, options);
  assert.deepEqual(dry.unreferenced, { count: 1, sizeBytes: 10 });
  assert.deepEqual(dry.retained, { count: 1, sizeBytes: 10 });
  assert.equal(dry.deleted.count, 0);
  assert.equal((await packs(repository)).length, 3);
  assert.equal((await collectPacks(contents, { ...options, delete: true })).deleted.count, 1);
  assert.deepEqual(
    (await packs(repository)).toSorted(),
    [kept ?? "", "p0000000000000000000000000000000b-sdead0000000000001"].toSorted(),
  );
  await collectPacks(contents, { ...options, ages: NO_COLLECTION_AGES, delete: true });
  assert.deepEqual(await packs(repository), [kept]);
});

test("collectPacks: packs of a session that lives stay, whatever their age", async () => {
  const repository = new TestRepository();
  await using writer = await repository.open();
  await writer.write(utf8ToBytes("not flushed"), { prefix: "" });
  const [marker] = await listAllBlobs(repository.storage, "s");
  const session = marker?.id.split("-")[1] ?? "";
  await putPack(repository, `p0000000000000000000000000000000c-${session}`);
  await using collector = await repository.open();
  const options: CollectPacksOptions = {
    clock: repository.clock,
    ages: FULL_COLLECTION_AGES,
    delete: true,
  };
  repository.clock.advance(95 * HOUR_MS);
  assert.equal((await collectPacks(collector, options)).deleted.count, 0);
  repository.clock.advance(2 * HOUR_MS);
  assert.equal((await collectPacks(collector, options)).deleted.count, 2, "pack and marker");
});

test("collectPacks: an index published after the collector was opened counts", async () => {
  const repository = new TestRepository();
  await using collector = await repository.open();
  await using writer = await repository.open();
  const ref = await writer.write(utf8ToBytes("new"), { prefix: "" });
  await writer.flush();
  const result = await collectPacks(collector, {
    clock: repository.clock,
    ages: NO_COLLECTION_AGES,
    delete: true,
  });
  assert.equal(result.unreferenced.count, 0);
  assert.equal(new TextDecoder().decode(await collector.read(ref)), "new");
});

test("collectPacks: index and format blobs can not be named", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  for (const prefix of ["x", "kopia", "_log"]) {
    await assert.rejects(
      collectPacks(contents, {
        clock: repository.clock,
        ages: NO_COLLECTION_AGES,
        prefix,
        delete: true,
      }),
      { code: "SEJF_INVALID_ARGUMENT" },
    );
  }
  await using reader = await repository.open({ readOnly: true });
  await assert.rejects(
    collectPacks(reader, { clock: repository.clock, ages: NO_COLLECTION_AGES, delete: true }),
    { code: "SEJF_READ_ONLY" },
  );
});

test("rewriteContents: short packs are joined, young contents stay, a lone short pack stays", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  const ids: ContentId[] = [];
  for (const text of ["one", "two", "three"]) {
    ids.push((await contents.write(utf8ToBytes(text), { prefix: "" })) as string as ContentId);
    await contents.flush();
  }
  await contents.write(utf8ToBytes("{}"), { prefix: "k" });
  await contents.flush();
  const options = { clock: repository.clock, minAgeMs: HOUR_MS, shortPacks: true };
  assert.deepEqual(
    (await selectContents(contents, { shortPacks: true })).map((info) => info.id).toSorted(),
    ids.toSorted(),
  );
  assert.equal((await rewriteContents(contents, options)).retained, 3);
  repository.clock.advance(2 * HOUR_MS);
  assert.equal((await rewriteContents(contents, { ...options, dryRun: true })).contents, 3);
  assert.equal((await packs(repository)).length, 3);
  assert.equal((await rewriteContents(contents, options)).contents, 3);
  const packIds = new Set<string | undefined>();
  for (const id of ids) packIds.add((await contents.info(id))?.packId);
  assert.equal(packIds.size, 1);
  await using other = await repository.open();
  assert.equal(new TextDecoder().decode(await other.read(ids[2] as never)), "three");
});

test("rewriteContents: a content that is damaged is told, the others are copied", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  const good = (await contents.write(utf8ToBytes("good"), { prefix: "" })) as string as ContentId;
  await contents.flush();
  const bad = (await contents.write(utf8ToBytes("bad"), { prefix: "" })) as string as ContentId;
  await contents.flush();
  const packId = (await contents.info(bad))?.packId as BlobId;
  await repository.storage.put(packId, new Uint8Array(500));
  const failures: string[] = [];
  const result = await rewriteContents(contents, {
    clock: repository.clock,
    minAgeMs: 0,
    ids: [good, bad],
    onFailure: (info) => failures.push(info.id),
  });
  assert.deepEqual([result.contents, result.failed, failures], [1, 1, [bad]]);
  await assert.rejects(selectContents(contents, { ids: ["00".repeat(16) as ContentId] }), {
    code: "SEJF_CONTENT_NOT_FOUND",
  });
});

test("recoverIndexes: replaces damaged indexes, but not when a pack cannot be read", async () => {
  for (const version of [1, 3]) {
    const repository = new TestRepository({ format: { version } });
    {
      await using contents = await repository.open();
      await contents.write(utf8ToBytes("precious"), { prefix: "" });
      await contents.flush();
    }
    const indexes = await listAllBlobs(repository.storage, version === 1 ? "n" : "xn");
    for (const { id } of indexes) await repository.storage.put(id, new Uint8Array(100));
    await assert.rejects(repository.open(), { code: "SEJF_CORRUPT" });
    await putPack(repository, "p0000000000000000000000000000000d");
    {
      await using contents = await repository.open({ leaveOutBadIndexes: true });
      const refused = await contents.recoverIndexes({ commit: true, replaceIndexes: true });
      assert.deepEqual(
        [refused.unreadable.length, refused.indexBlobs.length, refused.replaced.length],
        [1, 0, 0],
      );
      await repository.storage.delete("p0000000000000000000000000000000d" as BlobId);
      const done = await contents.recoverIndexes({ commit: true, replaceIndexes: true });
      assert.deepEqual(
        done.replaced,
        indexes.map((blob) => blob.id),
      );
    }
    await using contents = await repository.open();
    for await (const page of contents.list())
      assert.deepEqual(
        page.map((info) => info.originalLength),
        [8],
      );
  }
});

test("compactIndexes: without epochs, what is dropped is gone from all indexes, however few they are", async () => {
  const repository = new TestRepository({ format: { version: 1 } });
  await using contents = await repository.open();
  const ids: ContentId[] = [];
  for (const text of ["one", "two"]) {
    ids.push((await contents.write(utf8ToBytes(text), { prefix: "" })) as string as ContentId);
    await contents.flush();
  }
  await contents.delete(ids[0] as ContentId);
  await contents.flush();
  repository.clock.advance(HOUR_MS);
  const nowS = Math.floor(repository.clock.nowMs() / 1000);
  await contents.compactIndexes({ dropDeletedBeforeS: nowS });
  assert.equal((await contents.indexBlobs()).length, 1);
  assert.equal(await contents.info(ids[0] as ContentId), undefined);
  await contents.compactIndexes({ dropContents: [ids[1] as ContentId] });
  await using other = await repository.open();
  assert.equal(await other.info(ids[1] as ContentId), undefined);
});
