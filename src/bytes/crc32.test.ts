import assert from "node:assert/strict";
import test from "node:test";
import { crc32 as zlibCrc32 } from "node:zlib";
import { crc32 } from "./index.ts";

test("crc32: zlib's values for every short length and any part of an array", () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => (i * 151) ^ (i >>> 3));
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  for (let end = 0; end <= 64; end++)
    assert.equal(crc32(bytes.subarray(0, end)), zlibCrc32(bytes.subarray(0, end)));
  for (const [start, end] of [
    [0, 300],
    [3, 3],
    [5, 12],
    [7, 250],
  ] as const) {
    assert.equal(crc32(bytes, start, end), zlibCrc32(bytes.subarray(start, end)));
  }
});
