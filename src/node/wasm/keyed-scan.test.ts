/** Secret cuts in WASM against the portable search with noble's hash. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { blake3 } from "@noble/hashes/blake3.js";
import fc from "fast-check";
import { copyBytes } from "../../bytes/index.ts";
import { DynamicSplitter, keyedScan, keyedSpec, splitAll } from "../../splitter/index.ts";
import { numRuns } from "../../testkit/property.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { keyedScanIn } from "./keyed-scan.ts";
import {
  createWasmEngine,
  createWasmMemory,
  type InPlaceSplitter,
  kernelModule,
  WASM_SCRATCH_BYTES,
} from "./index.ts";
import { instantiateKernels } from "./module.ts";

const MIB = 1024 * 1024;
const random = new SeededRandom(21);
const memory = createWasmMemory(WASM_SCRATCH_BYTES + 12 * MIB);
const SCRATCH = 12 * MIB;
const engine = createWasmEngine(memory, SCRATCH);
const cuts = {
  table: new Uint32Array(random.bytes(1024).buffer),
  cutKey: random.bytes(32),
};
const digest = (window: Uint8Array): Uint8Array => blake3(copyBytes(window), { key: cuts.cutKey });
const portable = keyedScan(cuts.table, digest);

function sample(length: number): Uint8Array<ArrayBuffer> {
  const data = random.bytes(length);
  // Runs, in which the hash is 0, and a part that repeats.
  data.fill(0, length >> 2, (length >> 2) + Math.min(9000, length >> 3));
  data.copyWithin(length >> 1, 0, length >> 3);
  return data;
}

test("keyedScanIn: the same first hit as the portable scan, for any range and mask", () => {
  const module = kernelModule();
  assert.ok(module !== undefined);
  const scan = keyedScanIn(instantiateKernels(module, memory), engine.bytes, SCRATCH, cuts);
  const data = sample(600_000);
  engine.bytes.set(data, 77);
  const view = engine.bytes.subarray(77, 77 + data.length);
  let hits = 0;
  fc.assert(
    fc.property(
      fc.integer({ min: 63, max: data.length }),
      fc.nat({ max: 60_000 }),
      fc.integer({ min: 1, max: 12 }),
      (from, span, bits) => {
        const end = Math.min(data.length, from + span);
        const mask = 2 ** bits - 1;
        const expected = portable(data, from, end, mask);
        if (expected >= 0) hits++;
        assert.equal(scan(view, from, end, mask), expected);
      },
    ),
    { numRuns: 4 * numRuns() },
  );
  assert.ok(hits > 0);
});

function cutInPlace(splitter: InPlaceSplitter, at: number, length: number, step: number): number[] {
  const ends: number[] = [];
  let start = 0;
  let examined = 0;
  for (let filled = step; start < length; ) {
    const have = Math.min(filled, length);
    const cut = splitter.findCut(at + start, have - start, examined);
    if (cut >= 0) {
      start += cut;
      ends.push(start);
      examined = 0;
    } else if (have === length) break;
    else {
      examined = have - start;
      filled += step;
    }
  }
  return ends;
}

for (const name of ["DYNAMIC-128K-BUZHASH", "DYNAMIC-1M-BUZHASH", "DYNAMIC-128K-RABINKARP"]) {
  test(`${name} with secret cuts: as the portable splitter, in steps of any size`, () => {
    const spec = keyedSpec(name);
    const splitter = engine.createKeyedSplitter(name, cuts);
    assert.equal(splitter.minSegmentBytes, spec.minBytes);
    for (let round = 0; round < 3; round++) {
      const data = sample(5 * MIB + round * 12_345);
      const at = 4096 + round * 13;
      engine.bytes.set(data, at);
      const expected = splitAll(new DynamicSplitter(spec, portable), data);
      assert.ok(expected.length > 1);
      for (const step of [100_003, 256 * 1024, data.length])
        assert.deepEqual(cutInPlace(splitter, at, data.length, step), expected, `step ${step}`);
    }
  });
}

test("createKeyedSplitter: fixed sizes stay what they are", () => {
  const splitter = engine.createKeyedSplitter("FIXED-128K", cuts);
  assert.deepEqual(cutInPlace(splitter, 0, 300_000, 50_000), [131_072, 262_144]);
});
