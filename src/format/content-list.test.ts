/** Lists of contents that lie back to back: what was written, and any bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesToHex, concatBytes } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import { numRuns } from "../testkit/property.ts";
import { decodeContentList, listedContents } from "./content-list.ts";

const HASH_BYTES = 16;

interface Listed {
  readonly lengthBytes: number;
  readonly compressor: number;
  readonly hash: Uint8Array;
}

const records = fc.array(
  fc.record({
    lengthBytes: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    compressor: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    hash: fc.uint8Array({ minLength: HASH_BYTES, maxLength: HASH_BYTES }),
  }),
);

test("listedContents: names, places and compressors as they were listed", () => {
  fc.assert(
    fc.property(records, (contents) => {
      let offset = 0;
      const expected = contents.map(({ lengthBytes, compressor, hash }) => {
        offset += lengthBytes;
        return { hash: bytesToHex(hash), offset: offset - lengthBytes, lengthBytes, compressor };
      });
      assert.deepEqual(listedContents(encode(contents), HASH_BYTES, offset), expected);
      const { lengths, compressors, hashes } = decodeContentList(
        encode(contents),
        HASH_BYTES,
        offset,
      );
      assert.deepEqual(
        [...lengths],
        contents.map(({ lengthBytes }) => lengthBytes),
      );
      assert.deepEqual(
        [...compressors],
        contents.map(({ compressor }) => compressor),
      );
      assert.deepEqual(hashes, concatBytes(...contents.map(({ hash }) => hash)));
    }),
    { numRuns: numRuns(100) },
  );
});

test("decodeContentList: bytes more or less than listed, and a record that ends early, are SEJF_CORRUPT", () => {
  const list = encode([{ lengthBytes: 10, compressor: 0, hash: new Uint8Array(HASH_BYTES) }]);
  assert.equal(decodeContentList(list, HASH_BYTES, 10).lengths.length, 1);
  for (const dataBytes of [0, 9, 11])
    assert.throws(() => decodeContentList(list, HASH_BYTES, dataBytes), { code: "SEJF_CORRUPT" });
  assert.throws(() => decodeContentList(list.subarray(1), HASH_BYTES, 10), {
    code: "SEJF_CORRUPT",
  });
});

test("decodeContentList: any bytes give a list or SEJF_CORRUPT, never another error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(), (bytes, dataBytes) => {
      try {
        const { lengths } = decodeContentList(bytes, HASH_BYTES, dataBytes);
        assert.equal(
          lengths.reduce((sum, length) => sum + length, 0),
          dataBytes,
        );
      } catch (error) {
        assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
      }
    }),
    { numRuns: numRuns(500) },
  );
});

function encode(contents: readonly Listed[]): Uint8Array {
  return concatBytes(
    ...contents.map(({ lengthBytes, compressor, hash }) =>
      concatBytes(new Uint8Array(Uint32Array.of(lengthBytes, compressor).buffer), hash),
    ),
  );
}
