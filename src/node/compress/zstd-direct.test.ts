/** Zstandard in the caller's memory against node:zlib: the same bytes, the same refusals. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { constants, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { compressorByName, COMPRESSORS } from "../../compress/index.ts";
import { numRuns } from "../../testkit/property.ts";
import { loadDirectZstd, nodeCompressionEngine } from "./index.ts";

const data = fc
  .tuple(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 400 }))
  .map(
    ([bytes, times]) => new Uint8Array(Buffer.concat(Array.from({ length: times }, () => bytes))),
  );

/** Zstandard may want a little more room than it fills. */
const SLACK_BYTES = 64;

function shared(length: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(length));
}

test("DirectZstd: what node:zlib makes, and back, in shared memory", {
  skip: loadDirectZstd() === undefined,
}, () => {
  const zstd = loadDirectZstd()!;
  const check = fc.property(data, fc.constantFrom(1, 3, 7), (plain, level) => {
    const params = {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: 1,
    };
    const expected = zstdCompressSync(plain, { params, pledgedSrcSize: plain.length });
    const packed = shared(expected.length + SLACK_BYTES);
    const length = zstd.compressInto(plain, level, packed);
    const stream = packed.slice(0, length);
    assert.deepEqual(Buffer.from(stream), expected);
    assert.equal(zstd.compressInto(plain, level, packed.subarray(0, length - 1)), -1);
    const target = shared(plain.length);
    assert.equal(zstd.decompressInto(stream, target), plain.length);
    assert.deepEqual(Buffer.from(target), Buffer.from(plain));
    if (plain.length > 0) assert.equal(zstd.decompressInto(stream, target.subarray(1)), -1);
  });
  fc.assert(check, { numRuns: numRuns() });
});

test("compressInto, decompressInto: as compress and decompress, for every compressor", () => {
  const plain = new Uint8Array(Buffer.from("all work and no play ".repeat(9000)));
  for (const { name, codec } of COMPRESSORS) {
    if (codec === "lz4") continue;
    const compressor = compressorByName(name, nodeCompressionEngine);
    const expected = compressor.compress(plain);
    const packed = shared(expected.length + SLACK_BYTES);
    assert.equal(compressor.compressInto(plain, packed), expected.length, name);
    const payload = packed.subarray(0, expected.length);
    assert.deepEqual(new Uint8Array(payload), new Uint8Array(expected));
    const short = shared(expected.length - 1);
    assert.equal(compressor.compressInto(plain, short), -1);
    assert.equal(compressor.compressInto(plain, short.subarray(0, 2)), -1);
    const target = shared(plain.length + 3);
    assert.equal(compressor.decompressInto(payload, target), plain.length);
    assert.deepEqual(new Uint8Array(target.subarray(0, plain.length)), plain);
  }
});

test("decompressInto: bad streams are refused with the codec's own words", () => {
  const compressor = compressorByName("zstd-fastest", nodeCompressionEngine);
  const payload = compressor.compress(new Uint8Array(Buffer.from("abcdefgh".repeat(500))));
  const target = new Uint8Array(4000);
  const refused = { code: "SEJF_CORRUPT", message: /zstd stream/ };
  for (const bad of [
    payload.subarray(0, 4),
    payload.subarray(0, payload.length - 1),
    payload.map((byte, i) => (i === payload.length - 1 ? byte ^ 1 : byte)),
  ]) {
    assert.throws(() => compressor.decompressInto(bad, target), refused);
  }
  assert.throws(() => compressor.decompressInto(payload, target.subarray(1)), refused);
  const other = compressorByName("gzip", nodeCompressionEngine);
  assert.throws(() => other.decompressInto(payload, target), { message: /compression header/ });
});
