import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesToUtf8, utf8ToBytes } from "../bytes/index.ts";
import { portableCompressionEngine } from "../compress/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import { FakeClock } from "../testkit/clock.ts";
import { MemoryContents } from "../testkit/memory-contents.ts";
import { numRuns } from "../testkit/property.ts";
import { SeededRandom } from "../testkit/random.ts";
import { decodeEntries, deletionEntry, encodeEntries, itemEntry } from "./entries.ts";
import { arrayElements, objectMembers } from "./json-spans.ts";
import {
  type CompactingManifestStore,
  type ManifestDamage,
  type ManifestId,
  newestOf,
  openManifests,
} from "./index.ts";

const compression = portableCompressionEngine;
const DAY_MS = 86_400_000;

interface Client {
  readonly store: CompactingManifestStore;
  readonly clock: FakeClock;
}

let seed = 1;

function client(
  contents: MemoryContents,
  clock: FakeClock = new FakeClock(),
  readOnly = false,
  onDamage?: (damage: ManifestDamage) => void,
): Client {
  const store = openManifests({
    contents,
    contentList: contents,
    clock,
    random: new SeededRandom(seed++),
    compression,
    readOnly,
    onDamage,
  });
  return { store, clock };
}

function plain(contents: MemoryContents): string[] {
  return [...contents.stored]
    .filter(([ref]) => ref.startsWith("m"))
    .map(([, data]) => bytesToUtf8(compression.gunzip(data, 1e6)));
}

test("a flush writes all pending items as one content, keys sorted and characters escaped as Go does", async () => {
  const contents = new MemoryContents();
  const { store, clock } = client(contents);
  const id = await store.put(
    { type: "policy", policyType: "path", path: "/a<b" },
    { b: "<", a: 1 },
  );
  clock.advance(1.5);
  const gone = await store.put({ type: "x" }, null);
  await store.delete(gone);
  await store.flush();
  assert.deepEqual(plain(contents), [
    `{"entries":[{"id":"${id}","labels":{"path":"/a\\u003cb","policyType":"path","type":"policy"},"modified":"2026-08-01T12:00:00Z","data":{"b":"\\u003c","a":1}},` +
      `{"id":"${gone}","labels":null,"modified":"2026-08-01T12:00:00.001500001Z","deleted":true,"data":null}]}\n`,
  ]);
  assert.equal(contents.writes[0]?.compressor, 0x1101);
  await store.flush();
  assert.equal(contents.writes.length, 1);
});

test("items are found by labels, oldest first, in this and in another session", async () => {
  const contents = new MemoryContents();
  const { store, clock } = client(contents);
  const ids: ManifestId[] = [];
  for (const host of ["a", "b", "a"]) {
    ids.push(await store.put({ type: "snapshot", hostname: host }, { host }));
    clock.advance(10);
  }
  const before = await store.find({ type: "snapshot", hostname: "a" });
  await store.flush();
  const other = client(contents).store;
  const found = await other.find({ type: "snapshot", hostname: "a" });
  assert.deepEqual(
    found.map((item) => item.id),
    [ids[0], ids[2]],
  );
  assert.deepEqual(found, before);
  assert.deepEqual((await other.get(ids[1] as ManifestId)).data, { host: "b" });
  assert.equal(found[0]?.lengthBytes, 12);
  assert.deepEqual(await other.find({ constructor: "x" }), []);
});

test("a deletion hides the item everywhere, also one dated in the future", async () => {
  const contents = new MemoryContents();
  const ahead = client(contents, new FakeClock(Date.UTC(2030, 0, 1)));
  const id = await ahead.store.put({ type: "t" }, 1);
  await ahead.store.flush();
  const { store } = client(contents);
  await store.delete(id);
  await store.delete(id);
  await store.delete("00000000000000000000000000000000" as ManifestId);
  await assert.rejects(store.get(id), { code: "SEJF_MANIFEST_NOT_FOUND" });
  await store.flush();
  assert.deepEqual(await client(contents).store.find({ type: "t" }), []);
});

test("put needs a type, and a read-only store refuses changes", async () => {
  const contents = new MemoryContents();
  await assert.rejects(client(contents).store.put({ type: "" }, 1), {
    code: "SEJF_INVALID_ARGUMENT",
  });
  const { store } = client(contents, new FakeClock(), true);
  await assert.rejects(store.put({ type: "t" }, 1), { code: "SEJF_READ_ONLY" });
  await assert.rejects(store.delete("aa" as ManifestId), { code: "SEJF_READ_ONLY" });
  await assert.rejects(store.compact(), { code: "SEJF_READ_ONLY" });
});

test("a content that vanishes while loading starts the load over", async () => {
  const contents = new MemoryContents();
  const writer = client(contents).store;
  const id = await writer.put({ type: "t" }, 1);
  await writer.flush();
  const { store } = client(contents);
  let failures = 2;
  contents.onRead = () => {
    if (failures-- > 0) throw new SejfError("SEJF_CONTENT_NOT_FOUND", "gone");
  };
  assert.deepEqual(
    (await store.find({ type: "t" })).map((item) => item.id),
    [id],
  );
});

test("a content that is lost or broken is told of once, and the items in others stay", async () => {
  const contents = new MemoryContents();
  const writer = client(contents).store;
  const ids: ManifestId[] = [];
  for (const type of ["snapshot", "policy", "user"]) {
    ids.push(await writer.put({ type }, 1));
    await writer.flush();
  }
  const broken = contents.put(utf8ToBytes("no gzip"), "m");
  const lost = contents.put(utf8ToBytes("also"), "m");
  contents.onRead = (ref) => {
    if (ref === lost) throw new SejfError("SEJF_BLOB_NOT_FOUND", "no pack");
  };
  const told: ManifestDamage[] = [];
  const { store } = client(contents, new FakeClock(), false, (damage) => told.push(damage));
  const found = await store.find({});
  assert.deepEqual(found.map(({ id }) => id).toSorted(), ids.toSorted());
  assert.equal((await store.find({ type: "snapshot" })).length, 1);
  assert.equal((await store.get(ids[1] as ManifestId)).data, 1);
  store.invalidate();
  assert.deepEqual(await store.damage?.(), told);
  assert.deepEqual(
    told.map(({ content, code }) => [content, code]).toSorted(),
    [
      [broken, "SEJF_CORRUPT"],
      [lost, "SEJF_BLOB_NOT_FOUND"],
    ].toSorted(),
  );
  for (const { content, message } of told) assert.ok(message.includes(content), message);
  // Who may do what is not to be judged by a part; and joining contents would seal the loss.
  const code = "SEJF_CORRUPT";
  await assert.rejects(store.find({ type: "user" }), { code });
  await assert.rejects(store.get(ids[2] as ManifestId), { code });
  await assert.rejects(store.compact(), { code });
  assert.equal([...contents.stored.keys()].filter((ref) => ref.startsWith("m")).length, 5);
});

test("a failure that says nothing about a content fails the load", async () => {
  const contents = new MemoryContents();
  const writer = client(contents).store;
  await writer.put({ type: "snapshot" }, 1);
  await writer.flush();
  contents.onRead = () => {
    throw new SejfError("SEJF_IO", "the disk is away");
  };
  await assert.rejects(client(contents).store.find({}), { code: "SEJF_IO" });
});

test("invalidate: sees what others wrote and keeps what is pending", async () => {
  const contents = new MemoryContents();
  const { store } = client(contents);
  assert.equal((await store.find({ type: "t" })).length, 0);
  await store.put({ type: "t" }, "mine");
  const other = client(contents).store;
  await other.put({ type: "t" }, "theirs");
  await other.flush();
  assert.equal((await store.find({ type: "t" })).length, 1);
  store.invalidate();
  contents.reads = 0;
  assert.equal((await store.find({ type: "t" })).length, 2);
  store.invalidate();
  await store.find({ type: "t" });
  assert.equal(contents.reads, 1);
});

test("compact: joins contents, keeps unknown members and big numbers, drops old deletions and keeps young ones", async () => {
  const contents = new MemoryContents();
  const odd =
    '{"future":[1],"id":"00000000000000000000000000000001","labels":{"type":"odd"},"modified":"2026-07-01T00:00:00Z","data":{"n":12345678901234567890,"t":1.0}}';
  contents.put(compression.gzip(utf8ToBytes(`{"version":1,"Entries":[${odd}]}`), 6), "m");
  const { store, clock } = client(contents);
  const [old, young, live] = [
    await store.put({ type: "t" }, 1),
    await store.put({ type: "t" }, 2),
    await store.put({ type: "t" }, 3),
  ];
  await store.flush();
  await store.delete(old);
  await store.flush();
  clock.advance(8 * DAY_MS);
  await store.delete(young);
  await store.flush();
  const pending = await store.put({ type: "t" }, 4);
  assert.equal(await store.contentCount(), 4);
  contents.flushes = 0;
  assert.equal(await store.compact(), 4);
  assert.equal(contents.flushes, 1);
  const [text, ...rest] = plain(contents);
  assert.deepEqual(rest, []);
  assert.ok(text?.includes(odd));
  assert.ok(!text?.includes(old) && text?.includes(`"id":"${young}","labels":null`));
  const found = await client(contents).store.find({ type: "t" });
  assert.deepEqual(
    found.map((item) => item.id),
    [live, pending],
  );
  assert.equal(await store.compact(), 0);
});

test("compact: two clients at once lose nothing and revive nothing", async () => {
  const contents = new MemoryContents();
  const writer = client(contents).store;
  const dead = await writer.put({ type: "t" }, "dead");
  const kept = await writer.put({ type: "t" }, "kept");
  await writer.flush();
  await writer.put({ type: "t" }, "second");
  await writer.flush();
  const [b, c, d] = [client(contents).store, client(contents).store, client(contents).store];
  await d.find({});
  await b.delete(dead);
  await b.flush();
  await c.compact();
  await d.compact();
  const found = await client(contents).store.find({ type: "t" });
  assert.equal(found.length, 2);
  assert.ok(found.some((item) => item.id === kept) && !found.some((item) => item.id === dead));
});

test("apply: several changes at once, written by one flush, or none of them", async () => {
  const contents = new MemoryContents();
  const { store } = client(contents);
  const old = await store.put({ type: "x", n: "1" }, 1);
  await store.flush();
  const id = store.newId();
  await assert.rejects(
    store.apply([
      { kind: "delete", id: old },
      { kind: "put", id, labels: { n: "2" }, data: 2 },
    ]),
    { code: "SEJF_INVALID_ARGUMENT" },
  );
  assert.deepEqual(
    (await store.find({})).map((item) => item.id),
    [old],
  );
  const unknown = store.newId();
  await store.apply([
    { kind: "put", id, labels: { type: "x", n: "2" }, data: 2 },
    { kind: "delete", id: old },
    { kind: "delete", id: unknown },
  ]);
  assert.deepEqual(
    (await store.find({ type: "x" })).map((item) => item.labels["n"]),
    ["2"],
  );
  assert.equal(contents.writes.length, 1);
  await store.flush();
  assert.equal(contents.writes.length, 2);
  assert.deepEqual(
    (await client(contents).store.find({})).map((item) => item.id),
    [id],
  );
});

test("the order of contents does not matter", async () => {
  const id = "00000000000000000000000000000001" as ManifestId;
  const entries = [itemEntry(id, { type: "t" }, 5n, "1"), deletionEntry(id, 5n)];
  for (const order of [entries, entries.toReversed()]) {
    const contents = new MemoryContents();
    for (const entry of order) contents.put(encodeEntries([entry], compression), "m");
    assert.deepEqual(await client(contents).store.find({}), []);
  }
});

test("newestOf: the last modified, of equal times the greater ID", () => {
  const item = (id: string, modified: bigint): { id: ManifestId; modified: bigint } => ({
    id: id as ManifestId,
    modified,
  });
  assert.equal(newestOf([]), undefined);
  assert.equal(newestOf([item("a", 1n), item("c", 2n), item("b", 2n)])?.id, "c");
});

test("objectMembers and arrayElements give back the pieces of any JSON", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.array(fc.jsonValue()),
      (object, array) => {
        const members = objectMembers(JSON.stringify(object, undefined, 1));
        assert.deepEqual(
          Object.fromEntries([...members].map(([key, text]) => [key, JSON.parse(text) as unknown])),
          JSON.parse(JSON.stringify(object)),
        );
        assert.deepEqual(
          arrayElements(JSON.stringify(array)).map((text) => JSON.parse(text) as unknown),
          JSON.parse(JSON.stringify(array)),
        );
      },
    ),
    { numRuns: numRuns() },
  );
});

test("decodeEntries: any bytes give entries or SEJF_CORRUPT", () => {
  const valid = utf8ToBytes(
    `{"entries":[${itemEntry("0a" as ManifestId, { type: "t" }, 5n, '{"a":[1,"x"]}').text}]}`,
  );
  const mutated = fc
    .tuple(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 }))
    .map(([at, byte]) => valid.with(at, byte));
  const nested = fc.nat(2000).map((depth) => utf8ToBytes(`{"entries":${"[".repeat(depth)}`));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), mutated, nested), fc.boolean(), (bytes, zipped) => {
      try {
        for (const entry of decodeEntries(zipped ? compression.gzip(bytes, 1) : bytes, compression))
          assert.equal(typeof entry.modified, "bigint");
      } catch (error) {
        assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
      }
    }),
    { numRuns: numRuns(100) },
  );
});
