/** Cuts against the reference client's, and laws that hold for every splitter. */
import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { goldenVectors } from "../testkit/golden.ts";
import { numRuns } from "../testkit/property.ts";
import { SeededRandom } from "../testkit/random.ts";
import {
  BUZHASH_TABLE,
  createSplitter,
  DEFAULT_SPLITTER,
  portableScan,
  splitAll,
  SPLITTERS,
  splitterSpec,
} from "./index.ts";

interface SplitterCase {
  readonly splitter: string;
  readonly stream: "aes128ctr-zero" | "zeros";
  readonly length: number;
  readonly cutPoints: readonly number[];
  readonly maxSegmentSize?: number;
}

const vectors = goldenVectors<{
  readonly cases: readonly SplitterCase[];
  readonly names: readonly string[];
}>("splitters");

function streamOf({ stream, length }: SplitterCase): Uint8Array {
  const zeros = new Uint8Array(length);
  if (stream === "zeros") return zeros;
  return new Uint8Array(
    createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16)).update(zeros),
  );
}

test("SPLITTERS: exactly the reference client's names", () => {
  assert.deepEqual(SPLITTERS.map((spec) => spec.name).toSorted(), vectors.names.toSorted());
  assert.equal(splitterSpec("FIXED").maxBytes, splitterSpec("FIXED-4M").maxBytes);
  assert.deepEqual(
    { ...splitterSpec("DYNAMIC"), name: "" },
    { ...splitterSpec(DEFAULT_SPLITTER), name: "" },
  );
});

test("createSplitter: an unknown name is SEJF_UNSUPPORTED", () => {
  assert.throws(() => createSplitter("DYNAMIC-16M-BUZHASH"), { code: "SEJF_UNSUPPORTED" });
});

for (const one of vectors.cases) {
  test(`createSplitter: cuts of ${one.splitter} in ${one.length} bytes of ${one.stream}`, () => {
    const splitter = createSplitter(one.splitter);
    assert.deepEqual(splitAll(splitter, streamOf(one), 1_000_003), one.cutPoints);
    if (one.maxSegmentSize !== undefined)
      assert.equal(splitter.maxSegmentBytes, one.maxSegmentSize);
  });
}

/** Random, zero and periodic stretches by turns: cuts at the minimum, at the maximum and between. */
function mixture(seed: number, bytes: number): Uint8Array {
  const random = new SeededRandom(seed);
  const data = random.bytes(bytes);
  for (let at = random.int(200_000); at < bytes; at += 50_000 + random.int(400_000)) {
    const end = at + random.int(200_000);
    if (random.int(2) === 0) data.fill(random.int(256), at, end);
    else for (let i = at; i < end && i < bytes; i++) data[i] = i & 0x1f;
  }
  return data;
}

test("nextCut: the cuts do not depend on how the stream is sliced, and segments are bounded", () => {
  const names = ["DYNAMIC-128K-BUZHASH", "DYNAMIC-128K-RABINKARP", "FIXED-128K"];
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.integer(),
      fc.array(fc.oneof(fc.integer({ min: 1, max: 130 }), fc.integer({ min: 1, max: 300_000 })), {
        minLength: 1,
        maxLength: 20,
      }),
      (name, seed, sizes) => {
        const data = mixture(seed, 1_200_000);
        const splitter = createSplitter(name);
        const cuts: number[] = [];
        let next = 0;
        for (let at = 0; at < data.length; ) {
          const piece = data.subarray(at, at + (sizes[next++ % sizes.length] ?? 1));
          const length = splitter.nextCut(piece);
          assert.ok(length === -1 || (length >= 1 && length <= piece.length));
          at += length < 0 ? piece.length : length;
          if (length >= 0) cuts.push(at);
        }
        assert.deepEqual(cuts, splitAll(createSplitter(name), data));
        cuts.forEach((cut, i) => {
          const segment = cut - (cuts[i - 1] ?? 0);
          assert.ok(
            segment >= splitter.minSegmentBytes && segment <= splitter.maxSegmentBytes,
            `segment of ${segment}`,
          );
        });
      },
    ),
    { numRuns: numRuns() },
  );
});

test("nextCut: byte by byte is the same as at once", () => {
  const data = mixture(3, 700_000);
  for (const name of ["DYNAMIC-128K-BUZHASH", "DYNAMIC-128K-RABINKARP", "FIXED-128K"]) {
    assert.deepEqual(
      splitAll(createSplitter(name), data, 1),
      splitAll(createSplitter(name), data),
      name,
    );
  }
});

test("nextCut: a run of one byte is cut at the minimum, and a stream that never hits at the maximum", () => {
  const spec = splitterSpec("DYNAMIC-128K-BUZHASH");
  const run = splitAll(createSplitter(spec.name), new Uint8Array(3 * spec.minBytes).fill(0x5a));
  assert.deepEqual(
    run,
    [1, 2, 3].map((n) => n * spec.minBytes),
  );
  // 0 and 1 by turns, as long as the window, with a period that is not half of it
  const never = Uint8Array.from({ length: 2 * spec.maxBytes }, (_, i) => i % 3);
  assert.equal(portableScan("buzhash")(never, 63, 63 + 300, spec.mask), -1);
  assert.deepEqual(splitAll(createSplitter(spec.name), never), [spec.maxBytes, 2 * spec.maxBytes]);
});

test("reset: forgets what came before", () => {
  const data = mixture(5, 500_000);
  for (const name of ["DYNAMIC-128K-BUZHASH", "DYNAMIC-128K-RABINKARP", "FIXED-128K"]) {
    const splitter = createSplitter(name);
    splitter.nextCut(data.subarray(0, 60_001));
    assert.deepEqual(splitAll(splitter, data), splitAll(createSplitter(name), data), name);
  }
});

test("portableScan: the hashes are those of the definition", () => {
  const bytes = new SeededRandom(11).bytes(200);
  const mask = 0x7;
  for (const kind of ["buzhash", "rabinkarp"] as const) {
    const hits: number[] = [];
    for (let at = 63; at < bytes.length; at++) {
      const window = bytes.subarray(at - 63, at + 1);
      const hash = kind === "buzhash" ? buzhashOf(window) : rabinOf(window);
      if ((hash & BigInt(mask)) === 0n) hits.push(at);
    }
    const found: number[] = [];
    for (let from = 63; from < bytes.length; ) {
      const hit = portableScan(kind)(bytes, from, bytes.length, mask);
      if (hit < 0) break;
      found.push(hit);
      from = hit + 1;
    }
    assert.deepEqual(found, hits, kind);
  }
});

function buzhashOf(window: Uint8Array): bigint {
  return window.reduce(
    (h, byte) => (((h << 1n) | (h >> 31n)) & 0xffff_ffffn) ^ BigInt(BUZHASH_TABLE[byte] ?? 0),
    0n,
  );
}

function rabinOf(window: Uint8Array): bigint {
  let value = window.reduce((v, byte) => (v << 8n) | BigInt(byte), 0n);
  for (let bit = 511n; bit >= 53n; bit--)
    if ((value >> bit) & 1n) value ^= 0x2e3e3e4a305605n << (bit - 53n);
  return value;
}
