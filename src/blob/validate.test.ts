import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../testkit/clock.ts";
import { FaultStorage } from "../testkit/fault-storage.ts";
import { SeededRandom } from "../testkit/random.ts";
import {
  type BlobStorage,
  listAllBlobs,
  MemoryStorage,
  type StorageValidationOptions,
  toBlobId,
  validateStorageProvider,
} from "./index.ts";

/** The concurrency test sleeps on a clock that every sleep moves: 3 s of it are some dozens of rounds. */
async function validate(
  make: (clock: FakeClock) => BlobStorage,
  more: StorageValidationOptions = {},
): Promise<string[]> {
  const clock = new FakeClock().autoAdvance();
  const steps: string[] = [];
  const storage = make(clock);
  const options = {
    clock,
    sleep: clock.sleep,
    random: new SeededRandom(3),
    durationMs: 3000,
    maxBlobBytes: 5000,
    onStep: (step: string) => steps.push(step),
  };
  await validateStorageProvider(storage, { ...options, ...more });
  assert.deepEqual(await listAllBlobs(storage, ""), []);
  return steps;
}

test("validateStorageProvider: a good store passes every step and is left empty", async () => {
  const steps = await validate((clock) => new MemoryStorage({ clock }));
  assert.equal(steps.length, 13);
});

test("validateStorageProvider: opens and closes the connections it was offered", async () => {
  let open = 0;
  let most = 0;
  const shared = new MemoryStorage();
  const openAnother = async (): Promise<BlobStorage> => {
    most = Math.max(most, ++open);
    const connection = new FaultStorage(shared);
    connection[Symbol.asyncDispose] = async () => {
      open--;
    };
    return connection;
  };
  await validateStorageProvider(shared, { openAnother, connections: 4, durationMs: 0 });
  assert.equal(most, 3);
  assert.equal(open, 0);
});

const BROKEN: Readonly<Record<string, (inner: MemoryStorage) => Partial<MemoryStorage>>> = {
  "an absent blob reads as empty": (inner) => ({
    get: async (id, options) =>
      (await inner.stat(id)) === undefined ? new Uint8Array(0) : inner.get(id, options),
  }),
  "an absent blob has metadata": () => ({
    stat: async (id) => ({ id, lengthBytes: 0, timestamp: 0n }),
  }),
  "ifAbsent replaces": (inner) => ({ put: async (id, data) => inner.put(id, data) }),
  "a short read instead of SEJF_RANGE": (inner) => ({
    get: async (id, options) => {
      const whole = await inner.get(id);
      return options?.range === undefined
        ? whole
        : whole.slice(options.range.offset, options.range.offset + options.range.length);
    },
  }),
  "listing ignores the prefix": (inner) => ({
    list: async function* (prefix, options) {
      yield* inner.list(prefix.slice(0, 5), options);
    },
  }),
  "deleted blobs stay": () => ({ delete: async () => {} }),
  "wrong length": (inner) => ({
    stat: async (id) => {
      const metadata = await inner.stat(id);
      return metadata === undefined
        ? undefined
        : { ...metadata, lengthBytes: metadata.lengthBytes + 1 };
    },
  }),
  "wrong clock": (inner) => ({
    stat: async (id) => {
      const metadata = await inner.stat(id);
      return metadata === undefined
        ? undefined
        : { ...metadata, timestamp: metadata.timestamp - 200_000_000_000n };
    },
  }),
};

for (const [name, change] of Object.entries(BROKEN)) {
  test(`validateStorageProvider: finds that ${name}`, async () => {
    const storage = (clock: FakeClock): BlobStorage => {
      const inner = new MemoryStorage({ clock });
      const base = {
        get: inner.get.bind(inner),
        stat: inner.stat.bind(inner),
        put: inner.put.bind(inner),
        delete: inner.delete.bind(inner),
        list: inner.list.bind(inner),
      };
      return Object.assign(new MemoryStorage({ clock }), base, change(inner));
    };
    await assert.rejects(validate(storage), { code: "SEJF_UNSUPPORTED" });
  });
}

test("validateStorageProvider: the concurrency test finds lost, torn and corrupted blobs", async () => {
  const after = { on: "put", id: /^z[0-9a-f]{32}b/, at: 3 } as const;
  for (const fault of [{ kind: "lose" }, { kind: "corrupt" }] as const) {
    const storage = (clock: FakeClock): BlobStorage =>
      new FaultStorage(new MemoryStorage({ clock }), {
        ...after,
        fault,
        times: Number.POSITIVE_INFINITY,
      });
    await assert.rejects(validate(storage, { durationMs: 60_000 }), (error: { code: string }) =>
      ["SEJF_UNSUPPORTED", "SEJF_BLOB_NOT_FOUND"].includes(error.code),
    );
  }
});

test("validateStorageProvider: removes its blobs after a failure, and nothing else", async () => {
  const inner = new MemoryStorage();
  await inner.put(toBlobId("p1"), new Uint8Array(1));
  const storage = new FaultStorage(inner, { on: "get", at: 5, fault: { kind: "fail" } });
  await assert.rejects(validateStorageProvider(storage, { durationMs: 0 }), { code: "SEJF_IO" });
  assert.deepEqual(
    (await listAllBlobs(inner, "")).map(({ id }) => id),
    ["p1"],
  );
});

test("validateStorageProvider: an abort ends it", async () => {
  const controller = new AbortController();
  const reason = new Error("stopped by the test");
  const onStep = (step: string): void => {
    if (step === "ranges") controller.abort(reason);
  };
  await assert.rejects(
    validateStorageProvider(new MemoryStorage(), { onStep, signal: controller.signal }),
    (error) => error === reason,
  );
});
