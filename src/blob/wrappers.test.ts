import assert from "node:assert/strict";
import { test } from "node:test";
import { SejfError } from "../errors/index.ts";
import { blobStorageContract } from "../testkit/blob-storage-contract.ts";
import { FaultStorage } from "../testkit/fault-storage.ts";
import {
  listAllBlobs,
  MemoryStorage,
  readOnlyStorage,
  toBlobId,
  withRetry,
  withThrottle,
} from "./index.ts";

blobStorageContract("withRetry", async () => withRetry(new MemoryStorage(), { minDelayMs: 0 }));
blobStorageContract("withThrottle", async () =>
  withThrottle(new MemoryStorage(), { concurrentReads: 2, concurrentWrites: 2 }),
);
blobStorageContract(
  "FaultStorage without faults",
  async () => new FaultStorage(new MemoryStorage()),
);

const P1 = toBlobId("p1");
const transient = (): SejfError => new SejfError("SEJF_IO", "busy", { retryable: true });

test("withRetry: transient failures of every call are overcome", async () => {
  const faulty = new FaultStorage(new MemoryStorage());
  for (const on of ["get", "stat", "put", "delete", "list"] as const)
    faulty.add({ on, times: 3, fault: { kind: "fail", error: transient() } });
  const storage = withRetry(faulty, { minDelayMs: 0, retries: 3 });
  await storage.put(P1, new Uint8Array(3));
  assert.equal((await storage.get(P1)).byteLength, 3);
  assert.equal((await storage.stat(P1))?.lengthBytes, 3);
  assert.equal((await listAllBlobs(storage, "")).length, 1);
  await storage.delete(P1);
  for (const kind of ["get", "stat", "put", "delete", "list"] as const)
    assert.equal(faulty.count(kind), 4, kind);
});

test("withRetry: gives up after the given number and throws the last failure", async () => {
  const faulty = new FaultStorage(new MemoryStorage(), {
    on: "get",
    times: Number.POSITIVE_INFINITY,
    fault: { kind: "fail", error: transient() },
  });
  const seen: number[] = [];
  const storage = withRetry(faulty, {
    minDelayMs: 0,
    retries: 2,
    onRetry: (_, attempt) => seen.push(attempt),
  });
  await assert.rejects(storage.get(P1), { code: "SEJF_IO", message: "busy" });
  assert.equal(faulty.count("get"), 3);
  assert.deepEqual(seen, [1, 2]);
});

test("withRetry: absence, ranges and lasting failures are told at once", async () => {
  const faulty = new FaultStorage(new MemoryStorage(), {
    on: "put",
    id: "q",
    fault: { kind: "disk-full" },
  });
  const storage = withRetry(faulty, { minDelayMs: 0 });
  await storage.put(P1, new Uint8Array(3));
  await assert.rejects(storage.get(toBlobId("p2")), { code: "SEJF_BLOB_NOT_FOUND" });
  await assert.rejects(storage.get(P1, { range: { offset: 1, length: 3 } }), {
    code: "SEJF_RANGE",
  });
  await assert.rejects(storage.put(toBlobId("q1"), new Uint8Array(1)), { code: "SEJF_NO_SPACE" });
  assert.equal(faulty.count("get"), 2);
  assert.equal(faulty.count("put", "q"), 1);
});

test("withRetry: a put with ifAbsent whose answer was lost finds its own blob", async () => {
  const lost = { on: "put", fault: { kind: "fail-after", error: transient() } } as const;
  const storage = withRetry(new FaultStorage(new MemoryStorage(), lost), { minDelayMs: 0 });
  assert.equal(
    (await storage.put(P1, [new Uint8Array(3), new Uint8Array(2)], { ifAbsent: true })).lengthBytes,
    5,
  );
});

test("withRetry: a put with ifAbsent does not take another writer's blob for its own", async () => {
  const inner = new MemoryStorage();
  await inner.put(P1, new Uint8Array([1]));
  const storage = withRetry(
    new FaultStorage(inner, { on: "put", fault: { kind: "fail", error: transient() } }),
    { minDelayMs: 0 },
  );
  await assert.rejects(storage.put(P1, new Uint8Array([2]), { ifAbsent: true }), {
    code: "SEJF_ALREADY_EXISTS",
  });
  assert.deepEqual(await inner.get(P1), new Uint8Array([1]));
});

test("withRetry: an abort ends the waiting with the signal's reason", async () => {
  const faulty = new FaultStorage(new MemoryStorage(), {
    on: "get",
    times: Number.POSITIVE_INFINITY,
    fault: { kind: "fail", error: transient() },
  });
  const controller = new AbortController();
  const reason = new Error("stopped by the test");
  const storage = withRetry(faulty, {
    minDelayMs: 3_600_000,
    onRetry: () => controller.abort(reason),
  });
  await assert.rejects(storage.get(P1, { signal: controller.signal }), (error) => error === reason);
});

test("readOnlyStorage: reads pass, changes are SEJF_READ_ONLY", async () => {
  const inner = new MemoryStorage();
  await inner.put(P1, new Uint8Array([1]));
  const storage = readOnlyStorage(inner);
  assert.equal(storage.capabilities.readOnly, true);
  assert.deepEqual(await storage.get(P1), new Uint8Array([1]));
  await assert.rejects(storage.put(P1, new Uint8Array([2])), { code: "SEJF_READ_ONLY" });
  await assert.rejects(storage.delete(P1), { code: "SEJF_READ_ONLY" });
  assert.deepEqual(await inner.get(P1), new Uint8Array([1]));
});

test("FaultStorage: a torn put, a lost put, flipped bits and death are what they say", async () => {
  const inner = new MemoryStorage();
  const storage = new FaultStorage(
    inner,
    { on: "put", at: 2, fault: { kind: "tear", keep: 3 } },
    { on: "put", at: 3, fault: { kind: "lose" } },
  );
  storage
    .add({ on: "get", id: /^p1$/, fault: { kind: "corrupt", byte: 1 } })
    .add({ on: "delete", fault: { kind: "die" } });
  await storage.put(P1, new Uint8Array(4));
  await assert.rejects(storage.put(toBlobId("p2"), new Uint8Array(9)), { code: "SEJF_IO" });
  await storage.put(toBlobId("p3"), new Uint8Array(1));
  assert.deepEqual(await storage.get(P1), new Uint8Array([0, 1, 0, 0]));
  assert.equal((await inner.stat(toBlobId("p2")))?.lengthBytes, 3);
  assert.equal(await inner.stat(toBlobId("p3")), undefined);
  await assert.rejects(storage.delete(P1), { code: "SEJF_IO" });
  await assert.rejects(storage.stat(P1), { code: "SEJF_IO" });
  assert.equal(storage.dead, true);
  assert.equal((await storage.heal().stat(P1))?.lengthBytes, 4);
});
