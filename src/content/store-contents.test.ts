import assert from "node:assert/strict";
import { test } from "node:test";
import { listAllBlobs } from "../blob/index.ts";
import { bytesToHex, concatBytes, utf8ToBytes } from "../bytes/index.ts";
import { compressorByName, portableCompressionEngine } from "../compress/index.ts";
import type { ContentId, ContentRef } from "../format/index.ts";
import { TestRepository } from "../testkit/direct-contents.ts";
import { FaultStorage } from "../testkit/fault-storage.ts";
import { SeededRandom } from "../testkit/random.ts";
import type { ContentBatch, DirectContents } from "./index.ts";

const ZSTD = compressorByName("zstd-fastest", portableCompressionEngine).id;
const THREADS = 2;

function batchOf(contents: readonly Uint8Array[], compressor = 0): ContentBatch {
  return {
    bytes: concatBytes(...contents),
    lengths: Uint32Array.from(contents, ({ byteLength }) => byteLength),
    compressors: Uint32Array.from(contents, () => compressor),
  };
}

/** Gives the IDs, and which of them nobody had. */
async function store(
  store: DirectContents,
  contents: readonly Uint8Array[],
  { compressor = 0, evenly = false } = {},
): Promise<{ readonly ids: readonly string[]; readonly isNew: readonly number[] }> {
  const stored = await store.storeContents(batchOf(contents, compressor), { evenly });
  assert.ok(stored !== undefined, "there are threads");
  const names = bytesToHex(stored.hashes);
  const digits = names.length / contents.length;
  const ids = contents.map((_, i) => names.slice(i * digits, (i + 1) * digits));
  return { ids, isNew: [...stored.isNew] };
}

async function storedBytes(repository: TestRepository): Promise<number> {
  const blobs = await listAllBlobs(repository.storage, "p");
  return blobs.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
}

function someContents(seed: number): readonly Uint8Array[] {
  const random = new SeededRandom(seed);
  const short = Array.from({ length: 60 }, () => random.bytes(random.int(9000)));
  return [...short, utf8ToBytes("line\n".repeat(9000)), random.bytes(3 << 20), new Uint8Array(0)];
}

for (const hash of ["BLAKE2B-256-128", "BLAKE3-256-128", "HMAC-SHA256-128"]) {
  test(`storeContents: names as write does, and reads the same, ${hash}`, async () => {
    const repository = new TestRepository({ format: { hash } });
    const contents = someContents(1);
    {
      await using writer = await repository.open({ threads: THREADS });
      const { ids, isNew } = await store(writer, contents, { compressor: ZSTD });
      assert.deepEqual(
        ids,
        contents.map((data) => writer.contentId(data, "")),
      );
      assert.ok(isNew.every((one) => one === 1));
      // A single write finds what a thread has taken on, also before it is in a store.
      const before = writer.statistics().writtenContents;
      await writer.write(contents[3] as Uint8Array, { prefix: "" });
      assert.equal(writer.statistics().writtenContents, before);
      await writer.flush();
    }
    await using reader = await repository.open();
    for (const data of contents) {
      const id = reader.contentId(data, "");
      assert.deepEqual(await reader.read(id as string as ContentRef), data);
      const compressible = data.byteLength === 45_000;
      assert.equal((await reader.info(id))?.compressionId, compressible ? ZSTD : 0);
    }
  });
}

test("storeContents: equal contents are stored once, in one batch, in two at once, and after a flush", async () => {
  const repository = new TestRepository();
  await using writer = await repository.open({ threads: THREADS });
  const [one, other] = [new SeededRandom(2).bytes(70_000), new SeededRandom(3).bytes(90_000)];
  const first = await store(writer, [one, one]);
  assert.deepEqual(first.isNew, [1, 0]);
  const [a, b] = await Promise.all([store(writer, [other, one]), store(writer, [one, other])]);
  assert.equal((a?.isNew[0] ?? 0) + (b?.isNew[1] ?? 0), 1);
  await writer.flush();
  assert.deepEqual((await store(writer, [one, other])).isNew, [0, 0]);
  await writer.flush();
  assert.ok((await storedBytes(repository)) < 180_000 + 20_000);
});

test("storeContents: what is known and stored evenly leaves nothing behind", async () => {
  const repository = new TestRepository();
  await using writer = await repository.open({ threads: THREADS });
  const contents = someContents(4);
  await store(writer, contents, { compressor: ZSTD });
  await writer.flush();
  const before = await storedBytes(repository);
  const again = await store(writer, contents, { compressor: ZSTD, evenly: true });
  assert.ok(again.isNew.every((one) => one === 0));
  const fresh = utf8ToBytes("and one that is new");
  assert.deepEqual((await store(writer, [fresh], { evenly: true })).isNew, [1]);
  await writer.flush();
  const more = (await storedBytes(repository)) - before;
  assert.ok(more > 0 && more < 10_000, `${more} bytes`);
  const id = writer.contentId(fresh, "") as string as ContentRef;
  assert.deepEqual(await writer.read(id), fresh);
});

test("storeContents: without threads nothing is done, and the memory stays", async () => {
  await using writer = await new TestRepository().open({ threads: 0 });
  const batch = batchOf([utf8ToBytes("data")]);
  assert.equal(await writer.storeContents(batch, { evenly: false }), undefined);
  assert.equal(batch.bytes.byteLength, 4);
});

test("storeContents: what is longer than a thread takes stays with the caller, with all beside it", async () => {
  await using writer = await new TestRepository().open({ threads: THREADS });
  const longest = new Uint8Array(16 << 20);
  const { ids } = await store(writer, [longest]);
  assert.deepEqual(ids, [writer.contentId(longest, "")]);
  const short = utf8ToBytes("data");
  const batch = batchOf([short, new Uint8Array(longest.byteLength + 1)]);
  assert.equal(await writer.storeContents(batch, { evenly: false }), undefined);
  assert.equal(batch.bytes.byteLength, short.byteLength + longest.byteLength + 1);
  const id = writer.contentId(short, "") as string as ContentRef;
  assert.equal(await writer.stat(id), undefined);
});

test("storeContents: an index of version 1 has no compression", async () => {
  const repository = new TestRepository({ format: { version: 1 } });
  await using writer = await repository.open({ threads: THREADS });
  const text = utf8ToBytes("line\n".repeat(9000));
  const { ids } = await store(writer, [text], { compressor: ZSTD });
  await writer.flush();
  assert.deepEqual(ids, [writer.contentId(text, "")]);
  assert.equal((await writer.info(ids[0] as ContentId))?.compressionId, 0);
});

test("storeContents: a content deleted elsewhere is stored again", async () => {
  const repository = new TestRepository();
  await using writer = await repository.open({ threads: THREADS });
  await using other = await repository.open();
  const data = new SeededRandom(5).bytes(70_000);
  const id = writer.contentId(data, "");
  await store(writer, [data]);
  await writer.flush();
  await other.refresh();
  await other.delete(id);
  await other.flush();
  await writer.refresh();
  const many = await Promise.all([1, 2, 3].map(async () => await store(writer, [data])));
  assert.equal(many.filter(({ isNew }) => isNew[0] === 1).length, 1);
  await writer.flush();
  assert.equal((await writer.info(id))?.deleted, false);
});

test("storeContents: while the store is full nothing more is taken on; what was taken is stored when it is not", async () => {
  const repository = new TestRepository();
  const storage = new FaultStorage(repository.storage);
  await using writer = await repository.open({ threads: THREADS, storage });
  const first = new SeededRandom(6).bytes(100_000);
  await store(writer, [first]);
  storage.add({ on: "put", id: /^p/, times: 4, fault: { kind: "disk-full" } });
  await assert.rejects(writer.flush(), { code: "SEJF_NO_SPACE" });
  await assert.rejects(store(writer, [utf8ToBytes("more")]), { code: "SEJF_NO_SPACE" });
  await assert.rejects(writer.flush(), { code: "SEJF_NO_SPACE" });
  await store(writer, [utf8ToBytes("now there is room")]);
  await writer.flush();
  await using reader = await repository.open();
  for (const data of [first, utf8ToBytes("now there is room")])
    assert.deepEqual(await reader.read(reader.contentId(data, "") as string as ContentRef), data);
});

test("lengths: of live contents wherever they are; negative for others", async () => {
  const repository = new TestRepository();
  await using writer = await repository.open({ threads: THREADS });
  const write = async (data: string): Promise<ContentId> =>
    (await writer.write(utf8ToBytes(data), { prefix: "" })) as string as ContentId;
  const flushed = await write("flushed");
  const deleted = await write("deleted");
  await writer.flush();
  await writer.delete(deleted);
  const pending = await write("in a pack");
  const absent = writer.contentId(utf8ToBytes("nowhere"), "");
  const { ids } = await store(writer, [new Uint8Array(7000), new Uint8Array(0)]);
  const asked = [flushed, deleted, pending, absent, ...(ids as ContentId[])];
  const expected = [7, -1, 9, -1, 7000, 0];
  assert.deepEqual([...(await writer.lengths(asked))], expected);
  await writer.flush();
  assert.deepEqual([...(await writer.lengths(asked))], expected);
  await writer.undelete(deleted);
  assert.deepEqual([...(await writer.lengths([deleted]))], [7]);
});

test("storeContents: after a deletion threads begin anew, but not for what they never write", async () => {
  const repository = new TestRepository();
  await using writer = await repository.open({ threads: THREADS });
  const write = async (data: string, prefix: string): Promise<ContentId> =>
    (await writer.write(utf8ToBytes(data), { prefix })) as string as ContentId;
  const manifest = await write("{}", "m");
  const fileData = await write("file data", "");
  await store(writer, [utf8ToBytes("one")]);
  await writer.flush();
  const { indexFlushes } = writer.statistics();
  await writer.delete(manifest);
  await store(writer, [utf8ToBytes("two")]);
  assert.equal(writer.statistics().indexFlushes, indexFlushes);
  await writer.delete(fileData);
  const { isNew } = await store(writer, [utf8ToBytes("file data")]);
  assert.deepEqual(isNew, [1]);
  assert.equal(writer.statistics().indexFlushes, indexFlushes + 1);
});
