import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  type BlobStorage,
  copyAllBlobs,
  listAllBlobs,
  MemoryStorage,
  StorageWrapper,
  toBlobId,
} from "../../blob/index.ts";
import { isSejfError } from "../../errors/index.ts";
import { blobStorageContract } from "../../testkit/blob-storage-contract.ts";
import { FakeClock } from "../../testkit/clock.ts";
import { FAKE_BUCKET, FAKE_KEYS, FakeS3 } from "../../testkit/fake-s3.ts";
import { Minio, MINIO_SKIP } from "../../testkit/minio.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { AUTHORITY, SIGNED } from "../../testkit/tls.ts";
import { openStorage, type S3Config } from "../index.ts";
import { openS3Storage, type S3StorageOptions } from "./index.ts";

const ID = toBlobId("p1");
const NO_WAIT = { minDelayMs: 0, maxDelayMs: 0 };

function config(fake: FakeS3, more: Partial<S3Config> = {}): S3Config {
  return {
    bucket: FAKE_BUCKET,
    endpoint: fake.endpoint,
    doNotUseTLS: true,
    ...FAKE_KEYS,
    ...more,
  };
}

/** With the retries that every connection gets. */
async function retrying(fake: FakeS3, more: Partial<S3Config> = {}): Promise<BlobStorage> {
  const info = { type: "s3", config: { ...config(fake, more) } };
  return await openStorage(info, { retry: NO_WAIT });
}

/** Without: what each failure is. */
async function bare(fake: FakeS3, options: S3StorageOptions = {}): Promise<BlobStorage> {
  return await openS3Storage(config(fake), { retry: { retries: 0 }, ...options });
}

/** A store that brings its server along. */
function together(storage: BlobStorage, server: AsyncDisposable): BlobStorage {
  return new (class extends StorageWrapper {
    override async [Symbol.asyncDispose](): Promise<void> {
      await super[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    }
  })(storage);
}

blobStorageContract("S3Storage on a fake", async () => {
  const fake = await FakeS3.start();
  return together(await openS3Storage(config(fake, { prefix: "some/where/" })), fake);
});

if (MINIO_SKIP === false) {
  const minio = await Minio.start();
  test.after(async () => await minio[Symbol.asyncDispose]());
  blobStorageContract("S3Storage on MinIO", async () =>
    openS3Storage(minio.config(await minio.bucket(), { prefix: "x/" })),
  );
  blobStorageContract(
    "S3Storage on MinIO with versions",
    async () => openS3Storage(minio.config(await minio.bucket({ versioned: true }))),
    { large: false },
  );
} else test("S3Storage on MinIO", { skip: MINIO_SKIP });

test("objects are what kopia makes of them: name, type, checksum, class, lock", async () => {
  await using fake = await FakeS3.start();
  const rules = { blobOptions: [{ prefix: "p", storageClass: "STANDARD_IA" }, { prefix: "" }] };
  fake.objects.set("a/.storageconfig", [
    {
      id: "",
      data: Buffer.from(JSON.stringify(rules)),
      date: new Date(0),
      deleted: false,
      headers: {},
    },
  ]);
  const clock = new FakeClock(Date.UTC(2030, 0, 1));
  await using storage = await openS3Storage(config(fake, { prefix: "a/" }), { clock });
  const retention = { mode: "COMPLIANCE", periodNs: 48n * 3_600_000_000_000n } as const;
  await storage.put(ID, new Uint8Array([1, 2, 3]), { retention });
  await storage.put(toBlobId("q1"), new Uint8Array(0));
  const pack = fake.objects.get("a/p1")?.[0]?.headers ?? {};
  assert.equal(pack["content-type"], "application/x-kopia");
  const md5 = createHash("md5")
    .update(new Uint8Array([1, 2, 3]))
    .digest("base64");
  assert.equal(pack["content-md5"], md5);
  assert.equal(pack["x-amz-storage-class"], "STANDARD_IA");
  assert.equal(pack["x-amz-object-lock-mode"], "COMPLIANCE");
  assert.equal(
    Date.parse(String(pack["x-amz-object-lock-retain-until-date"])),
    Date.UTC(2030, 0, 3),
  );
  const other = fake.objects.get("a/q1")?.[0]?.headers ?? {};
  assert.equal(other["x-amz-storage-class"], undefined);
  assert.equal(other["x-amz-object-lock-mode"], undefined);
  assert.deepEqual(
    (await listAllBlobs(storage, "")).map(({ id }) => id),
    ["p1", "q1"],
  );
  await assert.rejects(
    storage.put(ID, new Uint8Array(1), { retention: { mode: "Locked", periodNs: 1n } }),
    {
      code: "SEJF_UNSUPPORTED",
    },
  );
});

test("listings go page by page, and a page that fails is asked for again", async () => {
  await using fake = await FakeS3.start({ pageSize: 3 });
  await using storage = await retrying(fake);
  const names = Array.from({ length: 10 }, (_, n) => `n${n}`);
  for (const name of names) await storage.put(toBlobId(name), new Uint8Array(1));
  fake.objects.set("not/ours", fake.objects.get("n0") ?? []);
  fake.objects.set("..", fake.objects.get("n0") ?? []);
  fake.failFirst(2, ({ query }) => query.has("continuation-token"), {
    kind: "answer",
    status: 503,
    code: "SlowDown",
  });
  const pages: number[] = [];
  for await (const page of storage.list("")) pages.push(page.length);
  assert.deepEqual(pages, [2, 3, 3, 2]);
  assert.deepEqual(
    (await listAllBlobs(storage, "")).map(({ id }) => id),
    names,
  );
});

test("what may go better the second time is repeated", async () => {
  await using fake = await FakeS3.start();
  await using storage = await retrying(fake);
  const data = new SeededRandom(1).bytes(100_000);
  const faults = [
    { kind: "answer", status: 500, code: "InternalError" },
    { kind: "answer", status: 503, code: "SlowDown" },
    { kind: "answer", status: 502, body: "<html>no gateway</html>" },
    { kind: "break" },
    { kind: "damage" },
  ] as const;
  for (const fault of faults) {
    fake.failFirst(2, ({ method }) => method === "PUT", fault);
    await storage.put(ID, data);
    assert.deepEqual(Uint8Array.from(fake.objects.get("p1")?.[0]?.data ?? []), data);
  }
  for (const fault of [{ kind: "cut" }, { kind: "break" }, faults[0], faults[1]] as const) {
    fake.failFirst(2, ({ method }) => method === "GET", fault);
    assert.deepEqual(await storage.get(ID), data);
    fake.failFirst(2, ({ method }) => method === "GET", fault);
    assert.deepEqual(
      await storage.get(ID, { range: { offset: 5, length: 70_000 } }),
      data.slice(5, 70_005),
    );
  }
  fake.failFirst(2, ({ method }) => method === "HEAD", { kind: "answer", status: 500 });
  assert.equal((await storage.stat(ID))?.lengthBytes, 100_000);
  fake.failFirst(2, ({ method }) => method === "DELETE", { kind: "break" });
  await storage.delete(ID);
  assert.equal(fake.objects.size, 0);
});

test("ifAbsent: a repetition finds its own blob; a store without the condition is asked before", async () => {
  await using fake = await FakeS3.start();
  await using storage = await retrying(fake);
  // stored, and the answer lost
  fake.failFirst(1, ({ method }) => method === "HEAD" && fake.objects.size > 0, { kind: "break" });
  await storage.put(ID, new Uint8Array([1]), { ifAbsent: true });
  fake.failFirst(9, ({ headers }) => headers["if-none-match"] === "*", {
    kind: "answer",
    status: 501,
    code: "NotImplemented",
  });
  await storage.put(toBlobId("p2"), new Uint8Array([1]), { ifAbsent: true });
  await assert.rejects(storage.put(ID, new Uint8Array([2]), { ifAbsent: true }), {
    code: "SEJF_ALREADY_EXISTS",
  });
  assert.equal(fake.objects.get("p1")?.[0]?.data[0], 1);
});

test("what stands still is given up, answered or not", async () => {
  await using fake = await FakeS3.start();
  await using storage = await bare(fake, { timeouts: { idleMs: 100 } });
  await storage.put(ID, new Uint8Array(100_000));
  for (const kind of ["silence", "stall"] as const) {
    fake.failFirst(1, ({ method }) => method === "GET", { kind });
    await assert.rejects(
      storage.get(ID),
      (error) => isSejfError(error, "SEJF_CONNECTION") && error.retryable,
    );
  }
  fake.failFirst(1, ({ method }) => method === "PUT", { kind: "silence" });
  await assert.rejects(storage.put(ID, new Uint8Array(10)), { code: "SEJF_CONNECTION" });
});

test("an abort ends a call that waits for its answer, with the signal's reason", async () => {
  await using fake = await FakeS3.start();
  await using storage = await bare(fake);
  await storage.put(ID, new Uint8Array(100_000));
  for (const [kind, method] of [
    ["silence", "GET"],
    ["stall", "GET"],
    ["silence", "PUT"],
    ["silence", "HEAD"],
    ["silence", "DELETE"],
  ] as const) {
    const controller = new AbortController();
    const reason = new Error(`${kind} ${method}`);
    fake.fault = (call) => {
      if (call.method !== method) return undefined;
      setTimeout(() => controller.abort(reason), 20);
      return { kind };
    };
    const { signal } = controller;
    const calls = {
      GET: async () => await storage.get(ID, { signal }),
      PUT: async () => await storage.put(ID, new Uint8Array(9), { signal }),
      HEAD: async () => await storage.stat(ID, { signal }),
      DELETE: async () => await storage.delete(ID, { signal }),
    };
    await assert.rejects(calls[method](), (error) => error === reason);
  }
});

test("the region is the one that the store names; what was configured is not overruled", async () => {
  await using fake = await FakeS3.start({ region: "mars-north-1" });
  await using storage = await retrying(fake);
  await storage.put(ID, new Uint8Array(1));
  await using configured = await retrying(fake, { region: "mars-north-1" });
  assert.equal((await configured.stat(ID))?.lengthBytes, 1);
  await assert.rejects(retrying(fake, { region: "us-east-1" }), {
    code: "SEJF_INVALID_ARGUMENT",
    message: /region mars-north-1/,
  });
});

test("a redirection is not followed: it says where the bucket is", async () => {
  await using fake = await FakeS3.start();
  fake.fault = () => ({
    kind: "answer",
    status: 301,
    code: "PermanentRedirect",
    headers: { "x-amz-bucket-region": "eu-west-1" },
  });
  await assert.rejects(retrying(fake), {
    code: "SEJF_INVALID_ARGUMENT",
    message: /region eu-west-1/,
  });
});

test("TLS: an authority of one's own, verification off, and neither", async () => {
  await using fake = await FakeS3.start({ tls: SIGNED });
  const rootCA = Buffer.from(AUTHORITY).toString("base64");
  for (const trust of [{ rootCA }, { doNotVerifyTLS: true }]) {
    await using storage = await retrying(fake, { doNotUseTLS: false, ...trust });
    await storage.put(ID, new Uint8Array(5));
  }
  await assert.rejects(retrying(fake, { doNotUseTLS: false }), {
    code: "SEJF_CONNECTION",
    message: /not trusted/,
  });
  await assert.rejects(retrying(fake, { doNotUseTLS: false, rootCA: "AAAA" }), {
    code: "SEJF_INVALID_ARGUMENT",
  });
});

test("a proxy of the environment is used for every store that is not on this machine", async () => {
  await using fake = await FakeS3.start();
  const before = process.env["HTTP_PROXY"];
  process.env["HTTP_PROXY"] = `http://${fake.endpoint}`;
  try {
    await using storage = await retrying(fake, { endpoint: "store.example:9000" });
    await storage.put(ID, new Uint8Array(5));
    assert.ok(fake.calls.every(({ headers }) => headers.host === "store.example:9000"));
    await using direct = await FakeS3.start();
    await using near = await retrying(direct);
    await near.put(ID, new Uint8Array(5));
    assert.equal(direct.objects.size, 1);
  } finally {
    if (before === undefined) delete process.env["HTTP_PROXY"];
    else process.env["HTTP_PROXY"] = before;
  }
});

test("a repository is copied to a bucket and back", async () => {
  await using fake = await FakeS3.start({ pageSize: 7 });
  await using storage = await retrying(fake);
  const source = new MemoryStorage();
  // older than the copies, whose times are whole seconds
  const timestamp = 1_700_000_000_000_000_000n;
  const format = Buffer.from('{"uniqueID":"AAAA"}');
  await source.put(toBlobId("kopia.repository"), format, { timestamp });
  const random = new SeededRandom(3);
  for (let n = 0; n < 30; n++)
    await source.put(toBlobId(`p${n}`), random.bytes(n * 1000), { timestamp });
  assert.equal((await copyAllBlobs(source, storage, { parallel: 4 })).copied.blobs, 31);
  const back = new MemoryStorage();
  assert.equal((await copyAllBlobs(storage, back, { parallel: 4 })).copied.blobs, 31);
  for (const { id } of await listAllBlobs(source, ""))
    assert.deepEqual(await back.get(id), await source.get(id));
  assert.equal((await copyAllBlobs(source, storage)).copied.blobs, 0);
});
