/** The local copies: kept from one process to the next, bounded, and whatever is wrong with the file a miss. */
import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { bytesToUtf8, utf8ToBytes } from "../../bytes/index.ts";
import { cacheUsage, SERVER_CONTENTS } from "../../content/index.ts";
import { contentIdOf, type ContentId } from "../../format/index.ts";
import { nodeCryptoEngine } from "../../node/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import { numRuns } from "../../testkit/property.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { LocalContentCache, type LocalCacheOptions } from "./local-cache.ts";

const HOUR_MS = 3_600_000;
const LARGE = { contentBytes: 1 << 30, minimumAgeMs: 0 };
const KEY = nodeCryptoEngine.sha256(utf8ToBytes("key"));

function open(directory: string, options: Partial<LocalCacheOptions> = {}): LocalContentCache {
  return new LocalContentCache({
    directory,
    limits: LARGE,
    clock: new FakeClock(),
    engine: nodeCryptoEngine,
    random: new SeededRandom(3),
    key: Promise.resolve(KEY),
    ...options,
  });
}

function idOf(number: number): ContentId {
  return contentIdOf("k", nodeCryptoEngine.sha256(utf8ToBytes(String(number))));
}

function dataOf(number: number): Uint8Array {
  return utf8ToBytes(`content ${number} `.repeat(600));
}

/** In a cache that is opened for it and closed again. */
async function fill(
  directory: string,
  count: number,
  options: Partial<LocalCacheOptions> = {},
): Promise<void> {
  await using cache = open(directory, options);
  for (let i = 0; i < count; i++) cache.put(idOf(i), dataOf(i));
}

/** The numbers of those that are found. Those have to be right. */
async function found(cache: LocalContentCache, count: number): Promise<number[]> {
  const numbers: number[] = [];
  for (let i = 0; i < count; i++) {
    const data = await cache.get(idOf(i));
    if (data === undefined) continue;
    assert.equal(bytesToUtf8(data), bytesToUtf8(dataOf(i)));
    numbers.push(i);
  }
  return numbers;
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function databaseIn(directory: string): string {
  return join(directory, SERVER_CONTENTS, "contents.db");
}

/** The file as it is, for another program. */
function withDatabase<T>(path: string, task: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(path);
  try {
    return task(db);
  } finally {
    db.close();
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; !(await condition()); i++) {
    assert.ok(i < 100_000, "it does not happen");
    await turn();
  }
}

test("local cache: what one process put the next one gets, from one private file", async () => {
  await using folder = await temporaryDirectory("copies");
  const directory = join(folder.path, "cache", "sejf");
  await fill(directory, 600);
  const path = databaseIn(directory);
  assert.deepEqual(readdirSync(join(directory, SERVER_CONTENTS)), ["contents.db"]);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(join(directory, SERVER_CONTENTS)).mode & 0o777, 0o700);
  assert.ok(existsSync(join(directory, "CACHEDIR.TAG")));
  assert.ok(!readFileSync(path).includes("content 1"), "lies there in plain");
  {
    await using cache = open(directory);
    assert.deepEqual(await found(cache, 601), upTo(600));
  }
  const [usage] = await cacheUsage(directory);
  assert.deepEqual(usage, {
    folder: SERVER_CONTENTS,
    path: join(directory, SERVER_CONTENTS),
    files: 1,
    sizeBytes: statSync(path).size,
  });
});

test("local cache: what is collected is found, and no folder made until a batch is full", async () => {
  await using folder = await temporaryDirectory("copies");
  await using cache = open(folder.path);
  for (let i = 0; i < 100; i++) cache.put(idOf(i), dataOf(i));
  assert.deepEqual(await found(cache, 100), upTo(100));
  assert.deepEqual(readdirSync(folder.path), []);
  await cache.remove(idOf(7));
  assert.equal(await cache.get(idOf(7)), undefined);
  for (let i = 100; i < 300; i++) cache.put(idOf(i), dataOf(i));
  await until(() => existsSync(databaseIn(folder.path)));
  assert.equal((await found(cache, 300)).length, 299);
});

test("local cache: a process that was killed leaves the batches that it wrote", async () => {
  await using folder = await temporaryDirectory("copies");
  await using cache = open(join(folder.path, "killed"));
  for (let i = 0; i < 300; i++) cache.put(idOf(i), dataOf(i));
  const path = databaseIn(join(folder.path, "killed"));
  await until(() => existsSync(path));
  await turn();
  const copied = databaseIn(join(folder.path, "copied"));
  mkdirSync(join(copied, ".."), { recursive: true });
  for (const end of ["", "-wal", "-shm"]) copyFileSync(path + end, copied + end);
  await using next = open(join(folder.path, "copied"));
  assert.deepEqual(await found(next, 300), upTo(256));
});

test("local cache: two open at once get each other's copies", async () => {
  await using folder = await temporaryDirectory("copies");
  await using first = open(folder.path);
  await using second = open(folder.path);
  for (let i = 0; i < 512; i++) (i % 2 === 0 ? first : second).put(idOf(i), dataOf(i));
  for (let i = 0; i < 512; i++) {
    if (i % 16 === 0) await turn();
    await (i % 2 === 0 ? second : first).get(idOf(i));
  }
  await second[Symbol.asyncDispose]();
  assert.equal((await found(first, 512)).length, 512);
  await first[Symbol.asyncDispose]();
  await using third = open(folder.path);
  assert.deepEqual(await found(third, 512), upTo(512));
});

test("local cache: while another one writes, copies are read and not kept", async () => {
  await using folder = await temporaryDirectory("copies");
  await fill(folder.path, 5);
  const other = new DatabaseSync(databaseIn(folder.path));
  other.exec("BEGIN IMMEDIATE");
  await using cache = open(folder.path);
  assert.deepEqual(await found(cache, 5), upTo(5));
  for (let i = 5; i < 261; i++) cache.put(idOf(i), dataOf(i));
  await until(async () => (await cache.get(idOf(5))) === undefined);
  assert.deepEqual(await found(cache, 261), upTo(5));
  other.exec("COMMIT");
  other.close();
  cache.put(idOf(5), dataOf(5));
  await cache[Symbol.asyncDispose]();
  await using next = open(folder.path);
  assert.deepEqual(await found(next, 6), upTo(6));
});

test("local cache: a file that another one keeps locked is waited for three times", async () => {
  await using folder = await temporaryDirectory("copies");
  await fill(folder.path, 5);
  const other = new DatabaseSync(databaseIn(folder.path));
  other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; DELETE FROM uses; ROLLBACK");
  await using cache = open(folder.path);
  for (let i = 0; i < 3; i++) assert.equal(await cache.get(idOf(i)), undefined);
  other.close();
  assert.equal(await cache.get(idOf(1)), undefined);
  await using next = open(folder.path);
  assert.deepEqual(await found(next, 5), upTo(5));
});

test("local cache: whatever was done to the file, what is found is right and new copies are kept", async () => {
  await using folder = await temporaryDirectory("copies");
  await fill(join(folder.path, "sound"), 40);
  const sound = readFileSync(databaseIn(join(folder.path, "sound")));
  let run = 0;
  const at = fc.nat(sound.byteLength - 1);
  const flips = fc.array(fc.tuple(at, fc.integer({ min: 1, max: 255 })), { minLength: 1 });
  const damaged = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    at.map((length) => sound.subarray(0, length)),
    flips.map((list) => flipped(sound, list)),
    // where SQLite's own fields are
    flips.map((list) =>
      flipped(
        sound,
        list.map(([i, bits]) => [i % 100, bits] as const),
      ),
    ),
  );
  await fc.assert(
    fc.asyncProperty(damaged, async (bytes) => {
      const directory = join(folder.path, `run-${run++}`);
      mkdirSync(join(directory, SERVER_CONTENTS), { recursive: true });
      writeFileSync(databaseIn(directory), bytes);
      {
        await using cache = open(directory);
        await found(cache, 40);
        for (let i = 0; i < 40; i++) cache.put(idOf(i), dataOf(i));
      }
      await using next = open(directory);
      assert.deepEqual(await found(next, 40), upTo(40));
    }),
    { numRuns: numRuns() },
  );
});

function flipped(sound: Uint8Array, flips: readonly (readonly [number, number])[]): Uint8Array {
  const bytes = sound.slice();
  for (const [at, bits] of flips) bytes[at]! ^= bits;
  return bytes;
}

test("local cache: another program's database, or one of another version, is replaced", async () => {
  await using folder = await temporaryDirectory("copies");
  const path = databaseIn(folder.path);
  const changes = [
    "DROP TABLE copies; PRAGMA application_id = 7",
    "PRAGMA user_version = 99",
    "DROP TABLE uses",
    "DELETE FROM uses",
    "UPDATE uses SET used_ms = 9223372036854775807",
    "UPDATE copies SET data = 'text'",
  ];
  for (const change of changes) {
    await fill(folder.path, 5);
    withDatabase(path, (db) => db.exec(change));
    {
      await using cache = open(folder.path);
      assert.deepEqual(await found(cache, 5), [], change);
      cache.put(idOf(1), dataOf(1));
    }
    await using next = open(folder.path);
    assert.deepEqual(await found(next, 5), [1], change);
  }
});

test("local cache: a copy with a flipped bit, or of another password, is a miss and removed", async () => {
  await using folder = await temporaryDirectory("copies");
  await fill(folder.path, 3);
  const path = databaseIn(folder.path);
  const count = (): unknown =>
    withDatabase(path, (db) => db.prepare("SELECT count(*) AS n FROM copies").get()?.["n"]);
  withDatabase(path, (db) => {
    const data = db.prepare("SELECT data FROM copies WHERE id = ?").get(idOf(1))?.["data"];
    assert.ok(data instanceof Uint8Array);
    data[1000]! ^= 4;
    db.prepare("UPDATE copies SET data = ? WHERE id = ?").run(data, idOf(1));
  });
  {
    await using cache = open(folder.path);
    assert.deepEqual(await found(cache, 3), [0, 2]);
  }
  assert.equal(count(), 2);
  {
    await using cache = open(folder.path, { key: Promise.resolve(new Uint8Array(32)) });
    assert.deepEqual(await found(cache, 3), []);
  }
  assert.equal(count(), 0);
});

test("local cache: the least recently used go first, young ones stay whatever the size", async () => {
  await using folder = await temporaryDirectory("copies");
  const clock = new FakeClock();
  const limits = { contentBytes: 1 << 20, minimumAgeMs: HOUR_MS };
  await fill(folder.path, 250, { clock, limits });
  const path = databaseIn(folder.path);
  const large = statSync(path).size;
  assert.ok(large > 1.5 * limits.contentBytes, "young ones stay");
  clock.advance(2 * HOUR_MS);
  {
    await using cache = open(folder.path, { clock, limits });
    assert.deepEqual(await found(cache, 10), upTo(10));
  }
  clock.advance(2 * HOUR_MS);
  {
    await using cache = open(folder.path, { clock, limits });
    for (let i = 250; i < 300; i++) cache.put(idOf(i), dataOf(i));
  }
  await using cache = open(folder.path, { clock, limits });
  const left = await found(cache, 300);
  assert.ok(
    statSync(path).size <= limits.contentBytes,
    `the file has ${statSync(path).size} bytes`,
  );
  assert.deepEqual(left.slice(0, 10), upTo(10), "used later than they were put");
  assert.deepEqual(left.slice(-50), upTo(300).slice(250));
  assert.ok(left.length > 60 && left.length < 120, `${left.length} are left`);
});

test("local cache: a full one takes in what is new without growing", async () => {
  await using folder = await temporaryDirectory("copies");
  const clock = new FakeClock();
  const limits = { contentBytes: 1 << 20, minimumAgeMs: 0 };
  for (let round = 0; round < 10; round++) {
    await using cache = open(folder.path, { clock, limits });
    for (let i = 0; i < 60; i++) cache.put(idOf(round * 60 + i), dataOf(i));
    clock.advance(1000);
  }
  assert.ok(statSync(databaseIn(folder.path)).size <= limits.contentBytes);
  await using cache = open(folder.path, { clock, limits });
  assert.ok((await cache.get(idOf(599))) !== undefined);
  assert.equal(await cache.get(idOf(0)), undefined);
  cache.put(idOf(0), new Uint8Array(2 << 20));
  await cache[Symbol.asyncDispose]();
  await using next = open(folder.path, { clock, limits });
  assert.ok((await next.get(idOf(599))) !== undefined, "one that never fits drives nothing out");
});

test("local cache: what an earlier version kept goes, and a link is not followed", async () => {
  await using folder = await temporaryDirectory("copies");
  const directory = join(folder.path, "cache");
  const old = join(directory, SERVER_CONTENTS, "ab", "kab12");
  mkdirSync(join(old, ".."), { recursive: true });
  writeFileSync(old, "old");
  await fill(directory, 3);
  assert.deepEqual(readdirSync(join(directory, SERVER_CONTENTS)), ["contents.db"]);
  const linked = join(folder.path, "linked");
  mkdirSync(join(linked, SERVER_CONTENTS), { recursive: true });
  symlinkSync(databaseIn(directory), databaseIn(linked));
  const before = readFileSync(databaseIn(directory));
  {
    await using cache = open(linked);
    assert.deepEqual(await found(cache, 3), []);
    cache.put(idOf(5), dataOf(5));
  }
  assert.ok(lstatSync(databaseIn(linked)).isFile());
  assert.ok(readFileSync(databaseIn(directory)).equals(before));
});

test("local cache: a folder that cannot be used, or no key, is no cache", async () => {
  await using folder = await temporaryDirectory("copies");
  const file = join(folder.path, "file");
  writeFileSync(file, "not a folder");
  const missing = Promise.reject(new Error("no key"));
  for (const cache of [open(file), open(folder.path, { key: missing })]) {
    assert.equal(await cache.get(idOf(1)), undefined);
    for (let i = 0; i < 300; i++) cache.put(idOf(i), dataOf(i));
    await cache[Symbol.asyncDispose]();
    assert.equal(await cache.get(idOf(1)), undefined);
  }
  assert.equal(readFileSync(file, "utf8"), "not a folder");
});

test("local cache: a read-only folder is no cache", {
  skip: process.getuid?.() === 0 && "root may write everywhere",
}, async () => {
  await using folder = await temporaryDirectory("copies");
  chmodSync(folder.path, 0o500);
  await fill(folder.path, 300);
  await using cache = open(folder.path);
  assert.deepEqual(await found(cache, 300), []);
});

test("local cache: what comes faster than it can be written is not kept", async () => {
  await using folder = await temporaryDirectory("copies");
  const key = Promise.withResolvers<typeof KEY>();
  await using cache = open(folder.path, { key: key.promise });
  for (let i = 0; i < 12; i++) cache.put(idOf(i), new Uint8Array(1 << 20));
  for (let i = 0; i < 12; i++) assert.equal((await cache.get(idOf(i))) !== undefined, i < 8);
  key.resolve(KEY);
});
