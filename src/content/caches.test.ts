import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { utf8ToBytes } from "../bytes/index.ts";
import type { ContentId, ContentRef } from "../format/index.ts";
import { allContents, TestRepository } from "../testkit/direct-contents.ts";
import { FaultStorage } from "../testkit/fault-storage.ts";
import { SeededRandom } from "../testkit/random.ts";
import { filesBelow, temporaryDirectory } from "../testkit/temp.ts";
import type { DirectContents, DirectContentsOptions, PlanLimits } from "./index.ts";

const CACHE_KEY = new Uint8Array(16).fill(7);
const TINY: PlanLimits = { smallBytes: 200, memoryBytes: 400, files: 2 };

async function filled(repository: TestRepository, count: number): Promise<ContentRef[]> {
  await using contents = await repository.open();
  const refs: ContentRef[] = [];
  for (let i = 0; i < count; i++) {
    refs.push(
      await contents.write(utf8ToBytes(`content ${i}`), { prefix: i % 2 === 0 ? "" : "k" }),
    );
    if (i % 10 === 9) await contents.flush();
  }
  await contents.flush();
  return refs;
}

async function readAll(contents: DirectContents, refs: readonly ContentRef[]): Promise<void> {
  for (const [i, ref] of refs.entries()) {
    assert.equal(new TextDecoder().decode(await contents.read(ref)), `content ${i}`);
  }
}

test("cache: a second client asks the store for listings only; files are private and ours", async () => {
  await using cache = await temporaryDirectory("cache");
  const repository = new TestRepository();
  const refs = await filled(repository, 40);
  const open = async (storage: FaultStorage): Promise<DirectContents> =>
    await repository.open({ storage, cacheDirectory: cache.path, cacheKey: CACHE_KEY });
  const first = new FaultStorage(repository.storage);
  {
    await using contents = await open(first);
    await readAll(contents, refs);
  }
  assert.ok(first.count("get", /^q/) <= 4, "whole metadata packs, once each");
  const second = new FaultStorage(repository.storage);
  {
    await using contents = await open(second);
    await readAll(contents, refs);
  }
  assert.equal(second.count("get"), 0);
  for (const path of filesBelow(cache.path)) assert.equal(statSync(path).mode & 0o077, 0, path);
  const kopiaNames = ["blob-list", "own-writes", "indexes", "kopia.repository", "server-contents"];
  for (const name of readdirSync(cache.path)) assert.ok(!kopiaNames.includes(name));
});

test("cache: whatever happens to its files, what is read is right", async () => {
  await using cache = await temporaryDirectory("cache");
  const repository = new TestRepository();
  const refs = await filled(repository, 30);
  const options: Partial<DirectContentsOptions> = {
    cacheDirectory: cache.path,
    cacheKey: CACHE_KEY,
    indexLimits: TINY,
  };
  const random = new SeededRandom(11);
  for (let round = 0; round < 12; round++) {
    await using contents = await repository.open(options);
    await readAll(contents, refs);
    assert.equal((await allContents(contents)).length, refs.length);
    for (const path of filesBelow(cache.path)) {
      const bytes = readFileSync(path);
      if (bytes.byteLength === 0) continue;
      const damage = random.int(4);
      if (damage === 0) bytes[random.int(bytes.byteLength)]! ^= 1 << random.int(8);
      if (damage < 2)
        writeFileSync(path, damage === 0 ? bytes : bytes.subarray(0, random.int(bytes.byteLength)));
    }
  }
});

test("cache: another repository's key does not believe the files", async () => {
  await using cache = await temporaryDirectory("cache");
  const repository = new TestRepository();
  const refs = await filled(repository, 30);
  for (const key of [CACHE_KEY, new Uint8Array(16).fill(8)]) {
    await using contents = await repository.open({
      cacheDirectory: cache.path,
      cacheKey: key,
      indexLimits: TINY,
    });
    await readAll(contents, refs);
  }
});

test("cache: the oldest files go first, young ones stay whatever the size", async () => {
  await using cache = await temporaryDirectory("cache");
  const repository = new TestRepository();
  const refs = await filled(repository, 60);
  const nowS = repository.clock.nowMs() / 1000;
  const open = async (contentBytes: number, minimumAgeMs: number): Promise<void> => {
    await using contents = await repository.open({
      cacheDirectory: cache.path,
      cacheKey: CACHE_KEY,
      cacheLimits: { contentBytes, minimumAgeMs },
    });
    await readAll(contents, refs);
  };
  await open(1 << 20, 0);
  const kept = filesBelow(join(cache.path, "contents"));
  assert.equal(kept.length, 30);
  for (const [i, path] of kept.entries()) utimesSync(path, nowS - 7200 + i, nowS - 7200 + i);
  const bytes = kept.reduce((sum, path) => sum + statSync(path).size, 0);
  await open(1 << 20, 24 * 3_600_000);
  assert.equal(filesBelow(join(cache.path, "contents")).length, 30);
  {
    await using contents = await repository.open({
      cacheDirectory: cache.path,
      cacheKey: CACHE_KEY,
      cacheLimits: { contentBytes: bytes / 2, minimumAgeMs: 0 },
    });
    const fresh = await contents.write(utf8ToBytes("fresh"), { prefix: "" });
    await contents.flush();
    await contents.read(fresh);
  }
  const left = filesBelow(join(cache.path, "contents"));
  assert.ok(left.length < 25, `${left.length} files are left`);
  assert.ok(left.reduce((sum, path) => sum + statSync(path).size, 0) <= bytes / 2);
});

test("index files: without a cache they go when the store is closed", async () => {
  const repository = new TestRepository();
  const refs = await filled(repository, 30);
  const contents = await repository.open({ indexLimits: TINY });
  await readAll(contents, refs);
  await contents.delete(refs[0] as string as ContentId);
  await contents.flush();
  await contents.close();
  await contents.close();
});

test("index files: many flushes with tiny limits, compaction under way, listings going on", async () => {
  await using cache = await temporaryDirectory("cache");
  const repository = new TestRepository();
  await using contents = await repository.open({
    cacheDirectory: cache.path,
    cacheKey: CACHE_KEY,
    indexLimits: TINY,
  });
  for (let i = 0; i < 40; i++) {
    await contents.write(utf8ToBytes(`content ${i}`), { prefix: "" });
    await contents.flush();
  }
  const listing = contents.list()[Symbol.asyncIterator]();
  const first = await listing.next();
  for (let i = 0; i < 3; i++) await contents.advanceEpoch();
  await contents.compactIndexes();
  assert.equal(first.done === true ? 0 : first.value.length, 40);
  assert.equal((await listing.next()).done, true);
  assert.equal((await allContents(contents)).length, 40);
});
