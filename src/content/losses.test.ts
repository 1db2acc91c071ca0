import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type BlobId, listAllBlobs } from "../blob/index.ts";
import { utf8ToBytes } from "../bytes/index.ts";
import type { ContentId, FileBatch, FileResult } from "../format/index.ts";
import { TestRepository } from "../testkit/direct-contents.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import type { DirectContents } from "./index.ts";

/** Everything that came later is gone, as when yesterday's copy of the storage is put back. */
async function rollBack(repository: TestRepository, kept: ReadonlySet<BlobId>): Promise<void> {
  for (const { id } of await listAllBlobs(repository.storage, ""))
    if (!kept.has(id)) await repository.storage.delete(id);
}

async function blobs(repository: TestRepository): Promise<ReadonlySet<BlobId>> {
  return new Set((await listAllBlobs(repository.storage, "")).map(({ id }) => id));
}

async function upload(contents: DirectContents, directory: string): Promise<FileResult> {
  async function* batches(): AsyncGenerator<FileBatch> {
    const expected = { sizeBytes: 9, mode: 0o100644, mtimeNs: 0n, uid: 0, gid: 0 };
    yield { directory, files: [{ job: 1, name: "file", expected, compressor: undefined }] };
  }
  for await (const [result] of contents.writeFiles(batches())) if (result) return result;
  throw new Error("no result");
}

test("losses: grow with another client's deletions of contents, not with its additions or manifests", async () => {
  const repository = new TestRepository();
  await using ours = await repository.open();
  await using theirs = await repository.open();
  const data = (await theirs.write(utf8ToBytes("data"), { prefix: "" })) as string as ContentId;
  const manifest = (await theirs.write(utf8ToBytes("{}"), { prefix: "m" })) as string as ContentId;
  await theirs.flush();
  await ours.refresh();
  const before = ours.losses;
  await theirs.write(utf8ToBytes("more"), { prefix: "" });
  await theirs.flush();
  await ours.refresh();
  assert.equal(ours.losses, before, "additions");
  await theirs.delete(manifest);
  await theirs.flush();
  await ours.refresh();
  assert.equal(ours.losses, before, "manifests");
  await theirs.delete(data);
  await theirs.flush();
  await ours.refresh();
  assert.notEqual(ours.losses, before, "deletions");
});

test("losses: grow with own deletions at once", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  const id = (await contents.write(utf8ToBytes("data"), { prefix: "k" })) as string as ContentId;
  const before = contents.losses;
  await contents.delete(id);
  assert.notEqual(contents.losses, before);
});

for (const threads of [0, 1]) {
  test(`losses: after the storage was rolled back, a running client with ${threads} threads stores again what is gone`, async () => {
    await using folder = await temporaryDirectory();
    await writeFile(join(folder.path, "file"), "file data");
    const repository = new TestRepository();
    await using contents = await repository.open({ threads });
    await contents.write(utf8ToBytes("early"), { prefix: "" });
    await contents.flush();
    const kept = await blobs(repository);
    const first = await upload(contents, folder.path);
    assert.ok(first.ok);
    const late = await contents.write(utf8ToBytes("late"), { prefix: "" });
    await contents.flush();
    const before = contents.losses;

    await rollBack(repository, kept);
    await contents.refresh();
    assert.notEqual(contents.losses, before);
    assert.equal(await contents.stat(late), undefined);
    assert.equal(
      await contents.write(utf8ToBytes("file data"), { prefix: "" }),
      first.pieces[0]?.ref,
    );
    await contents.write(utf8ToBytes("late"), { prefix: "" });
    await upload(contents, folder.path);
    await contents.flush();
    await using reader = await repository.open({ readOnly: true });
    for (const ref of [late, first.pieces[0]?.ref])
      assert.ok(ref !== undefined && (await reader.read(ref)).length > 0, String(ref));
  });
}

test("losses: are not seen before the index that lacks what is gone", async () => {
  const repository = new TestRepository();
  const seen: number[] = [];
  const storage = new Proxy(repository.storage, {
    get(target, name) {
      if (name === "get") seen.push(contents?.losses ?? 0);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  let contents: DirectContents | undefined;
  await using opened = await repository.open({ storage });
  contents = opened;
  await opened.write(utf8ToBytes("early"), { prefix: "" });
  await opened.flush();
  const kept = await blobs(repository);
  await using other = await repository.open();
  await other.write(utf8ToBytes("late"), { prefix: "" });
  await other.flush();
  await opened.refresh();
  const before = opened.losses;
  await rollBack(repository, kept);
  seen.length = 0;
  await opened.refresh();
  assert.equal(opened.losses, before + 1);
  assert.ok(seen.length > 0 && seen.every((losses) => losses === before), String(seen));
});

test("losses: what was deleted before there were threads is stored again by them", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open({ threads: 1 });
  const data = new Uint8Array(70_000).map((_, i) => i % 251);
  const id = contents.contentId(data, "");
  await contents.write(data, { prefix: "" });
  await contents.flush();
  await contents.delete(id);
  const batch = {
    bytes: data.slice(),
    lengths: Uint32Array.of(data.byteLength),
    compressors: Uint32Array.of(0),
  };
  const stored = await contents.storeContents(batch, { evenly: true });
  assert.deepEqual([...(stored?.isNew ?? [])], [1]);
  assert.deepEqual([...(await contents.lengths([id]))], [data.byteLength]);
  await contents.flush();
  await using reader = await repository.open({ readOnly: true });
  assert.equal((await reader.info(id))?.deleted, false);
});

test("losses: an index of ours that becomes a file of its own is none, and is not read back", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open({
    indexLimits: { smallBytes: 200, memoryBytes: 400, files: 2 },
  });
  await contents.write(utf8ToBytes("early"), { prefix: "" });
  await contents.flush();
  const before = contents.losses;
  const refs = await Promise.all(
    Array.from({ length: 50 }, (_, i) => contents.write(utf8ToBytes(`data ${i}`), { prefix: "" })),
  );
  const earlier = new Set((await contents.indexBlobs()).map(({ id }) => id));
  const { storage } = repository;
  const read: string[] = [];
  const get = storage.get.bind(storage);
  storage.get = async (id, options): ReturnType<typeof get> => {
    read.push(id);
    return await get(id, options);
  };
  await contents.flush();
  assert.equal(contents.losses, before);
  const own = (await contents.indexBlobs()).filter(({ id }) => !earlier.has(id));
  assert.equal(own.length, 1);
  assert.ok(!read.includes(own[0]?.id ?? ""));
  for (const ref of refs) assert.ok(await contents.stat(ref), ref);
});
