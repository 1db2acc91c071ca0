/** Many contents in one message: what goes in them, what a broken connection does to them, and servers that refuse. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { bytesToHex, collect, type OwnedBytes, single } from "../../bytes/index.ts";
import { isSejfError, type SejfError } from "../../errors/index.ts";
import type { ContentRef, FileBatch, FileResult, RestoreBatch } from "../../format/index.ts";
import { nodeCryptoEngine } from "../../node/index.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { openTestRepository, TEST_REMOTE_OPTIONS } from "../../testkit/remote-repository.ts";
import { TEST_HASH, TestSessionServer } from "../../testkit/session-server.ts";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { SELF_SIGNED } from "../../testkit/tls.ts";
import { RpcServer } from "../grpc/server.ts";
import { SESSION_PATH } from "../session/session-client.ts";
import { decodeRequest, encodeResponse } from "../wire/envelopes.ts";
import { openRemoteRepository, type RemoteRepository } from "./remote-repository.ts";

const SMALL_FILES = 60;
const NOTHING = new Uint8Array(0);
/** From here on a content is asked for before it is sent. */
const BIG_BYTES = 50_000;

test("small files go in messages of many, big contents by themselves, and all come back", async () => {
  await using server = await serverOfBatches();
  await using repository = await openTestRepository(server);
  await using files = await Files.make([BIG_BYTES, BIG_BYTES + 1]);
  const refs = await files.upload(repository);
  await repository.flush();
  assert.ok(countOf(server, "writeContents") <= 2, `${countOf(server, "writeContents")}`);
  assert.equal(countOf(server, "writeContent"), 2);
  assert.equal(countOf(server, "getContentInfo"), 2);
  assert.equal(server.durable.contents.size, files.data.length);
  for (const [job, ref] of refs.entries())
    assert.deepEqual(server.durable.contents.get(ref), files.data[job]);
  await using other = await openTestRepository(server);
  await files.checkRestored(other, refs);
});

test("a content of a batch is known and read before the flush, without the server", async () => {
  await using server = await serverOfBatches();
  await using repository = await openTestRepository(server);
  await using files = await Files.make();
  const refs = await files.upload(repository);
  for (const [job, ref] of refs.entries()) {
    assert.deepEqual(await repository.contents.read(ref), files.data[job]);
    const stat = await repository.contents.stat(ref);
    assert.equal(stat?.originalLength, files.data[job]?.byteLength);
  }
  await files.checkRestored(repository, refs);
  assert.deepEqual([...new Set(server.requests)], ["writeContents"]);
  assert.equal(await repository.contents.stat("00".repeat(16) as ContentRef), undefined);
});

test("a content of a batch that is held no longer is read from the server, and still known", async () => {
  await using server = await serverOfBatches();
  await using repository = await openTestRepository(server, { limits: { maxHeldBytes: 1 } });
  await using files = await Files.make();
  const [first = NONE] = await files.upload(repository);
  await answered(repository);
  server.requests.length = 0;
  const stat = await repository.contents.stat(first);
  assert.equal(stat?.originalLength, files.data[0]?.byteLength);
  assert.deepEqual(server.requests, []);
  assert.deepEqual(await repository.contents.read(first), files.data[0]);
  assert.deepEqual(server.requests, ["getContent"]);
});

test("a break: batches that were answered are sent again from what is held", async () => {
  await using server = await serverOfBatches();
  await using repository = await openTestRepository(server);
  await using files = await Files.make([BIG_BYTES]);
  await files.upload(repository);
  await answered(repository);
  const before = countOf(server, "writeContents");
  assert.ok(before > 0);
  server.breakSessions();
  await repository.flush();
  assert.equal(countOf(server, "writeContents"), 2 * before);
  assert.deepEqual([...server.durable.contents.keys()].toSorted(), files.names.toSorted());
});

test("a break in the middle: the batch on its way is sent again", async () => {
  await using server = await serverOfBatches();
  await using repository = await openTestRepository(server);
  await using files = await Files.make();
  let breaks = 0;
  server.onRequest = (kind): void => {
    if (kind === "writeContents" && breaks++ === 0) server.breakSessions();
  };
  await files.upload(repository);
  await repository.flush();
  assert.ok(breaks > 1);
  assert.deepEqual([...server.durable.contents.keys()].toSorted(), files.names.toSorted());
});

test("a break: the new session's parameters decide, whatever was before", async () => {
  for (const takesBatches of [true, false]) {
    await using server = await serverOfBatches(takesBatches);
    await using repository = await openTestRepository(server);
    await using files = await Files.make();
    await files.upload(repository);
    await answered(repository);
    server.takesBatches = !takesBatches;
    server.requests.length = 0;
    server.breakSessions();
    await repository.flush();
    // What was a batch is one no more; what was written singly stays so.
    assert.equal(countOf(server, "writeContent"), SMALL_FILES);
    assert.equal(countOf(server, "writeContents"), 0);
    assert.deepEqual([...server.durable.contents.keys()].toSorted(), files.names.toSorted());
    await using more = await Files.make([], 2);
    await more.upload(repository);
    await repository.flush();
    assert.equal(countOf(server, "writeContents") > 0, !takesBatches);
    assert.equal(server.durable.contents.size, 2 * SMALL_FILES);
  }
});

test("a break: batches that are held no longer are a loss, told with the number of contents", async () => {
  await using server = await serverOfBatches();
  await using repository = await openTestRepository(server, { limits: { maxHeldBytes: 1 } });
  await using files = await Files.make();
  await files.upload(repository);
  await answered(repository);
  server.breakSessions();
  await assert.rejects(repository.flush(), (error) => {
    assert.ok(isSejfError(error, "SEJF_CONNECTION"));
    assert.match(error.message, new RegExp(`and ${SMALL_FILES} contents and 0 changes`));
    return true;
  });
  assert.equal(server.durable.contents.size, 0);
});

test("long contents beyond what is held go from where they were read; a break is told as their loss", async () => {
  await using server = await serverOfBatches();
  await using repository = await openTestRepository(server, { limits: { maxHeldBytes: 300_000 } });
  await using files = await Files.make([]);
  for (const round of [1, 2]) {
    const data = new SeededRandom(50 + round).bytes(3 << 20);
    const refs = await files.uploadLong(repository, data);
    assert.equal(refs.length, 24);
    if (round === 1) await repository.flush();
    else {
      await answered(repository);
      server.breakSessions();
      await assert.rejects(repository.flush(), /and 24 contents and 0 changes/);
    }
    const stored = refs.flatMap((ref) => server.durable.contents.get(ref) ?? []);
    assert.deepEqual(Buffer.concat(stored), Buffer.from(round === 1 ? data : NOTHING));
  }
});

test("after the flush nothing of a batch is held, sent again or lost", async () => {
  await using server = await serverOfBatches();
  await using repository = await openTestRepository(server);
  await using files = await Files.make();
  await files.upload(repository);
  await repository.flush();
  server.requests.length = 0;
  server.breakSessions();
  await repository.flush();
  assert.deepEqual(server.requests, ["flush"]);
});

test("a refused batch fails the flush and every write from then on", async () => {
  await using server = await serverOfBatches();
  await using repository = await openTestRepository(server);
  await using files = await Files.make();
  server.onRequest = (kind): void => {
    if (kind === "writeContents") throw new Error("disk full");
  };
  await files.upload(repository);
  await assert.rejects(repository.flush(), { code: "SEJF_IO" });
  await assert.rejects(repository.contents.write(new Uint8Array(1), { prefix: "" }), {
    code: "SEJF_IO",
  });
  assert.equal(server.durable.contents.size, 0);
});

test("a server that gives contents other names refuses the batch, which fails the flush", async () => {
  await using server = await serverOfBatches();
  // Told to the client, and not what the server names contents with.
  server.toldSecret = new SeededRandom(99).bytes(32);
  await using repository = await openTestRepository(server);
  await using files = await Files.make();
  await files.upload(repository);
  await assert.rejects(repository.flush(), { code: "SEJF_INVALID_ARGUMENT" });
  assert.equal(server.durable.contents.size, 0);
});

test("an answer of another kind to a batch is SEJF_CORRUPT", async () => {
  await using server = new RpcServer({
    ...SELF_SIGNED,
    methods: {
      [SESSION_PATH]: async (call) => {
        for await (const message of call.messages()) {
          const { requestId, request } = decodeRequest(message);
          await call.send(
            request?.kind === "initializeSession"
              ? encodeResponse(requestId, { kind: "initializeSession", body: PARAMETERS })
              : encodeResponse(requestId, { kind: "writeContent", body: { contentId: "00" } }),
          );
        }
      },
    },
  });
  const port = await server.listen(0, "127.0.0.1");
  await using repository = await openRemoteRepository({
    ...TEST_REMOTE_OPTIONS,
    url: `https://127.0.0.1:${port}`,
    ca: SELF_SIGNED.cert,
  });
  await using files = await Files.make();
  await files.upload(repository).catch((error: SejfError) => assert.equal(error.code, CORRUPT));
  await assert.rejects(repository.flush(), { code: CORRUPT });
});

const CORRUPT = "SEJF_CORRUPT";
const NONE = "" as ContentRef;

const PARAMETERS = {
  parameters: {
    hashFunction: TEST_HASH,
    hmacSecret: new SeededRandom(5).bytes(32),
    splitter: "FIXED-128K",
    supportsContentCompression: true,
    sejfBatches: true,
    sejfUpgrades: false,
  },
};

/** Files in a folder: small ones, each of another length, and some of given lengths. */
class Files implements AsyncDisposable {
  readonly data: readonly OwnedBytes[];
  readonly #folder: Awaited<ReturnType<typeof temporaryDirectory>>;

  private constructor(
    data: readonly OwnedBytes[],
    folder: Awaited<ReturnType<typeof temporaryDirectory>>,
  ) {
    this.data = data;
    this.#folder = folder;
  }

  static async make(moreBytes: readonly number[] = [], seed = 1): Promise<Files> {
    const random = new SeededRandom(seed);
    const folder = await temporaryDirectory("batches");
    const data: OwnedBytes[] = [];
    for (let i = 0; i < SMALL_FILES; i++) data.push(random.bytes(4 + 37 * i));
    for (const [i, length] of moreBytes.entries()) data.splice(10 * i + 5, 0, random.bytes(length));
    await mkdir(join(folder.path, "in"));
    await mkdir(join(folder.path, "out"));
    for (const [i, one] of data.entries()) await writeFile(join(folder.path, "in", `f${i}`), one);
    return new Files(data, folder);
  }

  /** Content IDs, in the order of the files. */
  get names(): readonly string[] {
    const hash = nodeCryptoEngine.contentHash(TEST_HASH, new SeededRandom(11).bytes(32));
    return this.data.map((one) => bytesToHex(hash.hash(one)));
  }

  async upload(repository: RemoteRepository): Promise<readonly ContentRef[]> {
    const files = this.data.map((_, job) => ({
      job,
      name: `f${job}`,
      expected: { sizeBytes: 0, mode: 0o100644, mtimeNs: 0n, uid: 0, gid: 0 },
      compressor: undefined,
    }));
    const batch: FileBatch = { directory: join(this.#folder.path, "in"), files };
    const results = (await collect(repository.contents.writeFiles(single(batch)))).flat();
    return results.toSorted((a, b) => a.job - b.job).map(refOf);
  }

  /** One file of many contents. */
  async uploadLong(repository: RemoteRepository, data: Uint8Array): Promise<readonly ContentRef[]> {
    const directory = join(this.#folder.path, "in");
    await writeFile(join(directory, "long"), data);
    const expected = { sizeBytes: data.byteLength, mode: 0o100644, mtimeNs: 0n, uid: 0, gid: 0 };
    const files = [{ job: 1, name: "long", expected, compressor: undefined }];
    const results = await collect(repository.contents.writeFiles(single({ directory, files })));
    const [result] = results.flat();
    assert.ok(result?.ok);
    return result.pieces.map(({ ref }) => ref);
  }

  async checkRestored(repository: RemoteRepository, refs: readonly ContentRef[]): Promise<void> {
    const directory = join(this.#folder.path, "out");
    const files = refs.map((ref, job) => {
      const sizeBytes = this.data[job]?.byteLength ?? 0;
      const pieces = [{ ref, lengthBytes: sizeBytes }];
      return { job, name: `f${job}`, pieces, sizeBytes, attributes: {}, options: RESTORE };
    });
    const batch: RestoreBatch = { directory, files };
    const restored = (await collect(repository.contents.restoreFiles(single(batch)))).flat();
    assert.deepEqual(
      restored.filter(({ ok }) => !ok),
      [],
    );
    for (const [job, one] of this.data.entries())
      assert.deepEqual(await readFile(join(directory, `f${job}`)), Buffer.from(one));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

const RESTORE = {
  overwrite: false,
  atomically: false,
  sparse: false,
  fsync: false,
  ignorePermissionErrors: true,
};

function refOf(result: FileResult): ContentRef {
  assert.ok(result.ok);
  return result.pieces[0]?.ref ?? NONE;
}

async function serverOfBatches(takesBatches = true): Promise<TestSessionServer> {
  const server = await TestSessionServer.start();
  server.takesBatches = takesBatches;
  return server;
}

function countOf(server: TestSessionServer, kind: string): number {
  return server.requests.filter((one) => one === kind).length;
}

/** Everything that threads have was sent, and answered: the test server answers in order. */
async function answered(repository: RemoteRepository): Promise<void> {
  await repository.contents.stat("00".repeat(16) as ContentRef);
  await repository.contents.stat("00".repeat(16) as ContentRef);
}
