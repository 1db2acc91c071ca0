import assert from "node:assert/strict";
import { test } from "node:test";
import { type BlobStorage, listAllBlobs, toBlobId } from "../../blob/index.ts";
import { formatTimestamp } from "../../bytes/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import { FAKE_BUCKET, FAKE_KEYS, FakeS3 } from "../../testkit/fake-s3.ts";
import type { S3Config } from "./config.ts";
import { openS3Storage } from "./index.ts";

const HOUR_MS = 3_600_000;

function config(fake: FakeS3, more: Partial<S3Config> = {}): S3Config {
  return {
    bucket: FAKE_BUCKET,
    endpoint: fake.endpoint,
    doNotUseTLS: true,
    prefix: "r/",
    ...FAKE_KEYS,
    ...more,
  };
}

async function contents(storage: BlobStorage, prefix = ""): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const { id, lengthBytes } of await listAllBlobs(storage, prefix)) {
    const data = await storage.get(id);
    assert.equal(data.byteLength, lengthBytes);
    assert.equal((await storage.stat(id))?.lengthBytes, lengthBytes);
    found[id] = data[0] ?? 0;
  }
  return found;
}

test("a point in time shows what there was: replaced, deleted and later blobs, whatever the page", async () => {
  for (const pageSize of [1, 2, 3, 1000]) {
    const clock = new FakeClock();
    await using fake = await FakeS3.start({ versioned: true, clock, pageSize });
    await using storage = await openS3Storage(config(fake));
    const put = async (name: string, value: number): Promise<void> => {
      await storage.put(toBlobId(name), new Uint8Array([value, 0]));
    };
    const at: string[] = [];
    const mark = (): void => {
      at.push(formatTimestamp(clock.nowNs()));
      clock.advance(HOUR_MS);
    };
    mark(); // 0: nothing yet
    await put("n1", 1);
    await put("p1", 1);
    await put("p10", 1);
    mark(); // 1
    await put("n1", 2);
    await storage.delete(toBlobId("p1"));
    await put("p11", 1);
    mark(); // 2
    await put("n1", 3);
    await storage.delete(toBlobId("n1"));
    await put("p1", 4);
    mark(); // 3
    const expected = [
      {},
      { n1: 1, p1: 1, p10: 1 },
      { n1: 2, p10: 1, p11: 1 },
      { p1: 4, p10: 1, p11: 1 },
    ];
    for (const [n, pointInTime] of at.entries()) {
      await using then = await openS3Storage(config(fake, { pointInTime }));
      assert.deepEqual(await contents(then), expected[n], `at mark ${n}, pages of ${pageSize}`);
      for (const id of ["n1", "p1", "p2"].filter((name) => !(name in (expected[n] ?? {})))) {
        await assert.rejects(then.get(toBlobId(id)), { code: "SEJF_BLOB_NOT_FOUND" });
        assert.equal(await then.stat(toBlobId(id)), undefined);
      }
    }
    assert.deepEqual(await contents(storage), expected[3]);
  }
});

test("the past is not changed, ranges of it are checked, and it says what it is", async () => {
  const clock = new FakeClock();
  await using fake = await FakeS3.start({ versioned: true, clock });
  await using storage = await openS3Storage(config(fake));
  await storage.put(toBlobId("p1"), new Uint8Array(4));
  const pointInTime = "2026-08-01T13:00:00Z";
  await using then = await openS3Storage(config(fake, { pointInTime }));
  assert.equal(then.capabilities.readOnly, true);
  assert.match(then.displayName, /2026-08-01T13:00:00Z/);
  assert.equal(then.connectionInfo.config["pointInTime"], pointInTime);
  await assert.rejects(then.put(toBlobId("p1"), new Uint8Array(1)), { code: "SEJF_READ_ONLY" });
  await assert.rejects(then.delete(toBlobId("p1")), { code: "SEJF_READ_ONLY" });
  await assert.rejects(then.get(toBlobId("p1"), { range: { offset: 3, length: 2 } }), {
    code: "SEJF_RANGE",
  });
  assert.equal(fake.objects.get("r/p1")?.length, 1);
});

test("a bucket without versions has no past", async () => {
  await using fake = await FakeS3.start();
  await assert.rejects(openS3Storage(config(fake, { pointInTime: "2026-08-01T13:00:00Z" })), {
    code: "SEJF_UNSUPPORTED",
  });
  await using now = await openS3Storage(config(fake, { pointInTime: "0001-01-01T00:00:00Z" }));
  assert.equal(now.capabilities.readOnly, false);
});
