/**
 * Look-ups in an index of many contents: `node bench/index-search.ts [contents]`, 10 million by default. The index is
 * streamed into a temporary file, then searched by a process of its own, whose peak memory is what is printed.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemRandom } from "../src/bytes/index.ts";
import { nodeCryptoEngine } from "../src/node/crypto/index.ts";
import {
  type IndexFileKeys,
  LIVE,
  openIndexFile,
  openIndexSet,
  type SortedEntry,
  writeSortedIndexFile,
} from "../src/node/index/index.ts";

const KEY_BYTES = 17;
const BUCKETS = 65536;
const CONTENTS_PER_PACK = 200;
const HITS_PER_BUCKET = 4;
const NAME = "bench";

const keys: IndexFileKeys = {
  sha256: (data) => nodeCryptoEngine.sha256(data),
  mac: (data) => nodeCryptoEngine.hmacSha256(new Uint8Array(16), data),
  random: systemRandom,
};

/** The same keys for a bucket each time, unsorted: two bytes of the bucket, then xorshift. */
class BucketKeys {
  #state = 1;

  constructor(bucket: number) {
    this.bucket = bucket;
    this.#state = Math.imul(bucket + 1, 0x9e3779b1) | 1;
  }

  readonly bucket: number;

  next(): Uint8Array {
    const key = new Uint8Array(KEY_BYTES);
    key[1] = this.bucket >>> 8;
    key[2] = this.bucket;
    for (let i = 3; i < KEY_BYTES; i++) {
      this.#state ^= this.#state << 13;
      this.#state ^= this.#state >>> 17;
      this.#state ^= this.#state << 5;
      key[i] = this.#state >>> 11;
    }
    return key;
  }
}

function* sorted(contents: number): Generator<SortedEntry, void, void> {
  const entry = {
    timestampS: 1_795_000_000,
    deleted: false,
    packOffset: 0,
    packedLength: 100_000,
    originalLength: 99_972,
    formatVersion: 3,
    compressionId: 0,
  };
  const packs = Math.ceil(contents / CONTENTS_PER_PACK);
  let number = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const until = Math.round(((bucket + 1) * contents) / BUCKETS);
    const source = new BucketKeys(bucket);
    const some = Array.from({ length: until - number }, () => source.next());
    some.sort((a, b) => Buffer.compare(a, b));
    for (const key of some) {
      const pack = (number++ * 7919) % packs;
      yield {
        key,
        entry,
        packName: `p${pack.toString(16).padStart(32, "0")}-s0123456789abcdef147`,
      };
    }
  }
}

function search(path: string): void {
  const started = performance.now();
  const file = openIndexFile(path, NAME, keys);
  if (file === undefined) throw new Error(`${path} is no index`);
  using set = openIndexSet(
    { generation: 1, files: [file], memory: [], deletionWatermarkS: undefined },
    keys.sha256,
  );
  const openMs = performance.now() - started;
  const present = sampleOf(HITS_PER_BUCKET, (source) => source.next());
  const absent = sampleOf(1, () => Uint8Array.of(0, ...systemRandom.bytes(KEY_BYTES - 1)));
  const key = new Uint8Array(KEY_BYTES);
  const look = (what: string, sample: Uint8Array, ask: () => boolean, expected: boolean): void => {
    const count = sample.byteLength / KEY_BYTES;
    const start = performance.now();
    for (let i = 0; i < count; i++) {
      key.set(sample.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES));
      if (ask() !== expected) throw new Error(`${what}: look-up ${i} went wrong`);
    }
    const seconds = (performance.now() - start) / 1000;
    console.log(`${what.padEnd(12)} ${(count / seconds / 1e6).toFixed(2)} M look-ups/s`);
  };
  look("first touch", present, () => set.probe(key) === LIVE, true);
  look("hit", present, () => set.probe(key) === LIVE, true);
  look("miss", absent, () => set.probe(key) === LIVE, false);
  look("whole entry", present, () => set.find(key) !== undefined, true);
  const peakMiB = process.resourceUsage().maxRSS / 1024;
  console.log(`opened in ${openMs.toFixed(1)} ms; peak memory ${peakMiB.toFixed(0)} MiB`);
}

/** Keys of all buckets in an order that no cache likes, in one array. */
function sampleOf(perBucket: number, make: (source: BucketKeys) => Uint8Array): Uint8Array {
  const all = new Uint8Array(BUCKETS * perBucket * KEY_BYTES);
  for (let at = 0; at < BUCKETS; at++) {
    const source = new BucketKeys((at * 40503) % BUCKETS);
    for (let i = 0; i < perBucket; i++) all.set(make(source), (i * BUCKETS + at) * KEY_BYTES);
  }
  return all;
}

async function main(contents: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sejf-bench-"));
  try {
    const path = join(folder, "index");
    const start = performance.now();
    await writeSortedIndexFile(path, NAME, KEY_BYTES, sorted(contents), keys);
    const seconds = (performance.now() - start) / 1000;
    const { size } = statSync(path);
    console.log(
      `${contents} contents, ${(size / 2 ** 20).toFixed(0)} MiB, written in ${seconds.toFixed(1)} s, Node ${process.version}`,
    );
    const self = fileURLToPath(import.meta.url);
    const run = spawnSync(process.execPath, [self, "--search", path], { stdio: "inherit" });
    process.exitCode = run.status ?? 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const [first, path] = process.argv.slice(2);
if (first === "--search" && path !== undefined) search(path);
else await main(Number(first ?? 10_000_000));
