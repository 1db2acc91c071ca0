import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../testkit/clock.ts";
import { FaultStorage } from "../testkit/fault-storage.ts";
import {
  type BlobStorage,
  listAllBlobs,
  MemoryStorage,
  type ThrottledStorage,
  type ThrottlingLimits,
  toBlobId,
  withThrottle,
} from "./index.ts";

const P1 = toBlobId("p1");

/** The seconds of the fake clock that some calls take. */
async function secondsOf(
  limits: ThrottlingLimits,
  calls: (storage: BlobStorage) => Promise<void>,
): Promise<number> {
  const clock = new FakeClock().autoAdvance();
  const inner = new MemoryStorage();
  await inner.put(P1, new Uint8Array(1000));
  const storage = withThrottle(inner, limits, { clock, sleep: clock.sleep });
  const startMs = clock.nowMs();
  await calls(storage);
  return (clock.nowMs() - startMs) / 1000;
}

const near = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < 1e-6, `${actual} s, expected ${expected}`);

test("withThrottle: after a burst of one second, calls go at their rate", async () => {
  const reads = async (storage: BlobStorage): Promise<void> => {
    for (let n = 0; n < 15; n++) await storage.get(P1);
    for (let n = 0; n < 15; n++) await storage.stat(P1);
  };
  near(await secondsOf({ readsPerSecond: 10 }, reads), 2);
  near(await secondsOf({ writesPerSecond: 10 }, reads), 0);
  near(
    await secondsOf({ writesPerSecond: 5 }, async (storage) => {
      for (let n = 0; n < 5; n++) await storage.put(P1, new Uint8Array(1));
      for (let n = 0; n < 5; n++) await storage.delete(P1);
    }),
    1,
  );
  near(
    await secondsOf({ listsPerSecond: 2 }, async (storage) => {
      for (let n = 0; n < 6; n++) await listAllBlobs(storage, "");
    }),
    2,
  );
});

test("withThrottle: bytes go at their rate, whole blobs and ranges alike", async () => {
  const whole = async (storage: BlobStorage): Promise<void> => {
    for (let n = 0; n < 5; n++) await storage.get(P1);
  };
  const ranges = async (storage: BlobStorage): Promise<void> => {
    for (let n = 0; n < 5; n++) await storage.get(P1, { range: { offset: 0, length: 1000 } });
  };
  near(await secondsOf({ maxDownloadSpeedBytesPerSecond: 500 }, whole), 9);
  near(await secondsOf({ maxDownloadSpeedBytesPerSecond: 500 }, ranges), 9);
  near(await secondsOf({ maxUploadSpeedBytesPerSecond: 500 }, whole), 0);
  near(
    await secondsOf({ maxUploadSpeedBytesPerSecond: 100 }, async (storage) => {
      await storage.put(P1, [new Uint8Array(150), new Uint8Array(150)]);
    }),
    2,
  );
});

test("withThrottle: never more calls under way than the limit, and all get through", async () => {
  let underWay = 0;
  let most = 0;
  const inner = new MemoryStorage();
  inner.stat = async () => {
    most = Math.max(most, ++underWay);
    await new Promise(setImmediate);
    underWay--;
    return undefined;
  };
  const storage = withThrottle(inner, { concurrentReads: 3 });
  await Promise.all(Array.from({ length: 20 }, () => storage.stat(P1)));
  assert.equal(most, 3);
  assert.equal(underWay, 0);
});

test("withThrottle: an abort frees the place in the queue", async () => {
  const gate = Promise.withResolvers<void>();
  const inner = new FaultStorage(new MemoryStorage(), {
    on: "stat",
    fault: { kind: "delay", until: gate.promise },
  });
  const storage = withThrottle(inner, { concurrentReads: 1 });
  const first = storage.stat(P1);
  const controller = new AbortController();
  const second = storage.stat(P1, { signal: controller.signal });
  const third = storage.stat(P1);
  const reason = new Error("stopped by the test");
  controller.abort(reason);
  await assert.rejects(second, (error) => error === reason);
  gate.resolve();
  assert.deepEqual(await Promise.all([first, third]), [undefined, undefined]);
  assert.equal(inner.count("stat"), 2);
});

test("withThrottle: new limits hold from the next call on, wrong ones change nothing", async () => {
  const clock = new FakeClock().autoAdvance();
  const storage: ThrottledStorage = withThrottle(
    new MemoryStorage(),
    {},
    { clock, sleep: clock.sleep },
  );
  const startMs = clock.nowMs();
  for (let n = 0; n < 100; n++) await storage.stat(P1);
  assert.equal(clock.nowMs(), startMs);
  storage.setLimits({ readsPerSecond: 1 });
  assert.throws(() => storage.setLimits({ readsPerSecond: -1 }), { code: "SEJF_INVALID_ARGUMENT" });
  assert.throws(() => storage.setLimits({ concurrentReads: 1.5 }), {
    code: "SEJF_INVALID_ARGUMENT",
  });
  assert.deepEqual(storage.limits, { readsPerSecond: 1 });
  for (let n = 0; n < 5; n++) await storage.stat(P1);
  assert.ok(clock.nowMs() - startMs >= 4000);
});

test("withThrottle: files are not offered for reading past the limits", () => {
  const inner: BlobStorage = Object.assign(new MemoryStorage(), { localPath: () => "/x" });
  const offered = (storage: BlobStorage): string | undefined => storage.localPath?.(P1);
  assert.equal(offered(withThrottle(inner, { writesPerSecond: 1 })), "/x");
  const storage = withThrottle(inner, { maxDownloadSpeedBytesPerSecond: 1 });
  assert.equal(offered(storage), undefined);
  storage.setLimits({});
  assert.equal(offered(storage), "/x");
});
