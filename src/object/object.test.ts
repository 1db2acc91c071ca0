import assert from "node:assert/strict";
import { test } from "node:test";
import { blake2b } from "@noble/hashes/blake2.js";
import fc from "fast-check";
import { bytesToHex, collect, concatBytes, hexToBytes, utf8ToBytes } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import type { ContentRef } from "../format/index.ts";
import { goldenRepositories, goldenVectors } from "../testkit/golden.ts";
import { MemoryContents } from "../testkit/memory-contents.ts";
import { numRuns } from "../testkit/property.ts";
import { SeededRandom } from "../testkit/random.ts";
import {
  concatenateObjects,
  decodeSeekTable,
  encodeSeekTable,
  formatObjectId,
  isObjectId,
  objectContents,
  objectFromPieces,
  type ObjectId,
  objectPrefix,
  objectPieces,
  openObject,
  parseObjectId,
  readObject,
  seekTableChunks,
  toObjectId,
  writeObject,
} from "./index.ts";

const format = { splitter: "FIXED-128K", indexVersion: 2 };
const HASH = "0123456789abcdef0123456789abcdef";
const ZSTD_FASTEST = 0x1101;
const GZIP = 0x1000;

test("parseObjectId: every part of the grammar", () => {
  assert.deepEqual(parseObjectId(HASH), { indirection: 0, compressed: false, content: HASH });
  assert.deepEqual(parseObjectId(`k${HASH}`), {
    indirection: 0,
    compressed: false,
    content: `k${HASH}`,
  });
  assert.deepEqual(parseObjectId(`IIx${HASH}`), {
    indirection: 2,
    compressed: false,
    content: `x${HASH}`,
  });
  assert.deepEqual(parseObjectId(`ZD${HASH}`), { indirection: 0, compressed: true, content: HASH });
  assert.equal(parseObjectId(`k${HASH}~key-_0`).content, `k${HASH}~key-_0`);
  assert.equal(formatObjectId(parseObjectId(`ID${HASH}`)), `I${HASH}`);
  assert.equal(objectPrefix(toObjectId(`Ik${HASH}`)), "k");
  assert.equal(objectPrefix(toObjectId(`Z${HASH}`)), "");
});

test("parseObjectId: refuses what Kopia would not write", () => {
  const bad = [
    "",
    "I",
    "k",
    `IZ${HASH}`,
    `ZZ${HASH}`,
    `DZ${HASH}`,
    `ZI${HASH}`,
    `${HASH}0`,
    HASH.toUpperCase(),
    `f${HASH}`,
    `kk${HASH}`,
    ` ${HASH}`,
    `${HASH}\n`,
    `${"I".repeat(9)}${HASH}`,
    `${HASH}~`,
    `${HASH}/x`,
  ];
  for (const text of bad) {
    assert.throws(() => parseObjectId(text), { code: "SEJF_INVALID_ID" }, text);
    assert.equal(isObjectId(text), false, text);
  }
});

test("encodeSeekTable: the bytes of the reference client", () => {
  const { seekTable } = goldenVectors<{ seekTable: { text: string } }>("upperLayers");
  const rows = decodeSeekTable(utf8ToBytes(seekTable.text));
  assert.equal(rows.length, 2);
  assert.equal(new TextDecoder().decode(encodeSeekTable(rows)), seekTable.text);
});

test("seek tables of all golden repositories survive decoding and encoding", () => {
  let count = 0;
  for (const { expected } of goldenRepositories()) {
    const tables = (expected["indirectObjects"] ?? {}) as Record<string, unknown>;
    for (const table of Object.values(tables)) {
      const text = `${JSON.stringify(table)}\n`;
      assert.equal(
        new TextDecoder().decode(encodeSeekTable(decodeSeekTable(utf8ToBytes(text)))),
        text,
      );
      count++;
    }
  }
  assert.ok(count >= 5, `${count} tables`);
});

test("decodeSeekTable: any bytes give rows or SEJF_CORRUPT", () => {
  const row = fc.record(
    { s: fc.integer(), l: fc.integer(), o: fc.constantFrom(HASH, `I${HASH}`, "x") },
    { requiredKeys: [] },
  );
  const table = fc
    .record({
      stream: fc.string(),
      entries: fc.oneof(fc.array(fc.oneof(row, fc.jsonValue())), fc.jsonValue()),
    })
    .map((value) => utf8ToBytes(JSON.stringify(value)));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), table), (bytes) => {
      try {
        const rows = decodeSeekTable(bytes);
        assert.ok(rows.every((one) => one.lengthBytes >= 0 && isObjectId(one.object)));
      } catch (error) {
        assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
      }
    }),
    { numRuns: numRuns() },
  );
});

test("decodeSeekTable: refuses gaps, overlaps and nonsense", () => {
  const bad = [
    `{"entries":null}`,
    `{"entries":[]}`,
    `{"entries":[{"l":5,"o":"${HASH}"},{"s":6,"l":1,"o":"${HASH}"}]}`,
    `{"entries":[{"s":1,"l":5,"o":"${HASH}"}]}`,
    `{"entries":[{"l":-5,"o":"${HASH}"}]}`,
    `{"entries":[{"l":9007199254740993,"o":"${HASH}"}]}`,
    `{"entries":[{"l":5}]}`,
  ];
  for (const text of bad)
    assert.throws(() => decodeSeekTable(utf8ToBytes(text)), { code: "SEJF_CORRUPT" }, text);
});

test("writeObject: contents have the names of the reference client", async () => {
  const keys = goldenVectors<{ secretHex?: string; secret?: string }>("derivedKeys");
  const secret = keys.secretHex ?? keys.secret ?? "";
  const key = hexToBytes(
    /^[0-9a-f]+$/.test(secret) ? secret : Buffer.from(secret, "base64").toString("hex"),
  );
  const contents = new MemoryContents({
    hash: (data) => bytesToHex(blake2b(data, { dkLen: 32, key })).slice(0, 32),
  });
  const upper = goldenVectors<{
    content: { plain: string; contentID: string };
    emptyContentID: string;
    directory: { text: string; contentID: string };
  }>("upperLayers");
  const write = async (text: string, prefix: string): Promise<string> =>
    (await writeObject(contents, text, { format, prefix })).id;
  assert.equal(await write(upper.content.plain, ""), upper.content.contentID);
  assert.equal(await write("", ""), upper.emptyContentID);
  assert.equal(await write(upper.directory.text, "k"), upper.directory.contentID);
});

test("writeObject: the same object however the stream is cut", async () => {
  const data = new SeededRandom(3).bytes(700_001);
  const whole = await writeObject(new MemoryContents(), data, { format, prefix: "" });
  assert.match(whole.id, /^Ix/);
  assert.equal(whole.pieces.length, 6);
  for (const size of [1000, 131_072, 300_000]) {
    const parts = Array.from({ length: Math.ceil(data.length / size) }, (_, i) =>
      data.slice(i * size, (i + 1) * size),
    );
    const contents = new MemoryContents();
    const written = await writeObject(contents, parts, { format, prefix: "" });
    assert.equal(written.id, whole.id);
    const reader = await openObject(contents, written.id);
    assert.equal(reader.sizeBytes, data.length);
    assert.deepEqual(await reader.readRange(0, data.length), data);
  }
});

test("writeObject: exactly one segment needs no table", async () => {
  const contents = new MemoryContents();
  const written = await writeObject(contents, new Uint8Array(131_072), { format, prefix: "" });
  assert.equal(written.pieces.length, 1);
  assert.match(written.id, /^[0-9a-f]{32}$/);
});

test("writeObject: tables keep the prefix, take the metadata compressor and may be split themselves", async () => {
  const contents = new MemoryContents();
  const rows = Array.from({ length: 4000 }, (_, i) => ({
    ref: contents.put(utf8ToBytes(String(i))),
    lengthBytes: String(i).length,
  }));
  const id = await objectFromPieces(contents, rows, {
    format,
    prefix: "k",
    metadataCompressor: ZSTD_FASTEST,
  });
  assert.match(id, /^IIk/);
  assert.ok(
    contents.writes.length >= 3 &&
      contents.writes.every(
        ({ ref, compressor }) => ref.startsWith("k") && compressor === ZSTD_FASTEST,
      ),
  );
  const text = Array.from({ length: 4000 }, (_, i) => String(i)).join("");
  assert.equal(new TextDecoder().decode(await readObject(contents, id, 1e6)), text);
  const all = (await collect(objectContents(contents, id))).flat();
  assert.equal(all.length, 4000 + contents.writes.length);
});

test("a table of very many rows is written and read in parts, and is the same as written whole", async () => {
  const contents = new MemoryContents();
  const zeros = { ref: contents.put(new Uint8Array(1000)), lengthBytes: 1000 };
  const other = { ref: contents.put(new Uint8Array(10)), lengthBytes: 10 };
  const pieces = [other, ...Array.from({ length: 150_000 }, () => zeros), other];
  const id = await objectFromPieces(contents, pieces, { format, prefix: "" });
  let startBytes = 0;
  const rows = pieces.map(({ ref, lengthBytes }) => {
    const row = { startBytes, lengthBytes, object: toObjectId(ref) };
    startBytes += lengthBytes;
    return row;
  });
  for (const chunk of seekTableChunks(rows)) assert.ok(chunk.length < 1 << 19);
  const whole = encodeSeekTable(rows);
  assert.ok(whole.length > 8 << 20);
  const { id: table } = await writeObject(contents, whole, { format, prefix: "x" });
  assert.equal(id, `I${table}`);
  const found = await objectPieces(contents, id, startBytes);
  assert.deepEqual(found.pieces, pieces);
  assert.equal(found.pieces[1], found.pieces[150_000], "one object for all that are the same");
  const reader = await openObject(contents, id);
  assert.equal((await reader.readRange(startBytes - 15, 15)).length, 15);
});

test("index version 1: compressible data without a prefix becomes a Z object", async () => {
  const contents = new MemoryContents();
  const old = { splitter: "FIXED-128K", indexVersion: 1 };
  const data = concatBytes(
    new Uint8Array(131_072),
    new SeededRandom(1).bytes(131_072),
    new Uint8Array(5),
  );
  const { id, pieces } = await writeObject(contents, data, {
    format: old,
    prefix: "",
    compressor: GZIP,
    metadataCompressor: GZIP,
  });
  assert.deepEqual(
    pieces.map((piece) => piece.objectCompressed === true),
    [true, false, false],
  );
  const table = new TextDecoder().decode(contents.stored.get(id.slice(1) as ContentRef));
  assert.match(table, /"l":131072,"o":"Z[0-9a-f]+"/);
  assert.ok(
    contents.writes.every(({ compressor, ref }) => compressor === undefined || ref.startsWith("x")),
  );
  const reader = await openObject(contents, id);
  assert.deepEqual(await reader.readRange(0, data.length), data);
  assert.equal((await openObject(contents, `Z${pieces[0]?.ref}` as ObjectId)).sizeBytes, 131_072);
});

test("readRange equals a slice of the data, at any place", async () => {
  const contents = new MemoryContents();
  const data = new SeededRandom(5).bytes(400_000);
  const { id } = await writeObject(contents, data, { format, prefix: "" });
  const reader = await openObject(contents, id);
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: data.length }), fc.nat({ max: data.length }), async (a, b) => {
      const [from, to] = a < b ? [a, b] : [b, a];
      assert.deepEqual(await reader.readRange(from, to - from), data.slice(from, to));
    }),
    { numRuns: numRuns() },
  );
  await assert.rejects(reader.readRange(399_999, 2), { code: "SEJF_RANGE" });
  await assert.rejects(reader.readRange(-1, 1), { code: "SEJF_RANGE" });
});

test("a piece of another length than its row says is SEJF_CORRUPT", async () => {
  const contents = new MemoryContents();
  const ref = contents.put(utf8ToBytes("four"));
  const id = await objectFromPieces(
    contents,
    [
      { ref, lengthBytes: 4 },
      { ref, lengthBytes: 5 },
    ],
    { format, prefix: "" },
  );
  await assert.rejects((await openObject(contents, id)).readRange(0, 9), { code: "SEJF_CORRUPT" });
  await assert.rejects(readObject(contents, id, 8), { code: "SEJF_CORRUPT" });
});

test("tables that contain themselves end with SEJF_CORRUPT", async () => {
  const contents = new MemoryContents();
  const loop = `x${HASH}` as ContentRef;
  contents.stored.set(
    loop,
    utf8ToBytes(
      `{"stream":"kopia:indirect","entries":[{"l":1,"o":"I${loop}"},{"s":1,"l":1,"o":"I${loop}"}]}\n`,
    ),
  );
  await assert.rejects(openObject(contents, `I${loop}` as ObjectId), { code: "SEJF_CORRUPT" });
  await assert.rejects(collect(objectContents(contents, `II${loop}` as ObjectId)), {
    code: "SEJF_CORRUPT",
  });
});

test("concatenateObjects: rows of all parts in one table, an empty part included", async () => {
  const contents = new MemoryContents();
  const part = async (bytes: Uint8Array): Promise<ObjectId> =>
    (await writeObject(contents, bytes, { format, prefix: "" })).id;
  const first = new SeededRandom(1).bytes(300_000);
  const second = utf8ToBytes("tail");
  const ids = [await part(first), await part(second), await part(new Uint8Array(0))];
  const joined = await concatenateObjects(contents, ids, {
    format,
    prefix: "",
    metadataCompressor: ZSTD_FASTEST,
  });
  const rows = decodeSeekTable(
    contents.stored.get(joined.slice(1) as ContentRef) ?? new Uint8Array(0),
  );
  assert.deepEqual(
    rows.map((row) => [row.startBytes, row.lengthBytes]),
    [
      [0, 131_072],
      [131_072, 131_072],
      [262_144, 37_856],
      [300_000, 4],
      [300_004, 0],
    ],
  );
  assert.deepEqual(await readObject(contents, joined, 1e6), concatBytes(first, second));
  assert.equal(
    await concatenateObjects(contents, [ids[1] as ObjectId], { format, prefix: "" }),
    ids[1],
  );
  await assert.rejects(concatenateObjects(contents, [], { format, prefix: "" }), {
    code: "SEJF_INVALID_ARGUMENT",
  });
});

test("stream reads ahead no further than asked", async () => {
  const contents = new MemoryContents();
  const { id } = await writeObject(contents, new SeededRandom(9).bytes(20 * 131_072), {
    format,
    prefix: "",
  });
  const reader = await openObject(contents, id);
  contents.reads = 0;
  for await (const chunk of reader.stream({ readAhead: 3 })) {
    assert.equal(chunk.length, 131_072);
    break;
  }
  assert.ok(contents.reads <= 4, `${contents.reads} reads`);
});
