/** The kernels against noble and the plain splitter, which are the oracles. */
import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { test } from "node:test";
import { blake2b } from "@noble/hashes/blake2.js";
import { blake3 } from "@noble/hashes/blake3.js";
import fc from "fast-check";
import { createSplitter, portableScan, splitAll } from "../../splitter/index.ts";
import { goldenVectors } from "../../testkit/golden.ts";
import { numRuns } from "../../testkit/property.ts";
import { SeededRandom } from "../../testkit/random.ts";
import {
  createFastSplitter,
  createWasmEngine,
  createWasmHasher,
  createWasmMemory,
  kernelModule,
  WASM_SCRATCH_BYTES,
  type WasmHashAlgorithm,
  wasmSupported,
} from "./index.ts";
import { portableHasher } from "./portable-hasher.ts";

const MIB = 1024 * 1024;
const random = new SeededRandom(7);
const memory = createWasmMemory(WASM_SCRATCH_BYTES + 12 * MIB);
/** Not at the beginning, so that an address that forgot the offset shows. */
const SCRATCH = 12 * MIB;
const engine = createWasmEngine(memory, SCRATCH);

function oracle(algorithm: WasmHashAlgorithm, key: Uint8Array, data: Uint8Array): Uint8Array {
  if (algorithm === "blake3-256") return blake3(data, { key });
  return blake2b(data, key.length === 0 ? { dkLen: 32 } : { dkLen: 32, key });
}

const CASES: readonly (readonly [WasmHashAlgorithm, number])[] = [
  ["blake2b-256", 32],
  ["blake2b-256", 0],
  ["blake2b-256", 1],
  ["blake2b-256", 64],
  ["blake3-256", 32],
];
/** Block, chunk, lane, group and staging edges, and odd numbers of groups. */
const EDGES = [
  0,
  64,
  128,
  1024,
  2048,
  4096,
  5120,
  8192,
  16384,
  65536,
  131072,
  196608,
  327680,
  4 * MIB,
];

test("wasmSupported: the kernels are valid here, so that what follows tests them", () => {
  assert.equal(wasmSupported(), true);
  assert.equal(engine.memory, memory);
});

for (const [algorithm, keyBytes] of CASES) {
  const key = random.bytes(keyBytes);
  const hasher = engine.createHasher(algorithm, key);
  const copying = createWasmHasher(algorithm, key);

  test(`${algorithm} with a key of ${keyBytes}: all lengths to 300, in place and copied`, () => {
    for (let length = 0; length <= 300; length++) {
      const data = random.bytes(length);
      const at = 1 + (length % 67);
      engine.bytes.set(data, at);
      const expected = oracle(algorithm, key, data);
      assert.deepEqual(hasher.hashAt(at, length), expected, `length ${length}`);
      assert.deepEqual(copying.hash(data), expected, `length ${length} copied`);
    }
  });

  test(`${algorithm} with a key of ${keyBytes}: around blocks, chunks and groups`, () => {
    for (const edge of EDGES) {
      for (const length of edge === 4 * MIB
        ? [edge]
        : [edge - 1, edge, edge + 1].filter((n) => n >= 0)) {
        const data = random.bytes(length);
        const at = 4096 + (length % 13);
        engine.bytes.set(data, at);
        const expected = oracle(algorithm, key, data);
        assert.deepEqual(hasher.hashAt(at, length), expected, `length ${length}`);
        assert.deepEqual(
          hasher.hash(engine.bytes.subarray(at, at + length)),
          expected,
          `length ${length} as a view`,
        );
        assert.deepEqual(copying.hash(data), expected, `length ${length} copied`);
        assert.deepEqual(engine.bytes.slice(at, at + length), data, "the input is untouched");
      }
    }
  });
}

for (const [algorithm, keyBytes] of CASES) {
  test(`${algorithm} with a key of ${keyBytes}: many at once are those of each, wherever they lie`, () => {
    const key = random.bytes(keyBytes);
    const hashers = [
      engine.createHasher(algorithm, key),
      portableHasher(algorithm, key, engine.bytes),
    ];
    const length = fc.oneof(
      { weight: 20, arbitrary: fc.nat(3000) },
      { weight: 2, arbitrary: fc.nat(70_000) },
      { weight: 5, arbitrary: fc.constantFrom(0, 1, 63, 64, 65, 1023, 1024, 1025, 65_536, 65_537) },
    );
    fc.assert(
      fc.property(fc.array(length, { maxLength: 300 }), fc.nat(20), (list, at) => {
        const lengths = Uint32Array.from(list);
        const data = random.bytes(lengths.reduce((sum, one) => sum + one, 0)).subarray(0);
        engine.bytes.set(data, at);
        const expected = new Uint8Array(32 * lengths.length);
        let from = 0;
        for (const [i, one] of lengths.entries()) {
          expected.set(oracle(algorithm, key, data.subarray(from, from + one)), 32 * i);
          from += one;
        }
        const copied = new Uint8Array(at + data.length).subarray(at);
        copied.set(data);
        for (const hasher of hashers) {
          for (const bytes of [engine.bytes.subarray(at, at + data.length), copied]) {
            assert.deepEqual(hasher.hashMany(bytes, lengths), expected);
          }
        }
        assert.deepEqual(engine.bytes.slice(at, at + data.length), data, "the input is untouched");
      }),
      { numRuns: numRuns(8) },
    );
  });
}

test("copy: within the memory, whatever overlaps", () => {
  const data = random.bytes(5000);
  for (const [to, from] of [
    [10_003, 100],
    [103, 100],
    [97, 100],
  ] as const) {
    engine.bytes.set(data, from);
    engine.copy(to, from, data.length);
    assert.deepEqual(engine.bytes.slice(to, to + data.length), data);
  }
});

test("createHasher: hashers of one engine do not disturb each other, and the result is the caller's own", () => {
  const keys = [random.bytes(32), random.bytes(32)] as const;
  const data = random.bytes(3000);
  const hashers = keys.flatMap((key) =>
    (["blake2b-256", "blake3-256"] as const).map((name) => ({
      hasher: engine.createHasher(name, key),
      expected: oracle(name, key, data),
    })),
  );
  const results = hashers.map(({ hasher }) => hasher.hash(data));
  hashers.forEach(({ expected }, i) => {
    assert.deepEqual(results[i], expected);
    assert.equal(results[i]?.buffer instanceof ArrayBuffer, true);
  });
});

test("createHasher: refuses keys that the algorithm cannot use", () => {
  assert.throws(() => engine.createHasher("blake2b-256", new Uint8Array(65)), RangeError);
  assert.throws(() => engine.createHasher("blake3-256", new Uint8Array(31)), RangeError);
  assert.throws(() => createWasmEngine(memory, SCRATCH + 12 * MIB), RangeError);
});

test("portableHasher: what is used without WASM gives the same", () => {
  for (const [algorithm, keyBytes] of CASES) {
    const key = random.bytes(keyBytes);
    const data = random.bytes(5000);
    engine.bytes.set(data, 100);
    const expected = oracle(algorithm, key, data);
    assert.deepEqual(portableHasher(algorithm, key, engine.bytes).hashAt(100, 5000), expected);
    assert.deepEqual(engine.createHasher(algorithm, key).hash(data), expected);
  }
});

test("scanBuzhash: the same first hit as the plain scan, for any range and mask", () => {
  const scan = portableScan("buzhash");
  const data = random.bytes(600_000);
  engine.bytes.set(data, 77);
  const view = engine.bytes.subarray(77, 77 + data.length);
  fc.assert(
    fc.property(
      fc.integer({ min: 63, max: data.length }),
      fc.nat({ max: 40_000 }),
      fc.integer({ min: 4, max: 23 }),
      (from, span, bits) => {
        const end = Math.min(data.length, from + span);
        const mask = 2 ** bits - 1;
        const expected = scan(data, from, end, mask);
        assert.equal(engine.scanBuzhash(view, from, end, mask), expected);
        assert.equal(engine.scanBuzhash(data, from, end, mask), expected);
      },
    ),
    { numRuns: 8 * numRuns() },
  );
  for (const mask of [0xff, 0xfff, 0xffff]) {
    let from = 63;
    for (
      let hit = scan(data, from, data.length, mask);
      hit >= 0;
      hit = scan(data, from, data.length, mask)
    ) {
      assert.equal(engine.scanBuzhash(view, from, data.length, mask), hit);
      assert.equal(engine.scanBuzhash(data, from, data.length, mask), hit);
      from = hit + 1;
    }
    assert.equal(engine.scanBuzhash(view, from, data.length, mask), -1);
  }
});

test("scanBuzhash: a hit planted at every position of two tiles is found there", () => {
  // 64 equal bytes hash to 0; nothing else in this data does under a mask of 31 bits
  const base = random.bytes(4096);
  for (let at = 63; at < 2300; at++) {
    engine.bytes.set(base, 5);
    engine.bytes.fill(9, 5 + at - 63, 5 + at + 1);
    const hit = engine.scanBuzhash(engine.bytes.subarray(5, 5 + 4096), 63, 4096, 0x7fff_ffff);
    assert.ok(hit >= 0 && hit <= at && hit >= at - 63, `planted at ${at}, found ${hit}`);
    assert.equal(
      hit,
      portableScan("buzhash")(engine.bytes.subarray(5, 5 + 4096), 63, 4096, 0x7fff_ffff),
    );
  }
});

test("createFastSplitter: cuts as the plain one on random data, zeros and mixtures, in pieces of any size", () => {
  const zeros = new Uint8Array(900_000);
  const mixed = random.bytes(2 * MIB);
  mixed.fill(0, 300_000, 700_000);
  mixed.fill(0xaa, 1_200_000, 1_500_000);
  for (const name of [
    "DYNAMIC-128K-BUZHASH",
    "DYNAMIC-256K-BUZHASH",
    "DYNAMIC-128K-RABINKARP",
    "FIXED-128K",
  ]) {
    for (const data of [zeros, mixed]) {
      const expected = splitAll(createSplitter(name), data);
      for (const piece of [data.length, 65_536, 4_096 + 7, 61]) {
        assert.deepEqual(
          splitAll(createFastSplitter(name), data, piece),
          expected,
          `${name} by ${piece}`,
        );
      }
      engine.bytes.set(data, 33);
      assert.deepEqual(
        splitAll(
          createFastSplitter(name, engine),
          engine.bytes.subarray(33, 33 + data.length),
          70_001,
        ),
        expected,
      );
    }
  }
  assert.throws(() => createFastSplitter("DYNAMIC-3M-BUZHASH"), { code: "SEJF_UNSUPPORTED" });
});

test("createFastSplitter: the reference client's cuts", () => {
  interface Case {
    readonly splitter: string;
    readonly stream: string;
    readonly length: number;
    readonly cutPoints: readonly number[];
  }
  for (const { splitter, stream, length, cutPoints } of goldenVectors<{
    readonly cases: readonly Case[];
  }>("splitters").cases) {
    const zeros = new Uint8Array(length);
    const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16));
    const data = stream === "zeros" ? zeros : new Uint8Array(cipher.update(zeros));
    assert.deepEqual(splitAll(createFastSplitter(splitter), data, 300_007), cutPoints, splitter);
  }
});

test("InPlaceSplitter: finds the cuts of a growing segment without examining bytes twice", () => {
  const data = random.bytes(3 * MIB);
  data.fill(0, MIB, MIB + 400_000);
  engine.bytes.set(data, 512);
  for (const name of [
    "DYNAMIC-128K-BUZHASH",
    "DYNAMIC-1M-BUZHASH",
    "DYNAMIC-128K-RABINKARP",
    "FIXED-512K",
  ]) {
    const splitter = engine.createSplitter(name);
    const cuts: number[] = [];
    for (let start = 0; start < data.length; ) {
      let examined = 0;
      let cut = -1;
      while (cut < 0 && start + examined < data.length) {
        const available = Math.min(examined + 50_000, data.length - start);
        cut = splitter.findCut(512 + start, available, examined);
        examined = available;
      }
      if (cut < 0) break;
      start += cut;
      cuts.push(start);
    }
    assert.deepEqual(cuts, splitAll(createSplitter(name), data), name);
  }
});

test("createWasmEngine: a second engine on the same memory and module has its own state", () => {
  const shared = createWasmMemory(2 * WASM_SCRATCH_BYTES + 65_536);
  const [first, second] = [
    createWasmEngine(shared, 0, kernelModule()),
    createWasmEngine(shared, WASM_SCRATCH_BYTES, kernelModule()),
  ];
  const key = random.bytes(32);
  const data = random.bytes(20_000);
  first.bytes.set(data, 2 * WASM_SCRATCH_BYTES);
  const [one, two] = [
    first.createHasher("blake2b-256", key),
    second.createHasher("blake3-256", key),
  ];
  assert.deepEqual(
    one.hashAt(2 * WASM_SCRATCH_BYTES, data.length),
    oracle("blake2b-256", key, data),
  );
  assert.deepEqual(
    two.hashAt(2 * WASM_SCRATCH_BYTES, data.length),
    oracle("blake3-256", key, data),
  );
});
