import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesToUtf8, utf8ToBytes } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import { goldenVectors } from "../testkit/golden.ts";
import { numRuns } from "../testkit/property.ts";
import {
  blobIdOfFile,
  couldHold,
  formatShards,
  parseShards,
  shardPath,
  type ShardSpec,
  toBlobId,
} from "./index.ts";

interface ShardingVector {
  readonly shardsFile: string;
  readonly paths: readonly { readonly blobID: string; readonly path: string }[];
}

const USUAL: ShardSpec = { shards: [1, 3], maxUnshardedLength: 20, overrides: [] };

test("shardPath: all vectors of kopia", () => {
  const vectors = goldenVectors<readonly ShardingVector[]>("sharding");
  assert.ok(vectors.length > 0);
  for (const { shardsFile, paths } of vectors) {
    const spec = parseShards(utf8ToBytes(shardsFile));
    for (const { blobID, path } of paths) assert.equal(shardPath(toBlobId(blobID), spec), path);
  }
});

test("formatShards: the bytes that kopia writes", () => {
  assert.equal(bytesToUtf8(formatShards(USUAL)), '{"default":[1,3],"maxNonShardedLength":20}\n');
  assert.equal(
    bytesToUtf8(formatShards({ ...USUAL, shards: [] })),
    '{"default":[],"maxNonShardedLength":20}\n',
  );
  const overrides = [{ prefix: "p", shards: [2] }];
  const text =
    '{"default":[1,3],"maxNonShardedLength":20,"overrides":[{"prefix":"p","shards":[2]}]}\n';
  assert.equal(bytesToUtf8(formatShards({ ...USUAL, overrides })), text);
});

test("parseShards: null and missing fields are flat and 0, as in Go", () => {
  assert.deepEqual(parseShards(utf8ToBytes('{"default":null}')), {
    shards: [],
    maxUnshardedLength: 0,
    overrides: [],
  });
  assert.deepEqual(parseShards(utf8ToBytes("{}")), {
    shards: [],
    maxUnshardedLength: 0,
    overrides: [],
  });
});

test("parseShards: what is no layout is SEJF_CORRUPT", () => {
  const texts = [
    "",
    "[]",
    "null",
    '{"default":1}',
    '{"default":[-1]}',
    '{"default":[1.5]}',
    '{"maxNonShardedLength":"20"}',
    '{"overrides":[{}]}',
    `{"default":[${"1,".repeat(64)}1]}`,
  ];
  for (const text of texts)
    assert.throws(() => parseShards(utf8ToBytes(text)), { code: "SEJF_CORRUPT" }, text);
});

test("parseShards: any bytes give a layout or SEJF_CORRUPT", () => {
  const real = formatShards({ ...USUAL, overrides: [{ prefix: "xn", shards: [2, 2] }] });
  const mutated = fc
    .tuple(fc.nat(real.length - 1), fc.nat(255))
    .map(([at, value]) => real.with(at, value));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), mutated), (bytes) => {
      try {
        const spec = parseShards(bytes);
        assert.deepEqual(parseShards(formatShards(spec)), spec);
      } catch (error) {
        assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
      }
    }),
    { numRuns: numRuns(100) },
  );
});

const anyId = fc
  .stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,60}$/)
  .filter((text) => !text.includes(".."));
const anySpec = fc.record({
  shards: fc.array(fc.nat(5), { maxLength: 5 }),
  maxUnshardedLength: fc.nat(30),
  overrides: fc.array(
    fc.record({
      prefix: fc.constantFrom("p", "q", "x"),
      shards: fc.array(fc.nat(4), { maxLength: 3 }),
    }),
    { maxLength: 2 },
  ),
});

test("shardPath: folders and file name, one behind the other, are the ID again, and every folder could hold it", () => {
  fc.assert(
    fc.property(anyId, anySpec, (text, spec) => {
      const id = toBlobId(text);
      let path: string;
      try {
        path = shardPath(id, spec);
      } catch (error) {
        assert.ok(isSejfError(error, "SEJF_INVALID_ID"), String(error));
        return;
      }
      const parts = path.split("/");
      const name = parts.pop() ?? "";
      for (let n = 1; n <= parts.length; n++) {
        const folderPrefix = parts.slice(0, n).join("");
        assert.ok(
          couldHold(folderPrefix, id) &&
            couldHold(folderPrefix, "") &&
            couldHold(folderPrefix, id.slice(0, 1)),
        );
      }
      assert.ok(!parts.includes("..") && !parts.includes(".") && !parts.includes(""));
      assert.equal(blobIdOfFile(parts.join(""), name), id);
    }),
    { numRuns: numRuns(200) },
  );
});

test("shardPath: an ID that would lie in a folder named by a lone dot is refused", () => {
  const spec = { shards: [1, 1, 1], maxUnshardedLength: 0, overrides: [] };
  assert.throws(() => shardPath(toBlobId("a.bc"), spec), { code: "SEJF_INVALID_ID" });
});

test("blobIdOfFile: temporary files, the layout and strange names are no blobs", () => {
  for (const name of [".shards", "p1.f.tmp.0123456789abcdef", "p1", ".f", "a b.f", "..f", "p1.F"]) {
    assert.equal(blobIdOfFile("", name), undefined, name);
  }
  assert.equal(blobIdOfFile("p123", "45.f"), "p12345");
});

test("couldHold: only folders on the way to the wanted prefix, or below it", () => {
  assert.ok(
    couldHold("p", "") && couldHold("p", "p1") && couldHold("p12", "p1") && couldHold("p1", "p1"),
  );
  assert.ok(
    !couldHold("q", "p") &&
      !couldHold("p2", "p1") &&
      !couldHold("lost+found", "") &&
      !couldHold(".Trash", ""),
  );
});
