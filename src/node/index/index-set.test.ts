import assert from "node:assert/strict";
import { appendFileSync, closeSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { BlobId } from "../../blob/index.ts";
import { systemRandom } from "../../bytes/index.ts";
import { isSejfError } from "../../errors/index.ts";
import {
  compareEntries,
  type ContentId,
  contentIdToKey,
  type IndexEntry,
  IndexBuilder,
} from "../../format/index.ts";
import { goldenVectors } from "../../testkit/golden.ts";
import { numRuns } from "../../testkit/property.ts";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { nodeCryptoEngine } from "../crypto/index.ts";
import {
  ABSENT,
  type IndexFileKeys,
  IndexSet,
  LIVE,
  mergeToMemory,
  openIndexBytes,
  openIndexFile,
  openIndexSet,
  Segment,
  writeIndexFile,
  writeMergedIndexFile,
} from "./index.ts";

const sha256 = (data: Uint8Array): Uint8Array => nodeCryptoEngine.sha256(data);
const keys: IndexFileKeys = {
  sha256,
  mac: (data) => nodeCryptoEngine.hmacSha256(new Uint8Array(16), data),
  random: systemRandom,
};

const hashes = fc.oneof(
  fc.constantFrom("00".repeat(16), "ff".repeat(16), "80".repeat(16)),
  fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((bytes) => Buffer.from(bytes).toString("hex")),
);

const PACKS = ["p1", "p2", "q3", "q0123456789abcdef"] as const;

/** What the merge rule does not look at follows from what it does: ties are between equal entries. */
const entries: fc.Arbitrary<IndexEntry> = fc
  .record({
    prefix: fc.constantFrom("", "", "g", "k", "z"),
    hash: hashes,
    pack: fc.nat(PACKS.length - 1),
    timestampS: fc.integer({ min: 1, max: 5 }),
    deleted: fc.boolean(),
  })
  .map(({ prefix, hash, pack, timestampS, deleted }) => ({
    contentId: (prefix + hash) as ContentId,
    packId: PACKS[pack] as string as BlobId,
    packOffset: pack === 0 ? 2 ** 30 - 1 : timestampS,
    packedLength: pack === 1 ? 2 ** 28 - 1 : 28 + timestampS,
    originalLength: pack === 2 ? 2 ** 28 - 1 : pack,
    timestampS,
    deleted,
    formatVersion: pack === 1 ? 1 : 3,
    compressionId: timestampS % 2 === 0 ? 0x1101 : 0,
  }));

/** The winner of each content by the plain rule. */
function model(all: readonly IndexEntry[]): Map<ContentId, IndexEntry> {
  const winners = new Map<ContentId, IndexEntry>();
  for (const entry of all) {
    const before = winners.get(entry.contentId);
    if (before === undefined || compareEntries(entry, before) > 0)
      winners.set(entry.contentId, entry);
  }
  return new Map([...winners].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function built(list: readonly IndexEntry[], version: number): Uint8Array {
  const builder = new IndexBuilder();
  // Version 1 has no compression and no length of its own.
  for (const entry of list) {
    builder.add(
      version === 2
        ? entry
        : { ...entry, compressionId: 0, originalLength: entry.packedLength - 28 },
    );
  }
  return builder.build(version);
}

test("IndexSet: any split into indexes, in memory, merged or in files, answers as a map of winners", async () => {
  await using folder = await temporaryDirectory("index");
  let number = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(entries, { minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 6 }),
      fc.constantFrom(1, 2),
      fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
      async (lists, version, deletionWatermarkS) => {
        const indexes = lists.map((list) => built(list, version));
        const plain = indexes.map((bytes) => [
          ...new IndexSet({ generation: 0, files: [], memory: [], deletionWatermarkS: undefined }, [
            openIndexBytes(bytes),
          ]).entries(),
        ]);
        const expected = model(plain.flat());
        const files = indexes.map((bytes) =>
          writeIndexFile(join(folder.path, `f${number++}`), "name", bytes, keys),
        );
        const merged = mergeToMemory(indexes.map(openIndexBytes));
        const half = Math.ceil(indexes.length / 2);
        const firstHalf = mergeToMemory(indexes.slice(0, half).map(openIndexBytes));
        const mergedFile = await writeMergedIndexFile(
          join(folder.path, `m${number++}`),
          "merged",
          indexes.map(openIndexBytes),
          keys,
        );
        assert.ok(merged !== undefined && firstHalf !== undefined && mergedFile !== undefined);
        const variants = [
          { files, memory: [] },
          { files: [], memory: [merged] },
          { files: files.slice(half), memory: [firstHalf] },
          { files: [mergedFile], memory: [] },
        ];
        for (const variant of variants) {
          using set = openIndexSet({ generation: 1, ...variant, deletionWatermarkS }, sha256);
          const hidden = (entry: IndexEntry): boolean =>
            entry.deleted &&
            deletionWatermarkS !== undefined &&
            entry.timestampS <= deletionWatermarkS;
          const visible = [...expected.values()].filter((entry) => !hidden(entry));
          assert.deepEqual([...set.entries()], visible);
          for (const entry of expected.values()) {
            const key = contentIdToKey(entry.contentId);
            assert.deepEqual(set.find(key), hidden(entry) ? undefined : entry);
            assert.equal(
              set.probe(key),
              hidden(entry) ? ABSENT : entry.deleted ? entry.timestampS : LIVE,
            );
          }
          for (const absent of ["11".repeat(16), `h${"00".repeat(16)}`, "abcd"]) {
            if (!expected.has(absent as ContentId))
              assert.equal(set.probe(contentIdToKey(absent as ContentId)), ABSENT);
          }
          const from = visible[Math.floor(visible.length / 2)];
          if (from !== undefined)
            assert.deepEqual([...set.entries(contentIdToKey(from.contentId))][0], from);
        }
      },
    ),
    { numRuns: numRuns() },
  );
});

test("Segment: many entries, uniform and clustered, are all found, and none that is not there", () => {
  const builder = new IndexBuilder();
  const all: string[] = [];
  for (let i = 0; i < 20_000; i++) {
    const digest = Buffer.from(nodeCryptoEngine.sha256(Buffer.from(`${i}`)))
      .toString("hex")
      .slice(0, 32);
    // A third of them share their first bytes, as no hash would: interpolation must not be fooled.
    const id = i % 3 === 0 ? `12345678${digest.slice(8)}` : digest;
    all.push(i % 5 === 0 ? `k${id}` : id);
    builder.add(entryOf(all[i] as ContentId, i));
  }
  const segment = mergeToMemory([openIndexBytes(builder.build(2))]);
  assert.ok(segment !== undefined);
  using set = openIndexSet(
    { generation: 0, files: [], memory: [segment], deletionWatermarkS: undefined },
    sha256,
  );
  for (const [i, id] of all.entries())
    assert.equal(set.find(contentIdToKey(id as ContentId))?.packOffset, i);
  for (let i = 0; i < 20_000; i++) {
    const id = Buffer.from(nodeCryptoEngine.sha256(Buffer.from(`absent ${i}`)))
      .toString("hex")
      .slice(0, 32);
    assert.equal(
      set.probe(contentIdToKey((i % 3 === 0 ? `12345678${id.slice(8)}` : id) as ContentId)),
      ABSENT,
    );
  }
});

interface VectorEntry {
  readonly contentID: string;
  readonly packBlobID: string;
  readonly packOffset: number;
  readonly packedLength: number;
  readonly originalLength: number;
  readonly timestampSeconds: number;
  readonly deleted: boolean;
  readonly formatVersion: number;
  readonly compressionHeaderID: number;
}

test("indexes of the vectors: every entry as expected", () => {
  const { cases } = goldenVectors<{
    readonly cases: readonly {
      readonly name: string;
      readonly hex: string;
      readonly entries: readonly VectorEntry[];
    }[];
  }>("index");
  for (const { name, hex, entries: expected } of cases) {
    const segment = openIndexBytes(Buffer.from(hex, "hex"));
    const set = new IndexSet(
      { generation: 0, files: [], memory: [], deletionWatermarkS: undefined },
      [segment],
    );
    const found = [...set.entries()].map((entry) => ({
      contentID: entry.contentId,
      packBlobID: entry.packId,
      packOffset: entry.packOffset,
      packedLength: entry.packedLength,
      originalLength: segment.layout.version === 1 ? 0 : entry.originalLength,
      timestampSeconds: entry.timestampS,
      deleted: entry.deleted,
      formatVersion: entry.formatVersion,
      compressionHeaderID: entry.compressionId,
    }));
    const wanted = expected.map((entry) => ({
      contentID: entry.contentID,
      packBlobID: entry.packBlobID,
      packOffset: entry.packOffset,
      packedLength: entry.packedLength,
      originalLength: segment.layout.version === 1 ? 0 : entry.originalLength,
      timestampSeconds: entry.timestampSeconds,
      deleted: entry.deleted,
      formatVersion: entry.formatVersion,
      compressionHeaderID: segment.layout.version === 1 ? 0 : entry.compressionHeaderID,
    }));
    assert.deepEqual(found, wanted, name);
  }
});

test("openIndexFile: another name, another key, a cut or changed file is not believed", async () => {
  await using folder = await temporaryDirectory("index");
  const path = join(folder.path, "index");
  const bytes = built(
    [entryOf("00".repeat(16) as ContentId, 1), entryOf("01".repeat(16) as ContentId, 2)],
    2,
  );
  writeIndexFile(path, "name", bytes, keys);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.notEqual(openIndexFile(path, "name", keys), undefined);
  assert.equal(openIndexFile(path, "other", keys), undefined);
  assert.equal(
    openIndexFile(path, "name", {
      mac: (data) => nodeCryptoEngine.hmacSha256(Uint8Array.of(1), data),
    }),
    undefined,
  );
  assert.equal(openIndexFile(join(folder.path, "absent"), "name", keys), undefined);
  const size = statSync(path).size;
  for (let at = bytes.byteLength; at < size; at += 7) {
    writeIndexFile(path, "name", bytes, keys);
    flip(path, at);
    assert.equal(openIndexFile(path, "name", keys), undefined, `byte ${at}`);
  }
  writeIndexFile(path, "name", bytes, keys);
  appendFileSync(path, "x");
  assert.equal(openIndexFile(path, "name", keys), undefined);
});

test("FileSource: a rotten block is SEJF_CORRUPT when it is touched", async () => {
  await using folder = await temporaryDirectory("index");
  const path = join(folder.path, "index");
  const bytes = built(
    [entryOf("00".repeat(16) as ContentId, 1), entryOf("01".repeat(16) as ContentId, 2)],
    2,
  );
  writeIndexFile(path, "name", bytes, keys);
  flip(path, 30);
  const file = openIndexFile(path, "name", keys);
  assert.ok(file !== undefined);
  assert.throws(() => Segment.fromFile(file, sha256), { code: "SEJF_CORRUPT" });
});

test("openIndexBytes: any bytes give a segment whose entries can be walked, or SEJF_CORRUPT", () => {
  const real = built(
    Array.from({ length: 20 }, (_, i) => entryOf(i.toString(16).padStart(32, "0") as ContentId, i)),
    2,
  );
  const mutated = fc.tuple(fc.nat(real.length - 1), fc.nat(255)).map(([at, value]) => {
    const copy = real.slice();
    copy[at] = value;
    return copy;
  });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 64 }),
        mutated,
        fc.nat(real.length).map((length) => real.slice(0, length)),
      ),
      (bytes) => {
        try {
          const set = new IndexSet(
            { generation: 0, files: [], memory: [], deletionWatermarkS: undefined },
            [openIndexBytes(bytes)],
          );
          for (const entry of set.entries()) assert.ok(entry.packId.length <= 255);
        } catch (error) {
          assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
        }
      },
    ),
    { numRuns: numRuns(200) },
  );
});

function entryOf(contentId: ContentId, packOffset: number): IndexEntry {
  return {
    contentId,
    packId: `p${packOffset % 7}` as BlobId,
    packOffset,
    packedLength: 100,
    originalLength: 72,
    timestampS: 1000,
    deleted: false,
    formatVersion: 3,
    compressionId: 0,
  };
}

function flip(path: string, at: number): void {
  const fd = openSync(path, "r+");
  const byte = new Uint8Array(1);
  readSync(fd, byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  writeSync(fd, byte, 0, 1, at);
  closeSync(fd);
}
