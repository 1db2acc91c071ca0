/** A repository behind a server in memory: what it stores, what it checks, and what a broken connection does to it. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { collect, type OwnedBytes, utf8ToBytes } from "../../bytes/index.ts";
import { isSejfError } from "../../errors/index.ts";
import type { ContentRef, ContentRequest, FileBatch, RestoreBatch } from "../../format/index.ts";
import type { ManifestId } from "../../manifest/index.ts";
import { nodeCompressionEngine, nodeCryptoEngine } from "../../node/index.ts";
import { createSnapshot, restoreTree } from "../../snapshot/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import { SeededRandom } from "../../testkit/random.ts";
import {
  TEST_CREDENTIALS,
  TEST_HASH,
  TEST_SPLITTER,
  TestSessionServer,
} from "../../testkit/session-server.ts";
import { temporaryDirectory } from "../../testkit/temp.ts";
import {
  openRemoteRepository,
  type OpenRemoteOptions,
  type RemoteRepository,
} from "./remote-repository.ts";

test("openRemoteRepository: parameters and identity as the server and the caller say", async () => {
  await using server = await TestSessionServer.start();
  await using repository = await open(server);
  assert.deepEqual(repository.parameters, {
    hash: TEST_HASH,
    splitter: TEST_SPLITTER,
    indexVersion: 2,
    formatVersion: 3,
  });
  assert.deepEqual(repository.identity, { username: "alice", hostname: "laptop" });
  await assert.rejects(open(server, { password: "wrong" }), { code: "SEJF_ACCESS_DENIED" });
  server.compressesContents = false;
  await using old = await open(server);
  assert.equal(old.parameters.indexVersion, 1);
});

test("contents: written, read back, known, and durable only after the flush", async () => {
  await using server = await TestSessionServer.start();
  await using repository = await open(server);
  const random = new SeededRandom(1);
  const data = [random.bytes(10), random.bytes(0), random.bytes(100_000)];
  const refs = await writeAll(repository, data);
  for (const [i, ref] of refs.entries()) {
    assert.deepEqual(await repository.contents.read(ref), data[i]);
    assert.equal((await repository.contents.stat(ref))?.originalLength, data[i]?.length);
  }
  assert.equal(server.durable.contents.size, 0);
  await repository.flush();
  assert.equal(server.durable.contents.size, 3);
  await using other = await open(server);
  for (const [i, ref] of refs.entries()) assert.deepEqual(await other.contents.read(ref), data[i]);
  assert.equal(await other.contents.stat("00".repeat(16) as ContentRef), undefined);
  await assert.rejects(other.contents.read("00".repeat(16) as ContentRef), {
    code: "SEJF_CONTENT_NOT_FOUND",
  });
});

test("contents: what the server has is not sent; small ones are sent without asking", async () => {
  await using server = await TestSessionServer.start();
  const big = new SeededRandom(2).bytes(50_000);
  const small = big.subarray(0, 49_999);
  await using first = await open(server);
  await writeAll(first, [big, small]);
  await first.flush();
  server.requests.length = 0;
  await using second = await open(server);
  await writeAll(second, [big, big, small, small]);
  await second.flush();
  assert.deepEqual(server.requests, ["getContentInfo", "writeContent", "flush"]);
});

test("contents: the caller's buffer may change as soon as a write resolves", async () => {
  await using server = await TestSessionServer.start();
  await using repository = await open(server);
  const buffer = new Uint8Array(1000).fill(1);
  const ref = await repository.contents.write(buffer, { prefix: "k" });
  buffer.fill(2);
  await repository.flush();
  assert.deepEqual(server.durable.contents.get(ref), new Uint8Array(1000).fill(1));
});

test("contents: bytes that the server altered are SEJF_CORRUPT, one by one and in bulk", async () => {
  await using server = await TestSessionServer.start();
  await using writer = await open(server);
  const [ref] = await writeAll(writer, [utf8ToBytes("content")]);
  assert.ok(ref !== undefined);
  await writer.flush();
  server.tamper = (data): OwnedBytes => {
    data[0] = 0;
    return data;
  };
  await using reader = await open(server);
  await assert.rejects(reader.contents.read(ref), { code: "SEJF_CORRUPT" });
  const [result] = (
    await collect(reader.contents.readMany(pages<readonly ContentRequest[]>([{ job: 7, ref }])))
  ).flat();
  assert.deepEqual([result?.ok, result?.job], [false, 7]);
  const verified = (
    await collect(reader.contents.verifyMany(pages<readonly ContentRequest[]>([{ job: 8, ref }])))
  ).flat();
  assert.equal(verified[0]?.ok === false && verified[0].code, "SEJF_CORRUPT");
});

test("contents: a malformed ID is refused before the server sees it", async () => {
  await using server = await TestSessionServer.start();
  await using repository = await open(server);
  await assert.rejects(repository.contents.read("../x" as ContentRef), { code: "SEJF_INVALID_ID" });
  assert.deepEqual(server.requests, []);
});

test("contents: a server that names a content otherwise is found out at the next write and the flush", async () => {
  await using server = await TestSessionServer.start();
  await using repository = await open(server);
  server.secret = new SeededRandom(99).bytes(32);
  server.breakSessions(); // the next session tells the new secret
  await assert.rejects(
    async () => {
      await writeAll(repository, [utf8ToBytes("x")]);
      await repository.flush();
    },
    (error) => isSejfError(error, "SEJF_CORRUPT") && /another repository/.test(error.message),
  );
  await assert.rejects(repository.contents.write(utf8ToBytes("y"), { prefix: "" }), {
    code: "SEJF_CORRUPT",
  });
});

test("contents: read-only is kept on this side", async () => {
  await using server = await TestSessionServer.start();
  await using repository = await open(server, { readOnly: true });
  await assert.rejects(repository.contents.write(utf8ToBytes("x"), { prefix: "" }), {
    code: "SEJF_READ_ONLY",
  });
  await assert.rejects(repository.manifests.put({ type: "x" }, {}), { code: "SEJF_READ_ONLY" });
  await assert.rejects(repository.manifests.delete("0".repeat(32) as ManifestId), {
    code: "SEJF_READ_ONLY",
  });
});

test("manifests: put, found, read, deleted", async () => {
  await using server = await TestSessionServer.start();
  await using repository = await open(server);
  const { manifests } = repository;
  const first = await manifests.put({ type: "x", n: "1" }, { a: "<&>" });
  const second = await manifests.put({ type: "x", n: "2" }, [1]);
  assert.deepEqual(
    (await manifests.find({ type: "x" })).map(({ id }) => id),
    [first, second],
  );
  assert.deepEqual(
    (await manifests.find({ n: "2" })).map(({ id }) => id),
    [second],
  );
  const { data, text, lengthBytes } = await manifests.get(first);
  assert.deepEqual(data, { a: "<&>" });
  assert.equal(lengthBytes, text.length);
  await manifests.delete(first);
  await manifests.delete(first);
  await assert.rejects(manifests.get(first), { code: "SEJF_MANIFEST_NOT_FOUND" });
  await assert.rejects(manifests.put({}, {}), { code: "SEJF_INVALID_ARGUMENT" });
  await repository.flush();
  assert.deepEqual([...server.durable.manifests.keys()], [second]);
});

test("a break: reads go on, writes that were held are sent again", async () => {
  await using server = await TestSessionServer.start();
  const waits: number[] = [];
  await using repository = await open(server, {
    sleep: (ms) => Promise.resolve(void waits.push(ms)),
  });
  const data = Array.from({ length: 20 }, (_, i) => new Uint8Array(1000).fill(i));
  const refs = await writeAll(repository, data.slice(0, 10));
  await repository.contents.read(refs[0] ?? ("" as ContentRef));
  await settled(server, "writeContent", 10);
  server.breakSessions();
  refs.push(...(await writeAll(repository, data.slice(10))));
  server.breakSessions();
  await repository.flush();
  assert.equal(server.durable.contents.size, 20);
  server.breakSessions();
  for (const [i, ref] of refs.entries())
    assert.deepEqual(await repository.contents.read(ref), data[i]);
  assert.deepEqual(waits, []);
});

test("a break: a server that is away for a while is waited for", async () => {
  await using server = await TestSessionServer.start();
  const waits: number[] = [];
  await using repository = await open(server, {
    sleep: async (ms) => {
      waits.push(ms);
      if (waits.length === 3) await server.listen();
    },
  });
  const [ref] = await writeAll(repository, [utf8ToBytes("x")]);
  await repository.flush();
  await server.stop();
  assert.ok(ref !== undefined);
  assert.deepEqual(await repository.contents.read(ref), utf8ToBytes("x"));
  assert.deepEqual(waits, [100, 150, 225]);
});

test("a break: a server that stays away is SEJF_CONNECTION", async () => {
  await using server = await TestSessionServer.start();
  let waits = 0;
  await using repository = await open(server, { sleep: () => Promise.resolve(void waits++) });
  await server.stop();
  await assert.rejects(repository.manifests.find({ type: "x" }), { code: "SEJF_CONNECTION" });
  assert.ok(waits >= 9);
});

test("a break: contents that are held no longer are a loss, told by every write and flush", async () => {
  await using server = await TestSessionServer.start();
  await using repository = await open(server, { limits: { maxHeldBytes: 1500 } });
  await writeAll(
    repository,
    [1, 2, 3].map((n) => new Uint8Array(1000).fill(n)),
  );
  await settled(server, "writeContent", 3);
  await repository.contents.stat("00".repeat(16) as ContentRef);
  server.breakSessions();
  const lost = (error: unknown): boolean =>
    isSejfError(error, "SEJF_CONNECTION") && !error.retryable && /are lost/.test(error.message);
  await assert.rejects(repository.flush(), lost);
  await assert.rejects(repository.flush(), lost);
  await assert.rejects(repository.contents.write(utf8ToBytes("x"), { prefix: "" }), lost);
  await assert.rejects(repository.manifests.put({ type: "x" }, {}), lost);
  assert.equal(server.durable.contents.size, 0);
  // Reading is not hurt.
  assert.deepEqual(await repository.manifests.find({ type: "x" }), []);
});

test("a break: a manifest that was not flushed is a loss, a flushed one is not", async () => {
  await using server = await TestSessionServer.start();
  await using repository = await open(server);
  await repository.manifests.put({ type: "x" }, { n: 1 });
  await repository.flush();
  server.breakSessions();
  await repository.manifests.find({ type: "x" });
  await repository.manifests.put({ type: "x" }, { n: 2 });
  server.breakSessions();
  await assert.rejects(repository.flush(), { code: "SEJF_CONNECTION" });
  assert.equal(server.durable.manifests.size, 1);
});

test("a refused write fails the flush, not only itself", async () => {
  await using server = await TestSessionServer.start();
  await using repository = await open(server);
  server.onRequest = (kind) => {
    if (kind === "writeContent") throw new Error("disk full");
  };
  await writeAll(repository, [utf8ToBytes("x")]);
  await assert.rejects(repository.flush(), { code: "SEJF_IO" });
});

test("writes wait for room: no more is on its way than allowed", async () => {
  await using server = await TestSessionServer.start();
  await using repository = await open(server, { limits: { maxInFlight: 2 } });
  const release = Promise.withResolvers<void>();
  server.onRequest = async (kind) => {
    if (kind === "writeContent") await release.promise;
  };
  let written = 0;
  const writing = (async () => {
    for (let i = 0; i < 6; i++) {
      await repository.contents.write(new Uint8Array(10).fill(i), { prefix: "" });
      written++;
    }
  })();
  await settled(server, "writeContent", 2);
  assert.equal(written, 2);
  release.resolve();
  await writing;
  await repository.flush();
  assert.equal(server.durable.contents.size, 6);
});

test("dispose: what was not flushed is lost on the server too", async () => {
  await using server = await TestSessionServer.start();
  {
    await using repository = await open(server);
    await writeAll(repository, [utf8ToBytes("x")]);
    await settled(server, "writeContent", 1);
  }
  await using other = await open(server);
  await other.flush();
  assert.equal(server.endedInOrder, 0);
  assert.equal(server.durable.contents.size, 0);
});

test("files: written and restored in groups, many at a time", async () => {
  await using server = await TestSessionServer.start();
  await using repository = await open(server);
  await using folder = await temporaryDirectory("remote");
  const random = new SeededRandom(3);
  const batches: FileBatch[] = [];
  const originals: OwnedBytes[] = [];
  for (let d = 0; d < 6; d++) {
    const directory = join(folder.path, `in${d}`);
    await mkdir(directory);
    await mkdir(join(folder.path, `out${d}`));
    const files = [];
    for (let f = 0; f < 5; f++) {
      const job = originals.length;
      originals.push(random.bytes(f === 0 ? 400_000 : 100 * f));
      await writeFile(join(directory, `f${f}`), originals[job] ?? "");
      files.push({ job, name: `f${f}`, expected: NO_STAT, compressor: undefined });
    }
    batches.push({ directory, files });
  }
  const results = (await collect(repository.contents.writeFiles(pages(...batches)))).flat();
  assert.equal(results.length, 30);
  await repository.flush();
  await using other = await open(server);
  const restores = batches.map(
    ({ files }, d): RestoreBatch => ({
      directory: join(folder.path, `out${d}`),
      files: files.map(({ job, name }) => {
        const result = results.find((one) => one.job === job);
        assert.ok(result?.ok === true);
        assert.equal(result.newBytes, result.sizeBytes);
        return {
          job,
          name,
          pieces: result.pieces,
          sizeBytes: result.sizeBytes,
          attributes: {},
          options: RESTORE,
        };
      }),
    }),
  );
  const restored = (await collect(other.contents.restoreFiles(pages(...restores)))).flat();
  assert.deepEqual(
    restored.filter(({ ok }) => !ok),
    [],
  );
  for (const [job, original] of originals.entries()) {
    const path = join(folder.path, `out${Math.floor(job / 5)}`, `f${job % 5}`);
    assert.deepEqual(await readFile(path), Buffer.from(original));
  }
  server.requests.length = 0;
  await collect(other.contents.writeFiles(pages(...batches)));
  await other.flush();
  const sent = server.requests.filter((kind) => kind === "writeContent").length;
  const asked = server.requests.filter((kind) => kind === "getContentInfo").length;
  // Of each big file three segments of 128 KiB and a short rest, beside it four small files.
  assert.deepEqual({ sent, asked }, { sent: 6 * (1 + 4), asked: 6 * 3 });
});

test("createSnapshot, restoreTree: a tree through the server and back, over breaks", async () => {
  await using server = await TestSessionServer.start();
  await using repository = await open(server);
  await using folder = await temporaryDirectory("remote");
  const source = join(folder.path, "source");
  await mkdir(join(source, "sub"), { recursive: true });
  await writeFile(join(source, "a.txt"), "hello");
  await writeFile(join(source, "sub", "b.bin"), new SeededRandom(4).bytes(500_000));
  server.breakSessions();
  const { snapshot } = await createSnapshot(repository, { ...TEST_CREDENTIALS_NAME, path: source });
  await repository.flush();
  assert.ok(snapshot.rootEntry !== undefined);
  server.breakSessions();
  await using other = await open(server);
  const target = join(folder.path, "target");
  await restoreTree(other, snapshot.rootEntry, target, {});
  assert.equal(await readFile(join(target, "a.txt"), "utf8"), "hello");
  assert.deepEqual(
    await readFile(join(target, "sub", "b.bin")),
    Buffer.from(new SeededRandom(4).bytes(500_000)),
  );
});

test("what only a server can do: capacity, prefetch, retention, notification", async () => {
  await using server = await TestSessionServer.start();
  await using repository = await open(server);
  assert.deepEqual(await repository.capacity(), { sizeBytes: 100n, freeBytes: 60n });
  const [ref] = await writeAll(repository, [utf8ToBytes("x")]);
  await repository.flush();
  assert.ok(ref !== undefined);
  assert.deepEqual(await repository.prefetch([ref, "00" as ContentRef], ""), [ref]);
  assert.deepEqual(await repository.applyRetention("/data", true), []);
  await repository.notify({
    templateName: "t",
    eventArgs: utf8ToBytes("{}"),
    severity: 0,
    eventArgsType: 1,
  });
  assert.ok(server.requests.includes("sendNotification"));
});

const TEST_CREDENTIALS_NAME = { username: "alice", hostname: "laptop" };
const NO_STAT = { sizeBytes: 0, mode: 0o100644, mtimeNs: 0n, uid: 0, gid: 0 };
const RESTORE = {
  overwrite: false,
  atomically: false,
  sparse: false,
  fsync: false,
  ignorePermissionErrors: true,
};

async function open(
  server: TestSessionServer,
  options: Partial<OpenRemoteOptions> = {},
): Promise<RemoteRepository> {
  const { username, hostname, password } = TEST_CREDENTIALS;
  return await openRemoteRepository({
    url: server.url,
    fingerprint: server.fingerprint,
    identity: { username, hostname },
    password,
    purpose: "test",
    engine: nodeCryptoEngine,
    compression: nodeCompressionEngine,
    clock: new FakeClock(),
    sleep: () => Promise.resolve(),
    ...options,
  });
}

async function writeAll(
  repository: RemoteRepository,
  data: readonly Uint8Array[],
): Promise<ContentRef[]> {
  const refs: ContentRef[] = [];
  for (const one of data) refs.push(await repository.contents.write(one, { prefix: "" }));
  return refs;
}

/** Until the server has seen so many requests of this kind. */
async function settled(server: TestSessionServer, kind: string, count: number): Promise<void> {
  while (server.requests.filter((one) => one === kind).length < count)
    await new Promise((resolve) => setImmediate(resolve));
}

// oxlint-disable-next-line require-await -- a list as the source of a stage
async function* pages<T>(...items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
