import assert from "node:assert/strict";
import { cp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import {
  type BlobId,
  type BlobMetadata,
  type BlobStorage,
  MemoryStorage,
  type PutOptions,
  type StorageCapabilities,
  StorageWrapper,
} from "../blob/index.ts";
import { BLOB_CONFIG_BLOB_ID, FORMAT_BLOB_ID } from "../format/index.ts";
import { nodeCryptoEngine } from "../node/index.ts";
import { openStorage } from "../storage/index.ts";
import { FakeClock } from "../testkit/clock.ts";
import { FaultStorage } from "../testkit/fault-storage.ts";
import { goldenRepository } from "../testkit/golden.ts";
import { quickEngine } from "../testkit/quick-engine.ts";
import { SeededRandom } from "../testkit/random.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import { createRepository, recoverFormatBlob } from "./index.ts";
import { FormatAccess, readStoredFormat } from "./format-access.ts";
import { assertNotLocked, guardStorage } from "./upgrade-guard.ts";

const clock = new FakeClock();
const tools = { engine: nodeCryptoEngine, clock, random: new SeededRandom() };
const quickTools = { ...tools, engine: quickEngine };

async function made(): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  await createRepository(storage, { password: "first", random: new SeededRandom(7) });
  return storage;
}

async function open(storage: BlobStorage, password: string): Promise<FormatAccess> {
  return await FormatAccess.open(storage, await readStoredFormat(storage), password, tools);
}

test("createRepository: the right password opens it, another does not, a second one is refused", async () => {
  const storage = await made();
  const access = await open(storage, "first");
  assert.equal(access.format.hash, "BLAKE3-256");
  assert.equal(access.format.version, 3);
  assert.equal(access.retention, undefined);
  await assert.rejects(open(storage, "First"), { code: "SEJF_INVALID_PASSWORD" });
  await assert.rejects(createRepository(storage, { password: "x" }), {
    code: "SEJF_ALREADY_EXISTS",
  });
});

test("createRepository: nothing is written when something cannot be", async () => {
  const storage = new MemoryStorage();
  const retention = {
    retentionMode: "GOVERNANCE",
    retentionPeriodNs: 86_400_000_000_000n,
    unknown: {},
  } as const;
  await assert.rejects(createRepository(storage, { password: "" }), {
    code: "SEJF_INVALID_ARGUMENT",
  });
  await assert.rejects(createRepository(storage, { password: "x", format: { hash: "MD5" } }));
  if (!storage.capabilities.objectLock) {
    await assert.rejects(createRepository(storage, { password: "x", retention }), {
      code: "SEJF_UNSUPPORTED",
    });
  }
  for await (const page of storage.list("")) assert.deepEqual(page, []);
});

test("changePassword: the new one opens, the old one does not, the keys of the data stay", async () => {
  const storage = await made();
  const access = await open(storage, "first");
  await access.changePassword(storage, "second");
  await assert.rejects(open(storage, "first"), { code: "SEJF_INVALID_PASSWORD" });
  const again = await open(storage, "second");
  assert.deepEqual(again.format.masterKey, access.format.masterKey);
  assert.deepEqual(again.uniqueId, access.uniqueId);
  await access.reload(storage);
  await assert.rejects(access.changePassword(storage, ""), { code: "SEJF_INVALID_ARGUMENT" });
});

test("changePassword: stopped at any call, the old password opens the repository or the new one, and it can be changed again", async () => {
  for (let at = 1; at <= 3; at++) {
    const storage = new MemoryStorage();
    await createRepository(storage, { password: "first", engine: quickEngine });
    const open = async (seen: BlobStorage, password: string): Promise<FormatAccess> =>
      await FormatAccess.open(seen, await readStoredFormat(seen), password, quickTools);
    const faulty = new FaultStorage(storage);
    const access = await open(faulty, "first");
    faulty.add({ on: "any", at, fault: { kind: "die" } });
    await assert.rejects(access.changePassword(faulty, "second"), { code: "SEJF_IO" });
    const again = await Promise.any([open(storage, "first"), open(storage, "second")]);
    await again.changePassword(storage, "third");
    assert.equal((await open(storage, "third")).retention, undefined);
    assert.notEqual(await storage.stat(BLOB_CONFIG_BLOB_ID), undefined);
  }
});

/** Accepts locks, and keeps who asked for which. */
class LockingStorage extends StorageWrapper {
  readonly locked: (string | undefined)[] = [];

  override get capabilities(): StorageCapabilities {
    return { ...this.inner.capabilities, objectLock: true };
  }

  override async put(
    id: BlobId,
    data: Uint8Array | readonly Uint8Array[],
    { retention, ...options }: PutOptions = {},
  ): Promise<BlobMetadata> {
    this.locked.push(retention?.mode);
    return await this.inner.put(id, data, options);
  }
}

test("changePassword: with object lock both blobs are locked anew, and a failure between them leaves the old password", async () => {
  const retention = {
    retentionMode: "GOVERNANCE",
    retentionPeriodNs: 86_400_000_000_000n,
    unknown: {},
  } as const;
  for (const [at, fault] of [
    [1, { kind: "fail" }],
    [2, { kind: "fail" }],
    [2, { kind: "fail-after" }],
    [2, { kind: "die" }],
    [3, { kind: "fail" }],
  ] as const) {
    const storage = new LockingStorage(new MemoryStorage());
    await createRepository(storage, { password: "first", engine: quickEngine, retention });
    const faulty = new FaultStorage(storage, { on: "put", at, fault });
    const open = async (password: string): Promise<FormatAccess> =>
      await FormatAccess.open(storage, await readStoredFormat(storage), password, quickTools);
    const access = await open("first");
    const change = access.changePassword(faulty, "second");
    if (at === 3) {
      await change;
      await assert.rejects(open("first"), { code: "SEJF_INVALID_PASSWORD" });
    } else await assert.rejects(change, { code: "SEJF_IO" });
    assert.ok(storage.locked.every((mode) => mode === "GOVERNANCE"));
    if (fault.kind === "die") {
      await assert.rejects(change, { hint: /bring back the version of kopia.blobcfg before/ });
      await assert.rejects(open("first"), { hint: /bring back the version of it before/ });
    } else {
      const again = await Promise.any([open("first"), open("second")]);
      assert.equal(again.retention?.mode, "GOVERNANCE");
    }
  }
});

test("createRepository: stopped between its two blobs, it can be made again or is there", async () => {
  for (const at of [1, 2]) {
    const storage = new MemoryStorage();
    const faulty = new FaultStorage(storage, { on: "put", at, fault: { kind: "die" } });
    await assert.rejects(createRepository(faulty, { password: "first" }), { code: "SEJF_IO" });
    const exists = (await storage.stat(FORMAT_BLOB_ID)) !== undefined;
    if (!exists) await createRepository(storage, { password: "first" });
    await open(storage, "first");
  }
});

test("createRepository: a lone kopia.blobcfg is what a stopped creation left", async () => {
  const storage = await made();
  await storage.delete(FORMAT_BLOB_ID);
  await createRepository(storage, { password: "second" });
  await open(storage, "second");
});

test("changePassword: refused where the format does not allow it, and nothing is written", async () => {
  const storage = new MemoryStorage();
  await createRepository(storage, { password: "p", format: { version: 1 } });
  const before = await storage.get(FORMAT_BLOB_ID);
  const access = await open(storage, "p");
  await assert.rejects(access.changePassword(storage, "q"), { code: "SEJF_UNSUPPORTED" });
  assert.deepEqual(await storage.get(FORMAT_BLOB_ID), before);
});

test("replace: parameters are checked before anything is written, and seen by the next who opens", async () => {
  const storage = await made();
  const access = await open(storage, "first");
  const { format, blobConfig } = access;
  const before = await storage.get(BLOB_CONFIG_BLOB_ID);
  for (const maxPackSize of [0, 10 << 19, (120 << 20) + 1]) {
    await assert.rejects(access.replace(storage, { ...format, maxPackSize }, blobConfig), {
      code: "SEJF_INVALID_ARGUMENT",
    });
  }
  const alone = { ...blobConfig, retentionMode: "GOVERNANCE" } as const;
  await assert.rejects(access.replace(storage, format, alone), { code: "SEJF_INVALID_ARGUMENT" });
  assert.deepEqual(await storage.get(BLOB_CONFIG_BLOB_ID), before);
  await access.replace(storage, { ...format, maxPackSize: 30 << 20 }, blobConfig);
  assert.equal((await open(storage, "first")).format.maxPackSize, 30 << 20);
});

test("readStoredFormat: an empty storage is SEJF_NOT_A_REPOSITORY", async () => {
  await assert.rejects(readStoredFormat(new MemoryStorage()), {
    code: "SEJF_NOT_A_REPOSITORY",
    hint: /repository create/,
  });
});

test("the upgrade lock: seen when opening, and again once what is known is 15 minutes old", async () => {
  const storage = await made();
  const access = await open(storage, "first");
  const guarded = guardStorage(storage, access, clock, undefined);
  const other = await open(storage, "first");
  const upgradeLock = {
    ownerId: "other",
    creationTime: clock.nowNs(),
    advanceNoticeNs: 0n,
    ioDrainTimeoutNs: 1_000_000_000n,
    statusPollIntervalNs: 1_000_000_000n,
    message: "patience",
    maxPermittedClockDriftNs: 1_000_000_000n,
    unknown: {},
  };
  await other.replace(storage, { ...other.format, upgradeLock }, other.blobConfig);
  assert.notEqual(await guarded.stat(FORMAT_BLOB_ID), undefined);
  clock.advance(16 * 60_000);
  await assert.rejects(guarded.stat(FORMAT_BLOB_ID), {
    code: "SEJF_UPGRADE_IN_PROGRESS",
    message: /patience/,
  });
  const late = await open(storage, "first");
  assert.throws(() => assertNotLocked(late, clock, undefined), {
    code: "SEJF_UPGRADE_IN_PROGRESS",
  });
  assertNotLocked(late, clock, "other");
});

test("recoverFormatBlob: brings kopia's lost format blob back from a pack, byte for byte", async () => {
  const golden = goldenRepository("kopia-v1");
  await using folder = await temporaryDirectory();
  const path = join(folder.path, "repo");
  await cp(golden.path, path, { recursive: true });
  const file = join(path, "kopia.repository.f");
  const lost = await readFile(file);
  await rm(file);
  await using storage = await openStorage({ type: "filesystem", config: { path } });
  const looked: string[] = [];
  await recoverFormatBlob(storage, { dryRun: true, onBlob: (id) => looked.push(id) });
  assert.equal(await storage.stat(FORMAT_BLOB_ID), undefined);
  await recoverFormatBlob(storage);
  assert.deepEqual(await readFile(file), lost);
  assert.ok(looked.length >= 1);
});

test("recoverFormatBlob: SEJF_NOT_FOUND where packs have no copies", async () => {
  const storage = await made();
  await storage.put("p1" as typeof FORMAT_BLOB_ID, new Uint8Array(5000));
  await assert.rejects(recoverFormatBlob(storage), { code: "SEJF_NOT_FOUND" });
});
