import assert from "node:assert/strict";
import { test } from "node:test";
import { ThrottledStorage, toBlobId } from "../blob/index.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import { openStorage, STORAGE_TYPES } from "./index.ts";

test("openStorage: opens a filesystem store by its connection, and again by what it says of itself", async () => {
  await using folder = await temporaryDirectory();
  await using storage = await openStorage(
    { type: "filesystem", config: { path: folder.path } },
    { create: true },
  );
  await storage.put(toBlobId("p1"), new Uint8Array(3));
  await using again = await openStorage(storage.connectionInfo);
  assert.equal((await again.stat(toBlobId("p1")))?.lengthBytes, 3);
  assert.equal(typeof again.localPath?.(toBlobId("p1")), "string");
  assert.ok((await again.capacity?.())?.totalBytes);
});

test("openStorage: limits of the storage hold, limits of the connection take their place", async () => {
  await using folder = await temporaryDirectory();
  const info = { type: "filesystem", config: { path: folder.path, readsPerSecond: 7 } };
  const own = await openStorage(info);
  assert.ok(own instanceof ThrottledStorage);
  assert.equal(own.limits.readsPerSecond, 7);
  const given = await openStorage(info, { limits: { listsPerSecond: 3 } });
  assert.ok(given instanceof ThrottledStorage);
  assert.deepEqual(given.limits, { listsPerSecond: 3 });
  assert.ok(!((await openStorage(info, { limits: {} })) instanceof ThrottledStorage));
});

test("openStorage: other types are SEJF_UNSUPPORTED, and the message says which there are", async () => {
  for (const type of [
    "sftp",
    "webdav",
    "gcs",
    "b2",
    "azureBlob",
    "gdrive",
    "rclone",
    "floppy",
    "toString",
  ]) {
    await assert.rejects(
      openStorage({ type, config: {} }),
      (error: { code: string; message: string }) => {
        assert.equal(error.code, "SEJF_UNSUPPORTED");
        for (const supported of STORAGE_TYPES) assert.ok(error.message.includes(supported));
        return true;
      },
    );
  }
});
