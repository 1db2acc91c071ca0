/** S2: each element by hand, the reference client's stream, and our own writer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesToUtf8, concatBytes, hexToBytes, utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { numRuns } from "../testkit/property.ts";
import { SeededRandom } from "../testkit/random.ts";
import { s2Decompress, s2DecodeBlock } from "./s2-decode.ts";
import { s2Compress } from "./s2-encode.ts";
import { maskedChecksum } from "./s2-framing.ts";

const MAX = 10_000_000;

function block(hex: string): string {
  return bytesToUtf8(s2DecodeBlock(hexToBytes(hex.replaceAll(" ", "")), MAX));
}

test("s2DecodeBlock: literals of all forms", () => {
  assert.equal(block("03 08 616263"), "abc");
  const long = "x".repeat(300);
  const body = utf8ToBytes(long);
  for (const header of [
    [0xf4, 43, 1],
    [0xf8, 43, 1, 0],
    [0xfc, 43, 1, 0, 0],
  ]) {
    const bytes = concatBytes(Uint8Array.of(0xac, 0x02), Uint8Array.from(header), body);
    assert.equal(bytesToUtf8(s2DecodeBlock(bytes, MAX)), long);
  }
  const sixty = concatBytes(Uint8Array.of(61, 0xf0, 60), body.subarray(0, 61));
  assert.equal(s2DecodeBlock(sixty, MAX).length, 61);
});

test("s2DecodeBlock: copies of 1, 2 and 4 bytes of offset, and overlapping ones", () => {
  assert.equal(block("08 0c 61626364 01 04"), "abcdabcd");
  assert.equal(block("07 0c 61626364 0a 0400"), "abcdabc");
  assert.equal(block("07 0c 61626364 0b 04000000"), "abcdabc");
  assert.equal(block("0a 04 6162 11 02"), "ababababab");
});

test("s2DecodeBlock: repeats of the last offset in all four lengths", () => {
  // abcd, copy 4 from 4, then repeat: l = 0..4 give l + 4
  assert.equal(block("0d 0c 61626364 01 04 05 00"), "abcdabcdabcda");
  // l = 5: next byte + 8
  assert.equal(block("12 0c 61626364 01 04 15 00 02"), "abcd".repeat(5).slice(0, 18));
  // l = 6: next two bytes + 260
  assert.equal(block("8d02 0c 61626364 01 04 19 00 0100"), "abcd".repeat(70).slice(0, 269));
  // l = 7: next three bytes + 65540
  assert.equal(
    block("8d8004 0c 61626364 01 04 1d 00 010000"),
    "abcd".repeat(20_000).slice(0, 65549),
  );
});

for (const [what, hex] of [
  ["a repeat before any copy", "08 0c 61626364 01 00"],
  ["a copy from before the beginning", "08 0c 61626364 01 05"],
  ["a copy past the end", "07 0c 61626364 01 04"],
  ["a literal past the end", "02 08 616263"],
  ["a literal that is cut off", "05 10 6162"],
  ["fewer bytes than announced", "05 0c 61626364"],
  ["an offset of 0 in two bytes", "08 0c 61626364 0e 0000"],
  ["a cut-off element", "08 0c 61626364 02 04"],
  ["an announced length over the format's limit", "8180 8002 00 61"],
] as const) {
  test(`s2DecodeBlock: ${what} is SEJF_CORRUPT`, () =>
    assert.throws(() => block(hex), { code: "SEJF_CORRUPT" }));
}

const ID = hexToBytes("ff06000053327354774f");

function chunk(type: number, body: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(type, body.length, body.length >>> 8, body.length >>> 16), body);
}

function rawChunk(text: string, checksum: number = maskedChecksum(utf8ToBytes(text))): Uint8Array {
  return chunk(
    1,
    concatBytes(
      Uint8Array.of(checksum, checksum >>> 8, checksum >>> 16, checksum >>> 24),
      utf8ToBytes(text),
    ),
  );
}

test("s2Decompress: raw chunks, Snappy's identifier, skippable chunks and padding", () => {
  const snappy = hexToBytes("ff060000734e61507059");
  const stream = concatBytes(
    snappy,
    rawChunk("one "),
    chunk(0xfe, new Uint8Array(7)),
    chunk(0x80, new Uint8Array(0)),
    ID,
    rawChunk("two"),
  );
  assert.equal(bytesToUtf8(s2Decompress(stream, 7)), "one two");
  assert.throws(() => s2Decompress(stream, 6), { code: "SEJF_CORRUPT" });
  assert.equal(s2Decompress(ID, 0).length, 0);
});

for (const [what, stream] of [
  ["a wrong checksum", concatBytes(ID, rawChunk("text", 1))],
  ["a reserved chunk", concatBytes(ID, chunk(0x02, new Uint8Array(4)))],
  ["no identifier", rawChunk("text")],
  ["an unknown identifier", chunk(0xff, utf8ToBytes("S2sTwo"))],
  ["a cut-off chunk", concatBytes(ID, rawChunk("text")).slice(0, -1)],
  ["a cut-off header", concatBytes(ID, Uint8Array.of(1, 0))],
  ["a chunk without a checksum", concatBytes(ID, chunk(1, new Uint8Array(3)))],
] as const) {
  test(`s2Decompress: ${what} is SEJF_CORRUPT`, () =>
    assert.throws(() => s2Decompress(stream, 100), { code: "SEJF_CORRUPT" }));
}

test("s2DecodeBlock: any bytes give a value within the bound or SEJF_CORRUPT", () => {
  const honest = s2Compress(
    utf8ToBytes("some text that repeats, some text that repeats; ".repeat(9)),
    false,
  ).subarray(18);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat({ max: honest.length }), (noise, keep) => {
      try {
        assert.ok(s2DecodeBlock(concatBytes(honest.subarray(0, keep), noise), 4000).length <= 4000);
      } catch (error) {
        assert.ok(error instanceof SejfError && error.code === "SEJF_CORRUPT", String(error));
      }
    }),
    { numRuns: 40 * numRuns() },
  );
});

test("s2Compress: round trip over blocks, far matches, noise and zeros; it shrinks what can shrink", () => {
  const random = new SeededRandom(5);
  const noise = random.bytes(1_300_000);
  const far = noise.slice();
  // matches near by keep the search from taking long steps; the period is out of reach of 2 bytes of offset
  for (let at = 0; at < far.length; at += 48) far.fill(0, at, at + 8);
  for (let at = 72_000; at < far.length; at += 72_000) far.copyWithin(at, 0, 72_000);
  const zeros = new Uint8Array(2_500_000);
  const text = utf8ToBytes("the quick brown fox jumps over the lazy dog. ".repeat(9999));
  for (const [data, limit] of [
    [noise, 1.001],
    [far, 0.3],
    [zeros, 0.0001],
    [text, 0.001],
    [noise.subarray(0, 1), 30],
  ] as const) {
    for (const thorough of [false, true]) {
      const stream = s2Compress(data, thorough);
      assert.deepEqual(s2Decompress(stream, data.length), Uint8Array.from(data));
      assert.ok(stream.length <= data.length * limit, `${data.length} became ${stream.length}`);
    }
  }
});

test("s2Compress: round trip of short and repetitive data of any shape", () => {
  const part = fc.record({
    byte: fc.nat({ max: 3 }),
    count: fc.oneof(
      fc.integer({ min: 1, max: 90 }),
      fc.integer({ min: 260, max: 400 }),
      fc.integer({ min: 65_500, max: 66_000 }),
    ),
  });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), fc.boolean(), (parts, thorough) => {
      const data = concatBytes(...parts.map(({ byte, count }) => new Uint8Array(count).fill(byte)));
      assert.deepEqual(s2Decompress(s2Compress(data, thorough), data.length), data);
    }),
    { numRuns: 10 * numRuns() },
  );
});
