/** Reading, building, merging and sharding of indexes, against kopia's bytes and by properties. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { type BlobId, toBlobId } from "../blob/index.ts";
import { bytesToHex, concatBytes, hexToBytes, viewOf } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import { goldenVectors } from "../testkit/golden.ts";
import { numRuns } from "../testkit/property.ts";
import { SeededRandom } from "../testkit/random.ts";
import { sortedRows } from "./entry-sort.ts";
import { EntryRows, emptyRowValue } from "./entry-rows.ts";
import {
  type ContentId,
  compareEntries,
  contentIdToKey,
  IndexBuilder,
  type IndexEntry,
  isHiddenByWatermark,
  mergeIndexes,
  mergePositions,
  openIndex,
  parseContentId,
  shardIndex,
} from "./index.ts";

interface EntryVector {
  readonly compressionHeaderID: number;
  readonly contentID: string;
  readonly deleted: boolean;
  readonly formatVersion: number;
  readonly originalLength: number;
  readonly packBlobID: string;
  readonly packOffset: number;
  readonly packedLength: number;
  readonly timestampSeconds: number;
}

interface IndexVectors {
  readonly cases: readonly {
    readonly name: string;
    readonly hex: string;
    readonly version: number;
    readonly entries: readonly EntryVector[];
  }[];
}

function entryOf(vector: EntryVector): IndexEntry {
  return {
    contentId: parseContentId(vector.contentID),
    packId: toBlobId(vector.packBlobID),
    packOffset: vector.packOffset,
    packedLength: vector.packedLength,
    originalLength: vector.originalLength,
    timestampS: vector.timestampSeconds,
    deleted: vector.deleted,
    formatVersion: vector.formatVersion,
    compressionId: vector.compressionHeaderID,
  };
}

function builderOf(entries: Iterable<IndexEntry>): IndexBuilder {
  const builder = new IndexBuilder();
  for (const entry of entries) builder.add(entry);
  return builder;
}

const { cases } = goldenVectors<IndexVectors>("index");

for (const { name, hex, version, entries } of cases) {
  const expected = entries.map(entryOf);

  test(`openIndex reads kopia's index: ${name}`, () => {
    const index = openIndex(hexToBytes(hex));
    assert.deepEqual([...index.entries()], expected);
    for (const entry of expected)
      assert.deepEqual(index.find(contentIdToKey(entry.contentId)), entry);
    const absent = contentIdToKey(expected[0]!.contentId);
    absent[5]! ^= 1;
    assert.equal(index.find(absent), undefined);
    assert.equal(index.find(absent.subarray(0, 9)), undefined);
  });

  test(`IndexBuilder makes kopia's bytes from any order: ${name}`, () => {
    assert.equal(bytesToHex(builderOf(expected).build(version)), hex);
    assert.equal(bytesToHex(builderOf(expected.toReversed()).build(version)), hex);
    const copied = new IndexBuilder();
    copied.addAll(openIndex(hexToBytes(hex)));
    assert.equal(bytesToHex(copied.build(version)), hex);
    const tail = new SeededRandom(1).bytes(32);
    assert.equal(bytesToHex(builderOf(expected).build(version, { tail })), hex + bytesToHex(tail));
  });
}

test("IndexBuilder: 65537 packs need three bytes for the pack, as kopia writes them", () => {
  const large = goldenVectors<{
    readonly count: number;
    readonly length: number;
    readonly sha256: string;
    readonly headerHex: string;
  }>("indexLarge");
  const builder = new IndexBuilder();
  for (let i = large.count - 1; i >= 0; i--) builder.add(largeEntry(i));
  const bytes = builder.build(2);
  assert.equal(bytes.byteLength, large.length);
  assert.equal(bytesToHex(bytes.subarray(0, 17)), large.headerHex);
  assert.equal(createHash("sha256").update(bytes).digest("hex"), large.sha256);
  assert.deepEqual(
    openIndex(bytes).find(contentIdToKey(largeEntry(65536).contentId)),
    largeEntry(65536),
  );
});

function largeEntry(i: number): IndexEntry {
  const digits = i.toString(16).padStart(32, "0");
  return {
    contentId: parseContentId(digits),
    packId: toBlobId(`p${digits}`),
    packOffset: i,
    packedLength: 38,
    originalLength: 10,
    timestampS: 1_700_000_000 + i,
    deleted: false,
    formatVersion: 3,
    compressionId: 0,
  };
}

test("shardIndex and buildShards: kopia's distribution", () => {
  const { shards, maxEntriesPerShard } = goldenVectors<{
    readonly shards: readonly string[][];
    readonly maxEntriesPerShard: number;
  }>("indexSharding");
  const ids = shards.flat();
  const builder = builderOf(ids.map((id) => ({ ...largeEntry(1), contentId: parseContentId(id) })));
  const built = builder.buildShards(2, { maxEntries: maxEntriesPerShard });
  assert.deepEqual(
    built.map((bytes) => [...openIndex(bytes).entries()].map((entry) => String(entry.contentId))),
    shards,
  );
  const count = Math.ceil(ids.length / maxEntriesPerShard);
  for (const [number, shard] of shards.entries()) {
    for (const id of shard) assert.equal(shardIndex(parseContentId(id), count), number);
  }
  assert.equal(builder.buildShards(2).length, 1);
  assert.deepEqual(new IndexBuilder().buildShards(2), []);
});

test("compareEntries: kopia's winners, whichever comes first", () => {
  for (const { a, b, winner } of goldenVectors<
    readonly { readonly a: EntryVector; readonly b: EntryVector; readonly winner: EntryVector }[]
  >("indexMerge")) {
    const [one, two, best] = [entryOf(a), entryOf(b), entryOf(winner)];
    assert.deepEqual(compareEntries(one, two) > 0 ? one : two, best);
    assert.equal(compareEntries(two, one), -compareEntries(one, two));
    for (const order of [
      [one, two],
      [two, one],
    ])
      assert.deepEqual([...builderOf(order).entries()], [best]);
  }
});

test("isHiddenByWatermark: only deleted entries, up to the watermark itself", () => {
  const entry = { timestampS: 100, deleted: true };
  assert.deepEqual(
    [99, 100, 101, undefined].map((w) => isHiddenByWatermark(entry, w)),
    [false, true, true, false],
  );
  assert.equal(isHiddenByWatermark({ ...entry, deleted: false }, 200), false);
});

test("IndexBuilder: an empty index exists in version 1 only", () => {
  const bytes = new IndexBuilder().build(1);
  assert.equal(bytesToHex(bytes), "01ff001400000000");
  const index = openIndex(bytes);
  assert.equal(index.find(new Uint8Array(17)), undefined);
  assert.deepEqual([...index.entries()], []);
  assert.throws(() => new IndexBuilder().build(2), RangeError);
});

test("IndexBuilder: what a version cannot hold is refused", () => {
  const entry = largeEntry(1);
  const refused: readonly [number, Partial<IndexEntry>][] = [
    [1, { compressionId: 0x1100 }],
    [1, { originalLength: 11 }],
    [2, { originalLength: 2 ** 28 }],
    [2, { packedLength: 2 ** 28 }],
    [2, { packOffset: 2 ** 30 }],
    [2, { timestampS: 2 ** 32 }],
  ];
  for (const [version, change] of refused) {
    assert.throws(() => builderOf([{ ...entry, ...change }]).build(version), {
      code: "SEJF_UNSUPPORTED",
    });
  }
  assert.throws(() => builderOf([{ ...entry, packOffset: -1 }]), RangeError);
  assert.throws(() => builderOf([entry, { ...entry, contentId: "ab" as ContentId }]), {
    code: "SEJF_CORRUPT",
  });
  const formats = Array.from({ length: 256 }, (_, i) => ({ ...largeEntry(i), formatVersion: i }));
  assert.throws(() => builderOf(formats).build(2), { code: "SEJF_UNSUPPORTED" });
  assert.equal(openIndex(builderOf(formats.slice(1)).build(2)).layout.valueLength, 17);
});

test("IndexBuilder: lengths of 2^24 and more take entries of 19 bytes", () => {
  const entry = {
    ...largeEntry(1),
    originalLength: 2 ** 28 - 1,
    packedLength: 2 ** 24,
    packOffset: 2 ** 30 - 1,
    deleted: true,
  };
  const index = openIndex(builderOf([entry]).build(2));
  assert.equal(index.layout.valueLength, 19);
  assert.deepEqual([...index.entries()], [entry]);
});

test("entries: ranges of IDs, by prefix and by part of an ID", () => {
  const ids = ["00", "0f", "10", "ff", "g00", "k00", "kff", "m12"].map(parseContentId);
  const index = openIndex(
    builderOf(ids.map((contentId) => ({ ...largeEntry(1), contentId }))).build(2),
  );
  const range = (from?: string, to?: string): readonly string[] =>
    [...index.entries({ from, to })].map((entry) => entry.contentId);
  assert.deepEqual(range(), ids);
  assert.deepEqual(range("k", "l"), ["k00", "kff"]);
  assert.deepEqual(range(undefined, "g"), ids.slice(0, 4));
  assert.deepEqual(range("0f", "1"), ["0f"]);
  assert.deepEqual(range("g"), ids.slice(4));
  assert.deepEqual(range("z"), []);
});

test("openIndex: entries that name no pack, format or usable key are passed over", () => {
  const entries = [1, 2, 3, 4].map((i) => ({ ...largeEntry(i), compressionId: i % 2 }));
  const bytes = builderOf(entries).build(2);
  const { entriesOffset, stride, keyLength, formatTableOffset } = openIndex(bytes).layout;
  const at = (i: number): number => entriesOffset + i * stride + keyLength;
  viewOf(bytes).setUint16(at(0) + 14, 77); // no such pack
  viewOf(bytes).setUint8(at(1) + 16, 9); // no such format
  bytes[entriesOffset + 3 * stride] = 0x80; // no prefix
  const left = openIndex(bytes);
  assert.equal(left.count, 4);
  assert.deepEqual([...left.entries()], [entries[2]]);
  assert.equal(left.find(contentIdToKey(entries[0]!.contentId)), undefined);
  assert.deepEqual([...mergeIndexes([left])], [entries[2]]);
  const builder = new IndexBuilder();
  builder.addAll(left);
  assert.deepEqual([...builder.entries()], [entries[2]]);
  viewOf(bytes).setUint8(formatTableOffset + 5, 1); // the format of entry 2 needs another key
  assert.deepEqual([...openIndex(bytes).entries()], []);
});

test("openIndex: a version 1 entry shorter than encryption makes it, or with a name outside, is passed over", () => {
  const entries = [largeEntry(1), largeEntry(2), largeEntry(3)];
  const bytes = builderOf(entries).build(1);
  const { entriesOffset, stride, keyLength } = openIndex(bytes).layout;
  viewOf(bytes).setUint32(entriesOffset + keyLength + 16, 27);
  viewOf(bytes).setUint32(entriesOffset + stride + keyLength + 8, bytes.byteLength - 3);
  assert.deepEqual([...openIndex(bytes).entries()], [entries[2]]);
});

test("openIndex: headers that promise too much are refused before anything is allocated", () => {
  const good = builderOf([largeEntry(1)]).build(2);
  const broken = (change: (view: DataView) => void): Uint8Array => {
    const bytes = good.slice();
    change(viewOf(bytes));
    return bytes;
  };
  const headers: readonly ((view: DataView) => void)[] = [
    (view) => view.setUint8(0, 3),
    (view) => view.setUint8(1, 1),
    (view) => view.setUint16(2, 15),
    (view) => view.setUint16(2, 20),
    (view) => view.setUint8(1, 250),
    (view) => view.setUint32(4, 0xffff_ffff),
    (view) => view.setUint32(8, 0xffff_ffff),
    (view) => view.setUint8(12, 255),
    (view) => view.setUint32(openIndex(good).layout.packTableOffset + 1, good.byteLength),
  ];
  for (const change of headers)
    assert.throws(() => openIndex(broken(change)), { code: "SEJF_CORRUPT" }, String(change));
  for (let length = 0; length < good.byteLength; length++) {
    assert.throws(
      () => openIndex(good.subarray(0, length)),
      { code: "SEJF_CORRUPT" },
      String(length),
    );
  }
  assert.throws(() => openIndex(hexToBytes("0111001500000000")), { code: "SEJF_CORRUPT" });
  assert.throws(() => openIndex(hexToBytes("0111001400000001")), { code: "SEJF_CORRUPT" });
});

// --- properties ----------------------------------------------------------------------------------------------------

const packs: readonly BlobId[] = [
  "pa",
  "pb",
  "qc",
  "p0123456789abcdef0123456789abcdef-s0011223344556677147",
].map(toBlobId);

/** Few different IDs, so that they meet. */
const anyEntry: fc.Arbitrary<IndexEntry> = fc.record(
  {
    contentId: fc
      .tuple(fc.constantFrom("", "k", "g", "z"), fc.nat(20))
      .map(([prefix, n]) => parseContentId(prefix + n.toString(16).padStart(8, "0"))),
    packId: fc.constantFrom(...packs),
    packOffset: fc.nat(2 ** 30 - 1),
    packedLength: fc.oneof(fc.nat(1000), fc.nat(2 ** 28 - 1)),
    originalLength: fc.oneof(fc.nat(1000), fc.nat(2 ** 28 - 1)),
    timestampS: fc.oneof(fc.nat(3), fc.nat(2 ** 32 - 1)),
    deleted: fc.boolean(),
    formatVersion: fc.nat(3),
    compressionId: fc.constantFrom(0, 0x1100, 0xffff_ffff),
  },
  { noNullPrototype: true },
);

/** What the merge rule says, the slow way. */
function winnersOf(entries: readonly IndexEntry[]): readonly IndexEntry[] {
  const best = new Map<string, IndexEntry>();
  for (const entry of entries) {
    const other = best.get(entry.contentId);
    if (other === undefined || compareEntries(entry, other) > 0) best.set(entry.contentId, entry);
  }
  return [...best.values()].toSorted((a, b) => (a.contentId < b.contentId ? -1 : 1));
}

/** Entries that differ in what the rule does not look at would make the winner a matter of order. */
const distinct = (entries: readonly IndexEntry[]): readonly IndexEntry[] => [
  ...new Map(
    entries.map((entry) => [
      JSON.stringify([entry.contentId, entry.timestampS, entry.deleted, entry.packId]),
      entry,
    ]),
  ).values(),
];

test("IndexBuilder: building and reading again is identity, of winners", () => {
  fc.assert(
    fc.property(fc.array(anyEntry, { minLength: 1, maxLength: 60 }).map(distinct), (entries) => {
      const built = openIndex(builderOf(entries).build(2));
      assert.deepEqual([...built.entries()], winnersOf(entries));
      for (const entry of winnersOf(entries))
        assert.deepEqual(built.find(contentIdToKey(entry.contentId)), entry);
      const plain = entries.map((entry) => ({
        ...entry,
        compressionId: 0,
        packedLength: entry.originalLength + 28,
      }));
      assert.deepEqual([...openIndex(builderOf(plain).build(1)).entries()], winnersOf(plain));
    }),
    { numRuns: numRuns(50) },
  );
});

test("mergeIndexes: any split into indexes, in any order, gives the same winners", () => {
  fc.assert(
    fc.property(
      fc.array(anyEntry, { minLength: 1, maxLength: 60 }).map(distinct),
      fc.array(fc.nat(5), { minLength: 60, maxLength: 60 }),
      fc.boolean(),
      (entries, places, reversed) => {
        const groups = Array.from({ length: 6 }, (): IndexEntry[] => []);
        entries.forEach((entry, i) => groups[places[i]!]!.push(entry));
        const indexes = groups
          .filter((group) => group.length > 0)
          .map((group) => openIndex(builderOf(group).build(2)));
        if (reversed) indexes.reverse();
        const expected = winnersOf(entries);
        assert.deepEqual([...mergeIndexes(indexes)], expected);
        const viaPositions = new IndexBuilder();
        for (const { index, position } of mergePositions(indexes))
          viaPositions.addFrom(index, position);
        assert.deepEqual([...viaPositions.entries()], expected);
        const viaAll = new IndexBuilder();
        for (const index of indexes) viaAll.addAll(index);
        assert.equal(bytesToHex(viaAll.build(2)), bytesToHex(viaPositions.build(2)));
      },
    ),
    { numRuns: numRuns(50) },
  );
});

function readAll(bytes: Uint8Array): void {
  try {
    const index = openIndex(bytes);
    const entries = [...index.entries()];
    assert.ok(entries.length <= index.count);
    for (const entry of entries.slice(0, 5)) index.find(contentIdToKey(entry.contentId));
    const builder = new IndexBuilder();
    builder.addAll(index);
    for (const entry of mergeIndexes([index, index])) assert.ok(entry.packId.length > 0);
    for (const entry of builder.entries()) assert.ok(entry.packId.length > 0);
  } catch (error) {
    assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
  }
}

test("openIndex: random bytes and damaged indexes give entries or SEJF_CORRUPT, never another error", () => {
  const originals = cases.map(({ hex }) => hexToBytes(hex));
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom(...originals),
      fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      fc.nat(400),
      (random, original, patches, cut) => {
        readAll(random);
        readAll(concatBytes(Uint8Array.of(1 + (cut % 2)), random));
        const damaged = original.slice();
        for (const [at, value] of patches) damaged[at % damaged.length] = value;
        readAll(damaged);
        readAll(damaged.subarray(0, cut));
      },
    ),
    { numRuns: numRuns(200) },
  );
});

test("sortedRows: the counting sort of many rows gives the order of comparing", () => {
  const random = new SeededRandom(9);
  const rows = new EntryRows();
  const value = emptyRowValue();
  const keys: string[] = [];
  for (let i = 0; i < 270_000; i++) {
    const key = random.bytes(9);
    key[0] = i % 3 === 0 ? 0 : 0x67 + (i % 20);
    if (i % 7 === 0) key.fill(0, 1, 6); // crowded
    if (i % 1000 !== 0) keys.push(bytesToHex(key));
    else key.set(hexToBytes(keys.at(-1) ?? bytesToHex(key))); // twice
    if (i % 1000 === 0) keys.push(bytesToHex(key));
    rows.add(key, value);
  }
  assert.equal(rows.ascending, false);
  const sorted = [...sortedRows(rows)].map((row) => bytesToHex(rows.key(row)));
  assert.deepEqual(sorted, keys.toSorted());
});
