/** Compression against the reference client's streams, with both engines, and against hostile streams. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 as zlibCrc32, deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { concatBytes, hexToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { nodeCompressionEngine } from "../node/compress/index.ts";
import { goldenVectors } from "../testkit/golden.ts";
import { numRuns } from "../testkit/property.ts";
import { SeededRandom } from "../testkit/random.ts";
import {
  compressorById,
  compressorByName,
  COMPRESSORS,
  decompressPayload,
  payloadCompressorId,
  portableCompressionEngine,
  worthCompressing,
} from "./index.ts";
import { crc32c } from "./crc32c.ts";

interface CompressionCase {
  readonly name: string;
  readonly headerID: string;
  readonly deprecated: boolean;
  readonly compressedHex?: string;
  readonly error?: string;
}

const vectors = goldenVectors<{
  readonly cases: readonly CompressionCase[];
  readonly plainHex: string;
}>("compression");
const plain = hexToBytes(vectors.plainHex);
const engines = [portableCompressionEngine, nodeCompressionEngine];
const usable = COMPRESSORS.filter((one) => one.codec !== "lz4");

/** Text that repeats, with noise: matches near and far, literals short and long. */
function sample(seed: number, length: number): Uint8Array {
  const random = new SeededRandom(seed);
  const data = random.bytes(length);
  for (let at = 0; at < length; ) {
    const run = 1 + random.int(5000);
    const back = 1 + random.int(at + 1);
    if (random.int(3) > 0 && back <= at)
      for (let i = at; i < Math.min(length, at + run); i++) data[i] = data[i - back] ?? 0;
    at += run;
  }
  return data;
}

test("COMPRESSORS: the reference client's names, IDs and deprecation", () => {
  const ours = COMPRESSORS.map((one) => [one.name, one.id, one.deprecated]);
  const theirs = vectors.cases.map((one) => [one.name, Number(one.headerID), one.deprecated]);
  const byName = (a: readonly unknown[], b: readonly unknown[]): number =>
    String(a[0]) < String(b[0]) ? -1 : 1;
  assert.deepEqual(ours.toSorted(byName), theirs.toSorted(byName));
});

for (const engine of engines) {
  for (const one of vectors.cases) {
    if (one.compressedHex === undefined) continue;
    const payload = hexToBytes(one.compressedHex);
    test(`${engine.name} engine: reads the reference client's ${one.name}`, () => {
      const id = payloadCompressorId(payload);
      assert.equal(id, Number(one.headerID));
      assert.deepEqual(decompressPayload(payload, id, plain.length, engine), plain);
      assert.throws(() => decompressPayload(payload, id, plain.length - 1, engine), {
        code: "SEJF_CORRUPT",
      });
      assert.throws(() => decompressPayload(payload.subarray(0, -1), id, plain.length, engine), {
        code: "SEJF_CORRUPT",
      });
    });
  }

  test(`${engine.name} engine: what any engine writes is read back`, () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...usable),
        fc.integer(),
        fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 300_000 })),
        (one, seed, length) => {
          const data = sample(seed, length);
          const writer = one.codec === "zstd" ? nodeCompressionEngine : engine;
          const payload = compressorByName(one.name, writer).compress(data);
          for (const reader of engines)
            assert.deepEqual(compressorById(one.id, reader).decompress(payload, length), data);
        },
      ),
      { numRuns: 2 * numRuns() },
    );
  });

  test(`${engine.name} engine: any bytes give a value within the bound or SEJF_CORRUPT`, () => {
    // fzstd can loop for ever on hostile tables: it is for browsers, which read what they have authenticated.
    const hardened = usable.filter(
      (one) => one.codec !== "zstd" || engine !== portableCompressionEngine,
    );
    const honest = hardened.map((one) => ({
      one,
      payload: compressorByName(one.name, nodeCompressionEngine).compress(sample(one.id, 3000)),
    }));
    const mutation = fc.record({ at: fc.nat(), value: fc.nat({ max: 255 }), cut: fc.boolean() });
    fc.assert(
      fc.property(
        fc.constantFrom(...honest),
        fc.array(mutation, { maxLength: 4 }),
        fc.uint8Array({ maxLength: 80 }),
        fc.boolean(),
        ({ one, payload }, mutations, noise, random) => {
          let stream = random
            ? concatBytes(payload.subarray(0, 4), noise)
            : Uint8Array.from(payload);
          for (const { at, value, cut } of mutations) {
            const index = 4 + (at % Math.max(1, stream.length - 4));
            if (cut) stream = stream.slice(0, index);
            else stream[index] = value;
          }
          try {
            assert.ok(compressorById(one.id, engine).decompress(stream, 5000).length <= 5000);
          } catch (error) {
            assert.ok(error instanceof SejfError && error.code === "SEJF_CORRUPT", String(error));
          }
        },
      ),
      { numRuns: 20 * numRuns() },
    );
  });

  test(`${engine.name} engine: a small stream cannot make a large output`, () => {
    const zeros = new Uint8Array(50_000_000);
    const bombs = {
      gunzip: gzipSync(zeros),
      inflateRaw: deflateRawSync(zeros),
      zstdDecompress: zstdCompressSync(zeros),
    } as const;
    for (const name of ["gunzip", "inflateRaw", "zstdDecompress"] as const) {
      assert.throws(
        () => engine[name](bombs[name], 100_000),
        { code: "SEJF_CORRUPT", message: /longer than expected/ },
        name,
      );
    }
  });

  test(`${engine.name} engine: several gzip members or zstd frames are one stream`, () => {
    const [a, b] = [sample(1, 70_000), sample(2, 1000)];
    const both = concatBytes(a, b);
    assert.deepEqual(engine.gunzip(concatBytes(gzipSync(a), gzipSync(b)), both.length), both);
    const skippable = hexToBytes("502a4d1803000000010203");
    assert.deepEqual(
      engine.zstdDecompress(
        concatBytes(skippable, zstdCompressSync(a), zstdCompressSync(b)),
        both.length,
      ),
      both,
    );
  });

  test(`${engine.name} engine: a gzip trailer that does not fit is SEJF_CORRUPT`, () => {
    for (const back of [1, 5]) {
      const stream = Uint8Array.from(gzipSync(plain));
      stream[stream.length - back] = (stream.at(-back) ?? 0) ^ 1;
      assert.throws(() => engine.gunzip(stream, 1000), { code: "SEJF_CORRUPT" });
    }
  });

  test(`${engine.name} engine: reads zstd frames without a content size`, () => {
    const data = sample(9, 400_000);
    const raw = concatBytes(hexToBytes("28b52ffd0058"), rawBlocks(data));
    assert.deepEqual(engine.zstdDecompress(raw, data.length), data);
    assert.throws(() => engine.zstdDecompress(raw, data.length - 1), { code: "SEJF_CORRUPT" });
  });
}

/** Zstandard blocks that hold the bytes as they are. */
function rawBlocks(data: Uint8Array): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += 100_000) {
    const block = data.subarray(at, at + 100_000);
    const header = (at + 100_000 >= data.length ? 1 : 0) | (block.length << 3);
    blocks.push(Uint8Array.of(header, header >>> 8, header >>> 16), block);
  }
  return concatBytes(...blocks);
}

test("compressorById: another header than the index says is SEJF_CORRUPT", () => {
  const payload = compressorByName("gzip", portableCompressionEngine).compress(plain);
  assert.throws(() => decompressPayload(payload, 0x1500, 1000, portableCompressionEngine), {
    code: "SEJF_CORRUPT",
  });
  assert.throws(() => payloadCompressorId(payload.subarray(0, 3)), { code: "SEJF_CORRUPT" });
});

test("compressorByName: lz4 is refused with a way out; unknown names and IDs are SEJF_UNSUPPORTED", () => {
  assert.throws(
    () => compressorByName("lz4", nodeCompressionEngine),
    (error) =>
      error instanceof SejfError &&
      error.code === "SEJF_UNSUPPORTED" &&
      /v0\.22\.3/.test(error.hint ?? ""),
  );
  assert.throws(() => compressorById(0x1400, nodeCompressionEngine), { code: "SEJF_UNSUPPORTED" });
  assert.throws(() => compressorByName("brotli", nodeCompressionEngine), {
    code: "SEJF_UNSUPPORTED",
  });
  assert.throws(() => compressorById(0x1600, nodeCompressionEngine), { code: "SEJF_UNSUPPORTED" });
  assert.throws(() => compressorByName("zstd", portableCompressionEngine).compress(plain), {
    code: "SEJF_UNSUPPORTED",
  });
});

test("nodeCompressionEngine: zstd frames carry their size and a checksum", () => {
  const frame = nodeCompressionEngine.zstdCompress(plain, 3);
  assert.equal((frame[4] ?? 0) & 0x04, 0x04, "checksum flag");
  assert.equal((frame[4] ?? 0) >>> 6, 1, "2 bytes of content size");
  const broken = frame.slice();
  broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1;
  assert.throws(() => nodeCompressionEngine.zstdDecompress(broken, 1000), { code: "SEJF_CORRUPT" });
});

test("nodeCompressionEngine: results are buffers of their own", () => {
  for (const data of [plain, sample(4, 300_000), new Uint8Array(0)]) {
    const packed = nodeCompressionEngine.zstdCompress(data, 1);
    assert.equal(packed.buffer.byteLength, packed.byteLength);
    assert.equal(packed.constructor, Uint8Array);
    const unpacked = nodeCompressionEngine.zstdDecompress(packed, data.length);
    assert.equal(unpacked.buffer.byteLength, unpacked.byteLength);
    assert.deepEqual(unpacked, data);
  }
});

test("worthCompressing: noise is not, one soft spot or a short content is", () => {
  const engine = nodeCompressionEngine;
  const probe = (data: Uint8Array): number => engine.zstdCompress(data, 1).length;
  const noise = new SeededRandom(2).bytes(1_000_000);
  assert.equal(worthCompressing(noise, probe), false);
  assert.equal(worthCompressing(noise.subarray(0, 65_536), probe), true);
  assert.equal(worthCompressing(noise.slice().fill(0, 990_000), probe), true, "the end is sampled");
  assert.equal(
    worthCompressing(noise.slice().fill(0, 0, 9000), probe),
    true,
    "the beginning is sampled",
  );
  let samples = 0;
  worthCompressing(noise, (data) => {
    samples++;
    return data.length;
  });
  assert.equal(samples, 8);
});

test("crc32c: the check value of the standard, at all lengths around a step of eight", () => {
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  const data = new SeededRandom(3).bytes(40);
  for (let length = 0; length <= 40; length++) {
    let crc = -1;
    for (const byte of data.subarray(0, length)) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    }
    assert.equal(crc32c(data.subarray(0, length)), ~crc >>> 0, `length ${length}`);
  }
  assert.notEqual(crc32c(data), zlibCrc32(data));
});
