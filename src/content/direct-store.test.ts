import assert from "node:assert/strict";
import { test } from "node:test";
import { type BlobId, listAllBlobs } from "../blob/index.ts";
import { utf8ToBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import type { ContentId, ContentRef } from "../format/index.ts";
import { nodeCryptoEngine } from "../node/index.ts";
import { allContents, TestRepository } from "../testkit/direct-contents.ts";
import { type Fault, FaultStorage } from "../testkit/fault-storage.ts";
import { SeededRandom } from "../testkit/random.ts";
import type { DirectContents } from "./index.ts";

const HOUR_MS = 3_600_000;

async function put(contents: DirectContents, text: string, prefix = ""): Promise<ContentRef> {
  return await contents.write(utf8ToBytes(text), { prefix });
}

async function text(contents: DirectContents, ref: ContentRef): Promise<string> {
  return new TextDecoder().decode(await contents.read(ref));
}

async function ids(repository: TestRepository, prefix: string): Promise<BlobId[]> {
  return (await listAllBlobs(repository.storage, prefix)).map((blob) => blob.id);
}

for (const version of [1, 2, 3]) {
  test(`format ${version}: what was flushed is read by another client; nothing else is left in the store`, async () => {
    const repository = new TestRepository({ format: { version } });
    await using writer = await repository.open();
    const data = await put(writer, "file data");
    const directory = await put(writer, "directory", "k");
    assert.equal(await text(writer, data), "file data", "readable before the flush");
    assert.equal(
      (await ids(repository, "s")).length,
      1,
      "a session marker stands while packs are unindexed",
    );
    await writer.flush();
    assert.deepEqual(await ids(repository, "s"), []);
    await using reader = await repository.open({ readOnly: true });
    assert.equal(await text(reader, data), "file data");
    assert.equal(await text(reader, directory), "directory");
    assert.deepEqual(
      (await allContents(reader)).map((info) => info?.id),
      [data, directory].toSorted(),
    );
    assert.deepEqual(await reader.stat(directory), { ref: directory, originalLength: 9 });
    await assert.rejects(reader.write(new Uint8Array(1), { prefix: "" }), {
      code: "SEJF_READ_ONLY",
    });
    const kinds = (await ids(repository, ""))
      .map((id) => id.slice(0, version === 1 ? 1 : 2))
      .toSorted();
    assert.deepEqual(
      kinds.map((kind) => kind[0]),
      version === 1 ? ["n", "p", "q"] : ["p", "q", "x"],
    );
  });
}

test("write: the same bytes are stored once, before and after a flush and by another client", async () => {
  const repository = new TestRepository();
  await using first = await repository.open();
  await Promise.all(Array.from({ length: 10 }, async () => await put(first, "same")));
  await first.flush();
  await put(first, "same");
  await first.flush();
  await using second = await repository.open();
  await put(second, "same");
  await second.flush();
  assert.equal((await ids(repository, "p")).length, 1);
  assert.equal((await ids(repository, "xn")).length, 1);
  assert.deepEqual([first.statistics().writtenContents, first.statistics().knownContents], [1, 10]);
});

test("write: packs are stored while writing goes on, none is much larger than the format allows", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  const random = new SeededRandom(3);
  const refs: ContentRef[] = [];
  for (let i = 0; i < 24; i++)
    refs.push(await contents.write(random.bytes(2 << 20), { prefix: "" }));
  assert.ok(contents.statistics().storedPacks >= 1);
  await contents.flush();
  const packs = await listAllBlobs(repository.storage, "p");
  assert.equal(packs.length, 3);
  for (const pack of packs)
    assert.ok(pack.lengthBytes <= repository.format.maxPackSize + (2 << 20) + 65536);
  for (const ref of refs) assert.equal((await contents.read(ref)).byteLength, 2 << 20);
});

test("delete, undelete, write again: the later entry wins, within one second too", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  const ref = await put(contents, "text");
  const id = ref as string as ContentId;
  for (let round = 0; round < 3; round++) {
    await contents.delete(id);
    assert.equal(await contents.stat(ref), undefined);
    assert.equal(await text(contents, ref), "text", "a deleted content is still readable");
    if (round % 2 === 0) await contents.flush();
    if (round === 1) await contents.undelete(id);
    else await put(contents, "text");
    assert.notEqual(await contents.stat(ref), undefined);
    if (round !== 1) await contents.flush();
  }
  await contents.delete(id);
  await contents.flush();
  await using other = await repository.open();
  assert.equal((await other.info(id))?.deleted, true);
  assert.deepEqual(await allContents(other), []);
  assert.equal((await allContents(other, { includeDeleted: true })).length, 1);
  await assert.rejects(other.delete("00".repeat(16) as ContentId), {
    code: "SEJF_CONTENT_NOT_FOUND",
  });
});

test("rewrite: contents move to new packs, deleted ones stay deleted", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  const live = (await put(contents, "live")) as string as ContentId;
  const gone = (await put(contents, "gone")) as string as ContentId;
  await contents.delete(gone);
  await contents.flush();
  const before = [await contents.info(live), await contents.info(gone)];
  assert.deepEqual(await contents.rewrite([[live, gone]]), { contents: 2, bytes: 8 });
  await contents.flush();
  await using other = await repository.open();
  const after = [await other.info(live), await other.info(gone)];
  assert.deepEqual(
    after.map((info) => info?.deleted),
    [false, true],
  );
  for (let i = 0; i < 2; i++) assert.notEqual(after[i]?.packId, before[i]?.packId);
  assert.equal(await text(other, live as string as ContentRef), "live");
});

test("list: prefixes, ranges and what is pending, in order", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  const all: string[] = [];
  for (let i = 0; i < 300; i++) {
    all.push(await put(contents, `${i}`, ["", "k", "m"][i % 3]));
    if (i % 100 === 50) await contents.flush();
  }
  all.sort();
  const listed = async (options: Parameters<DirectContents["list"]>[0]): Promise<string[]> =>
    (await allContents(contents, options)).map((info) => String(info?.id));
  assert.deepEqual(await listed({}), all);
  for (const prefix of ["k", "m", "4", "4f", "k0", "z"]) {
    assert.deepEqual(
      await listed({ prefix }),
      all.filter((id) => id.startsWith(prefix)),
      prefix,
    );
  }
  const [from = "", to = ""] = [all[40], all[200]];
  assert.deepEqual(await listed({ range: { from, to } }), all.slice(40, 200));
  assert.deepEqual(
    await listed({ range: { from: "k4", to: "m" } }),
    all.filter((id) => id >= "k4" && id < "m"),
  );
});

test("readMany: grouped by pack, every job comes back once, failures as results", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  const refs: ContentRef[] = [];
  for (let i = 0; i < 500; i++) {
    refs.push(await put(contents, `content ${i}`));
    if (i === 250) await contents.flush();
  }
  const missing = "ff".repeat(16) as ContentRef;
  async function* requests(): AsyncGenerator<{ job: number; ref: ContentRef }[]> {
    yield refs.map((ref, job) => ({ job, ref }));
    yield [
      { job: 500, ref: missing },
      { job: 501, ref: "no id" as ContentRef },
    ];
  }
  const seen = new Map<number, string>();
  for await (const page of contents.readMany(requests())) {
    for (const result of page)
      seen.set(result.job, result.ok ? new TextDecoder().decode(result.data) : result.code);
  }
  assert.equal(seen.size, 502);
  for (let i = 0; i < 500; i++) assert.equal(seen.get(i), `content ${i}`);
  assert.deepEqual([seen.get(500), seen.get(501)], ["SEJF_CONTENT_NOT_FOUND", "SEJF_INVALID_ID"]);
});

test("a failed flush keeps everything: the next one publishes it", async () => {
  const memory = new TestRepository();
  // A flush tries a pack twice. For each of the two packs the marker is tried when it is begun, and before it is put.
  for (const [on, times] of Object.entries({ p: 2, q: 2, xn: 1, s: 6 })) {
    const faulty = new FaultStorage(memory.storage, {
      on: "put",
      id: new RegExp(`^${on}`),
      times,
      fault: { kind: "fail" },
    });
    await using contents = await memory.open({ storage: faulty });
    const refs = [await put(contents, `data ${on}`), await put(contents, `meta ${on}`, "k")];
    const packsBefore = await ids(memory, "p");
    await assert.rejects(contents.flush(), { code: "SEJF_IO" }, on);
    if (on === "s")
      assert.deepEqual(await ids(memory, "p"), packsBefore, "no pack is put without a marker");
    assert.equal(await text(contents, refs[0] as ContentRef), `data ${on}`);
    await contents.flush();
    await using other = await memory.open();
    assert.equal(await text(other, refs[0] as ContentRef), `data ${on}`);
    assert.equal(await text(other, refs[1] as ContentRef), `meta ${on}`);
  }
  assert.deepEqual(await ids(memory, "s"), []);
});

test("flush: the index is written only after the packs that it names", async () => {
  const repository = new TestRepository();
  const recording = new FaultStorage(repository.storage);
  await using contents = await repository.open({ storage: recording });
  await put(contents, "a");
  await put(contents, "b", "k");
  await contents.flush();
  const order = recording.calls
    .filter(({ kind }) => kind === "put" || kind === "delete")
    .map(({ kind, id }) => `${kind} ${id[0]}`);
  assert.equal(order[0], "put s");
  assert.deepEqual(order.slice(1, 3).toSorted(), ["put p", "put q"]);
  assert.deepEqual(order.slice(3), ["put x", "delete s"]);
});

test("a crash before the flush leaves garbage, never a dangling entry", async () => {
  for (let at = 1; ; at++) {
    const repository = new TestRepository();
    await using before = await repository.open();
    const old = await put(before, "old");
    await before.flush();
    const faulty = new FaultStorage(repository.storage, {
      on: "any",
      at,
      fault: { kind: "die", after: at % 2 === 0 },
    });
    let finished = false;
    try {
      const contents = await repository.open({ storage: faulty });
      await put(contents, `crash ${at}`);
      await put(contents, `crash ${at}`, "k");
      await contents.flush();
      await contents.close();
      finished = !faulty.dead;
    } catch {
      assert.ok(faulty.dead);
    }
    await using reader = await repository.open();
    const verified = await reader.verify({ fullPercent: 100 });
    assert.deepEqual(verified.problems, [], `dead at call ${at}`);
    assert.equal(await text(reader, old), "old");
    if (finished) assert.equal(verified.contents, 3);
    if (finished) return;
  }
});

test("any call may fail once, before or after its work, or tear a pack: a later flush saves everything", async () => {
  const faults: readonly Fault[] = [{ kind: "fail" }, { kind: "fail-after" }, { kind: "tear" }];
  for (const fault of faults) {
    for (let at = 1; ; at++) {
      const repository = new TestRepository();
      const faulty = new FaultStorage(repository.storage);
      await using contents = await repository.open({ storage: faulty });
      const on = fault.kind === "tear" ? "put" : "any";
      const before = faulty.calls.length;
      faulty.add({ on, at, fault });
      const refs: ContentRef[] = [];
      for (const prefix of ["", "k"]) {
        const write = async (): Promise<ContentRef> => await put(contents, `text ${at}`, prefix);
        refs.push(await write().catch(write));
      }
      await contents.flush().catch(async () => await contents.flush());
      await contents.delete(refs[0] as string as ContentId);
      await contents.flush().catch(async () => await contents.flush());
      await using reader = await repository.open();
      assert.deepEqual(
        (await reader.verify({ fullPercent: 100, includeDeleted: true })).problems,
        [],
      );
      assert.equal(
        (await reader.info(refs[0] as string as ContentId))?.deleted,
        true,
        `${fault.kind} ${at}`,
      );
      assert.equal(await text(reader, refs[1] as ContentRef), `text ${at}`);
      const calls = faulty.calls.slice(before).filter(({ kind }) => on === "any" || kind === on);
      if (calls.length < at) break;
    }
  }
});

test("a long run publishes by itself after ten minutes, and keeps its marker fresh", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  const random = new SeededRandom(9);
  for (let i = 0; i < 11; i++) await contents.write(random.bytes(2 << 20), { prefix: "" });
  repository.clock.advance(11 * 60_000);
  const ref = await put(contents, "one more");
  while ((await ids(repository, "xn")).length === 0)
    await new Promise<void>((resolve) => setImmediate(resolve));
  assert.equal((await ids(repository, "s")).length, 1, "the session goes on");
  repository.clock.advance(13 * HOUR_MS);
  for (let i = 0; i < 11; i++) await contents.write(random.bytes(2 << 20), { prefix: "" });
  const [session] = await contents.sessions();
  assert.equal(session?.blobs.length, 2);
  await contents.flush();
  assert.deepEqual(await ids(repository, "s"), []);
  assert.equal(await text(contents, ref), "one more");
});

test("two writers at once: each sees the other's contents after a refresh", async () => {
  const repository = new TestRepository();
  await using a = await repository.open();
  await using b = await repository.open();
  const refs: ContentRef[] = [];
  for (let i = 0; i < 20; i++) {
    refs.push(await put(a, `a${i}`), await put(b, `b${i}`));
    await Promise.all([a.flush(), b.flush()]);
  }
  for (const contents of [a, b]) {
    await contents.refresh();
    for (const ref of refs) assert.ok((await contents.read(ref)).byteLength > 0);
  }
});

test("what another client wrote is seen when the state is no longer valid", async () => {
  const repository = new TestRepository();
  await using reader = await repository.open();
  await using writer = await repository.open();
  const ref = await put(writer, "new");
  await writer.flush();
  assert.equal(await reader.stat(ref), undefined);
  repository.clock.advance(21 * 60_000);
  assert.notEqual(await reader.stat(ref), undefined);
});

test("a pack that moved is found again by looking into the index once more", async () => {
  const repository = new TestRepository();
  await using reader = await repository.open();
  await using writer = await repository.open();
  const ref = await put(writer, "moved");
  await writer.flush();
  await reader.refresh();
  const [old] = await ids(repository, "p");
  repository.clock.advance(1000);
  await writer.rewrite([[ref as string as ContentId]]);
  await writer.flush();
  await repository.storage.delete(old as BlobId);
  assert.equal(await text(reader, ref), "moved");
});

test("recoverIndexes: packs alone give all contents back", async () => {
  for (const version of [1, 3]) {
    const repository = new TestRepository({ format: { version } });
    const refs: ContentRef[] = [];
    {
      await using contents = await repository.open();
      for (let i = 0; i < 50; i++) {
        refs.push(await put(contents, `content ${i}`, i % 2 === 0 ? "" : "k"));
        if (i % 20 === 0) await contents.flush();
      }
      await contents.flush();
    }
    for (const id of await ids(repository, version === 1 ? "n" : "x"))
      await repository.storage.delete(id);
    await using contents = await repository.open();
    assert.deepEqual(await allContents(contents), []);
    const dry = await contents.recoverIndexes({ commit: false });
    assert.deepEqual([dry.contents, dry.indexBlobs.length, dry.unreadable.length], [50, 0, 0]);
    await contents.recoverIndexes({ commit: true });
    await using other = await repository.open();
    for (const [i, ref] of refs.entries()) assert.equal(await text(other, ref), `content ${i}`);
  }
});

test("damage: truncated, swapped, corrupted and missing packs are named with the content", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  const ref = await put(contents, "precious");
  await contents.flush();
  await put(contents, "other");
  await contents.flush();
  const info = await contents.info(ref as string as ContentId);
  const pack = info?.packId as BlobId;
  const other = (await ids(repository, "p")).find((id) => id !== pack) as BlobId;
  const whole = await repository.storage.get(pack);
  const named = (code: string) => (error: Error & { code?: string }) =>
    error.code === code && error.message.includes(ref) && error.message.includes(pack);
  const problems = async (): Promise<string[]> =>
    (await contents.verify({ fullPercent: 100 })).problems.map((problem) => problem.code);
  const flipped = whole.slice();
  flipped[info?.packOffset ?? 0] = (flipped[info?.packOffset ?? 0] ?? 0) ^ 1;
  await repository.storage.put(pack, flipped);
  await assert.rejects(contents.read(ref), named("SEJF_CORRUPT"));
  assert.deepEqual(await problems(), ["SEJF_CORRUPT"]);
  await repository.storage.put(pack, await repository.storage.get(other));
  await assert.rejects(contents.read(ref), named("SEJF_CORRUPT"));
  await repository.storage.put(pack, whole.subarray(0, (info?.packOffset ?? 0) + 5));
  await assert.rejects(contents.read(ref), named("SEJF_CORRUPT"));
  assert.deepEqual(await problems(), ["SEJF_CORRUPT"]);
  await repository.storage.delete(pack);
  await assert.rejects(contents.read(ref), named("SEJF_BLOB_NOT_FOUND"));
  assert.deepEqual(await problems(), ["SEJF_BLOB_NOT_FOUND"]);
});

test("damage: a broken index blob is named; only a permissive reader goes on without it", async () => {
  const repository = new TestRepository();
  await using contents = await repository.open();
  await put(contents, "a");
  await contents.flush();
  const [first] = await ids(repository, "xn");
  await put(contents, "b");
  await contents.flush();
  const data = await repository.storage.get(first as BlobId);
  data[20] = (data[20] ?? 0) ^ 4;
  await repository.storage.put(first as BlobId, data);
  await assert.rejects(
    repository.open(),
    (error: Error & { code?: string }) =>
      error.code === "SEJF_CORRUPT" && error.message.includes(String(first)),
  );
  await using reader = await repository.open({ readOnly: true, permissiveCacheLoading: true });
  assert.equal((await allContents(reader)).length, 1);
});

test("what is written and deleted while an index is being published belongs to the next", async () => {
  const repository = new TestRepository();
  const slow = new FaultStorage(repository.storage);
  await using contents = await repository.open({ storage: slow });
  const [a, b] = [await put(contents, "a"), await put(contents, "b")];
  await contents.flush();
  await contents.delete(a as string as ContentId);
  let go: () => void = () => {};
  const until = new Promise<void>((resolve) => {
    go = resolve;
  });
  slow.add({ on: "put", id: /^xn/, fault: { kind: "delay", until } });
  const flushing = contents.flush();
  while (slow.count("put", /^xn/) < 2) await new Promise<void>((resolve) => setImmediate(resolve));
  await contents.delete(b as string as ContentId);
  const c = await put(contents, "c");
  go();
  await flushing;
  await using between = await repository.open();
  assert.deepEqual(
    [await between.stat(a), (await between.stat(b))?.ref, await between.stat(c)],
    [undefined, b, undefined],
  );
  assert.equal((await ids(repository, "s")).length, 1, "the next session has begun");
  await contents.flush();
  await between.refresh();
  assert.deepEqual([await between.stat(b), (await between.stat(c))?.ref], [undefined, c]);
  assert.deepEqual(await ids(repository, "s"), []);
});

test("no index ever names a pack that is not in the store, deletions included", async () => {
  const repository = new TestRepository();
  const faulty = new FaultStorage(repository.storage);
  await using contents = await repository.open({ storage: faulty });
  const a = await put(contents, "a");
  await put(contents, "known");
  await contents.flush();
  const old = await contents.info(a as string as ContentId);
  faulty.add({ on: "put", id: /^p/, times: 4, fault: { kind: "fail" } });
  const b = await put(contents, "b");
  await contents.delete(b as string as ContentId);
  await contents.delete(old?.id as ContentId);
  await assert.rejects(contents.flush(), { code: "SEJF_IO" });
  repository.clock.advance(11 * 60_000);
  await put(contents, "known");
  while (contents.statistics().indexFlushes < 2)
    await new Promise<void>((resolve) => setImmediate(resolve));
  await using reader = await repository.open();
  assert.deepEqual((await reader.verify({ includeDeleted: true })).problems, []);
  assert.equal((await reader.info(old?.id as ContentId))?.deleted, true);
  assert.equal(await reader.info(b as string as ContentId), undefined);
  faulty.heal();
  await contents.flush();
  await reader.refresh();
  assert.equal((await reader.info(b as string as ContentId))?.deleted, true);
  assert.deepEqual((await reader.verify({ includeDeleted: true, fullPercent: 100 })).problems, []);
});

test("write: a known content is sealed like a new one when nobody may tell them apart, and stored once all the same", async () => {
  const repository = new TestRepository();
  let sealed = 0;
  const engine: CryptoEngine = {
    ...nodeCryptoEngine,
    seal: (...args) => {
      sealed++;
      return nodeCryptoEngine.seal(...args);
    },
    sealInto: (...args) => {
      sealed++;
      return nodeCryptoEngine.sealInto?.(...args) ?? 0;
    },
  };
  await using contents = await repository.open({ engine });
  const data = new SeededRandom(1).bytes(5000);
  await contents.write(data, { prefix: "" });
  const afterNew = sealed;
  await contents.write(data, { prefix: "" });
  assert.equal(sealed, afterNew);
  await contents.write(data, { prefix: "", evenly: true });
  assert.equal(sealed, afterNew + 1);
  assert.equal(contents.statistics().writtenContents, 1);
});
