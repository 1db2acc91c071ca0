/** The measurements cover every algorithm and do what they say; their speed is not tested. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { COMPRESSORS, compressorByName } from "../../compress/index.ts";
import { ENCRYPTION_ALGORITHMS, HASH_ALGORITHMS } from "../../crypto/index.ts";
import { SPLITTERS, splitterSpec } from "../../splitter/index.ts";
import { nodeCompressionEngine } from "../compress/index.ts";
import {
  benchmarkCompression,
  benchmarkCrypto,
  benchmarkEcc,
  benchmarkEncryption,
  benchmarkHashing,
  benchmarkSplitter,
  runBenchmark,
} from "./index.ts";

const AMOUNT = { blockBytes: 3000, repeat: 2 };

test("benchmarkHashing, benchmarkEncryption, benchmarkCrypto, benchmarkEcc: every algorithm, once", () => {
  const hashes = [...benchmarkHashing(AMOUNT)];
  assert.deepEqual(
    hashes.map((one) => one.name),
    HASH_ALGORITHMS.map((one) => one.name),
  );
  assert.deepEqual(
    [...benchmarkEncryption(AMOUNT)].map((one) => one.name),
    ENCRYPTION_ALGORITHMS.map((one) => one.name),
  );
  assert.equal(
    [...benchmarkCrypto(AMOUNT)].length,
    HASH_ALGORITHMS.length * ENCRYPTION_ALGORITHMS.length,
  );
  const corrections = [...benchmarkEcc({ ...AMOUNT, overheadPercent: 5 })];
  assert.equal(corrections.length, 1);
  assert.ok((corrections[0]?.encodedBytes ?? 0) > AMOUNT.blockBytes, "parity takes room");
  assert.ok(hashes.every((one) => one.bytesPerSecond > 0 && Number.isFinite(one.bytesPerSecond)));
});

test("benchmarkSplitter: segments are in order and add up to what was split", () => {
  const results = [...benchmarkSplitter({ blockBytes: 1_000_000, repeat: 2 })];
  assert.deepEqual(
    results.map((one) => one.name),
    SPLITTERS.map((one) => one.name),
  );
  for (const { name, segmentBytes } of results) {
    assert.equal(
      segmentBytes.reduce((sum, bytes) => sum + bytes, 0),
      2_000_000,
      name,
    );
    assert.deepEqual(
      segmentBytes,
      segmentBytes.toSorted((a, b) => a - b),
    );
    assert.ok((segmentBytes.at(-1) ?? 0) <= splitterSpec(name).maxBytes);
  }
});

test("benchmarkCompression: usable compressors, deprecated ones on request, or the given ones", () => {
  const data = new Uint8Array(5000).fill(65);
  const all = [...benchmarkCompression({ data, repeat: 1 })];
  assert.deepEqual(
    all.map((one) => one.name),
    COMPRESSORS.filter((one) => !one.deprecated).map((one) => one.name),
  );
  assert.equal(
    all.find((one) => one.name === "gzip")?.compressedBytes,
    compressorByName("gzip", nodeCompressionEngine).compress(data).length,
  );
  assert.ok(
    [...benchmarkCompression({ data, repeat: 1, deprecated: true })].some(
      (one) => one.name === "zstd-best-compression",
    ),
  );
  assert.deepEqual(
    [...benchmarkCompression({ data, repeat: 1, algorithms: ["zstd"] })].map((one) => one.name),
    ["zstd"],
  );
  assert.throws(() => [...benchmarkCompression({ data, repeat: 1, algorithms: ["lz4"] })], {
    code: "SEJF_UNSUPPORTED",
  });
  assert.throws(() => [...benchmarkCompression({ data: new Uint8Array(0), repeat: 1 })], {
    code: "SEJF_INVALID_ARGUMENT",
  });
});

test("benchmarkSplitter: the same seed gives the same segments", () => {
  const segments = (seed: number): readonly (readonly number[])[] =>
    [...benchmarkSplitter({ blockBytes: 3_000_000, repeat: 1, seed })].map(
      (one) => one.segmentBytes,
    );
  assert.deepEqual(segments(42), segments(42));
  assert.notDeepEqual(segments(42), segments(43));
});

test("runBenchmark: threads measure what one thread does, with their speeds added", async () => {
  const names: string[][] = [];
  for (const threads of [1, 2]) {
    const found: string[] = [];
    for await (const result of runBenchmark("hashing", AMOUNT, threads)) {
      assert.ok(result.bytesPerSecond > 0);
      found.push(result.name);
    }
    names.push(found);
  }
  assert.deepEqual(names[0], names[1]);
});

test("runBenchmark: an abort ends it between two algorithms", async () => {
  const stop = new AbortController();
  const run = async (): Promise<void> => {
    for await (const _ of runBenchmark("hashing", AMOUNT, 1, stop.signal))
      stop.abort(new Error("stop"));
  };
  await assert.rejects(run(), { message: "stop" });
});
