import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { type BlobStorage, listAllBlobs, StorageWrapper, toBlobId } from "../../blob/index.ts";
import { systemRandom } from "../../bytes/index.ts";
import { blobStorageContract } from "../../testkit/blob-storage-contract.ts";
import { FakeClock } from "../../testkit/clock.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { type FilesystemConfig, type FilesystemStorage, openFilesystemStorage } from "./index.ts";

const PACK = toBlobId("p273533a9a6eb8eef481dcfb84d1fede0-s0e9099296a9b76fa147");
const FORMAT = toBlobId("kopia.repository");

/** A store whose folder goes with it. */
async function ownStore(config: Partial<FilesystemConfig> = {}): Promise<BlobStorage> {
  const folder = await temporaryDirectory("store");
  const storage = await openFilesystemStorage(
    { path: folder.path, ...config },
    { create: true, random: systemRandom },
  );
  return new (class extends StorageWrapper {
    override async [Symbol.asyncDispose](): Promise<void> {
      await super[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    }
  })(storage);
}

async function open(
  path: string,
  config: Partial<FilesystemConfig> = {},
  create = false,
): Promise<FilesystemStorage> {
  return openFilesystemStorage({ path, ...config }, { create, random: new SeededRandom(1) });
}

async function tree(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .toSorted();
}

blobStorageContract("FilesystemStorage", () => ownStore());
blobStorageContract("FilesystemStorage, flat", () => ownStore({ dirShards: [] }), {
  large: false,
});
blobStorageContract(
  "FilesystemStorage, deep",
  () => ownStore({ dirShards: [2, 1, 3, 1], listParallelism: 1 }),
  { large: false },
);

test("filesystem: a new store has kopia's layout, files of mode 0600 and folders of mode 0700", async () => {
  await using folder = await temporaryDirectory();
  const root = join(folder.path, "a", "b");
  const storage = await open(root, {}, true);
  await storage.put(FORMAT, new Uint8Array(1));
  await storage.put(PACK, new Uint8Array(2));
  const packFile = "p/273/533a9a6eb8eef481dcfb84d1fede0-s0e9099296a9b76fa147.f";
  assert.deepEqual(await tree(root), [".shards", "kopia.repository.f", packFile]);
  assert.equal(
    await readFile(join(root, ".shards"), "utf8"),
    '{"default":[1,3],"maxNonShardedLength":20}\n',
  );
  assert.equal(storage.localPath(PACK), join(root, packFile));
  for (const name of [".shards", "kopia.repository.f", packFile])
    assert.equal((await stat(join(root, name))).mode & 0o777, 0o600);
  for (const name of [".", "p", "p/273"])
    assert.equal((await stat(join(root, name))).mode & 0o777, 0o700);
});

test("filesystem: configured modes are used, and the configuration comes back unchanged", async () => {
  await using folder = await temporaryDirectory();
  const config = {
    path: folder.path,
    fileMode: 0o640,
    dirMode: 0o750,
    dirShards: [2],
    listParallelism: 3,
    readsPerSecond: 2.5,
    added: { by: "others" },
  };
  const storage = await openFilesystemStorage(config, { create: true, random: systemRandom });
  await storage.put(PACK, new Uint8Array(2));
  assert.equal((await stat(storage.localPath(PACK))).mode & 0o777, 0o640);
  assert.equal((await stat(join(folder.path, "p2"))).mode & 0o777, 0o750);
  assert.deepEqual(storage.connectionInfo, { type: "filesystem", config });
  assert.equal(storage.displayName, `Filesystem: ${folder.path}`);
});

test("filesystem: .shards of the store goes before the configuration", async () => {
  await using folder = await temporaryDirectory();
  await writeFile(
    join(folder.path, ".shards"),
    '{"default":[1],"maxNonShardedLength":3,"overrides":[{"prefix":"q","shards":null}]}',
  );
  const storage = await open(folder.path, { dirShards: [3, 3] }, true);
  for (const name of ["abcd", "qbcd", "abc"]) await storage.put(toBlobId(name), new Uint8Array(1));
  assert.deepEqual(await tree(folder.path), [".shards", "a/bcd.f", "abc.f", "qbcd.f"]);
});

test("filesystem: an old store without .shards is laid out 3,3; the first put says so for good, reading does not", async () => {
  await using folder = await temporaryDirectory();
  await mkdir(join(folder.path, "p27", "353"), { recursive: true });
  await writeFile(
    join(folder.path, "p27/353/3a9a6eb8eef481dcfb84d1fede0-s0e9099296a9b76fa147.f"),
    "old",
  );
  const storage = await open(folder.path);
  assert.deepEqual(await storage.get(PACK), new TextEncoder().encode("old"));
  assert.deepEqual(
    (await listAllBlobs(storage, "p")).map(({ id }) => id),
    [PACK],
  );
  assert.equal((await tree(folder.path)).includes(".shards"), false);
  await storage.put(FORMAT, new Uint8Array(1));
  assert.equal(
    await readFile(join(folder.path, ".shards"), "utf8"),
    '{"default":[3,3],"maxNonShardedLength":20}\n',
  );
});

test("filesystem: two first writers agree on the layout of the quicker one", async () => {
  await using folder = await temporaryDirectory();
  const legacy = await open(folder.path);
  const creating = await open(folder.path, {}, true);
  await creating.put(PACK, new Uint8Array([1]));
  await legacy.put(PACK, new Uint8Array([2]));
  assert.equal((await tree(folder.path)).length, 2);
  assert.deepEqual(await creating.get(PACK), new Uint8Array([2]));
});

test("filesystem: a broken .shards is SEJF_CORRUPT", async () => {
  await using folder = await temporaryDirectory();
  await writeFile(join(folder.path, ".shards"), "{");
  await assert.rejects(open(folder.path), { code: "SEJF_CORRUPT" });
});

test("filesystem: a place that is not there, or is no folder, is not a repository, and says what to do", async () => {
  await using folder = await temporaryDirectory();
  await writeFile(join(folder.path, "file"), "");
  for (const name of ["missing", "file", "file/below"]) {
    await assert.rejects(
      open(join(folder.path, name)),
      (error: { code: string; hint?: string }) => {
        assert.equal(error.code, "SEJF_NOT_A_REPOSITORY");
        assert.match(error.hint ?? "", /mounted/);
        return true;
      },
    );
  }
  for (const config of [
    {},
    { path: "" },
    { path: "a\0b" },
    { path: "a", fileMode: -1 },
    { path: "a", dirShards: [1.5] },
    { path: 1 },
  ]) {
    await assert.rejects(
      openFilesystemStorage(config as FilesystemConfig, { random: systemRandom }),
      { code: "SEJF_INVALID_ARGUMENT" },
    );
  }
});

test("filesystem: a store that vanishes does not look like an empty one", async () => {
  await using folder = await temporaryDirectory();
  const root = join(folder.path, "mounted");
  const storage = await open(root, {}, true);
  await storage.put(PACK, new Uint8Array(1));
  await rename(root, join(folder.path, "gone"));
  const gone = { code: "SEJF_NOT_A_REPOSITORY" };
  await assert.rejects(storage.get(PACK), gone);
  await assert.rejects(storage.stat(PACK), gone);
  await assert.rejects(storage.delete(PACK), gone);
  await assert.rejects(listAllBlobs(storage, ""), { code: "SEJF_IO" });
  await assert.rejects(storage.put(PACK, new Uint8Array(1)), { code: "SEJF_IO" });
  assert.deepEqual(await readdir(folder.path), ["gone"]);
});

test("filesystem: only regular files with the suffix in sane folders are listed", async () => {
  await using folder = await temporaryDirectory();
  const storage = await open(folder.path, {}, true);
  await storage.put(FORMAT, new Uint8Array(1));
  await using outside = await temporaryDirectory();
  await writeFile(join(outside.path, "evil.f"), "x");
  for (const name of ["a b.f", "..f", ".hidden.f", "p1", "p1.f.tmp.0123456789abcdef"])
    await writeFile(join(folder.path, name), "x");
  for (const name of ["lost+found", ".Trash-1000", "p2.f"]) await mkdir(join(folder.path, name));
  await writeFile(join(folder.path, "lost+found", "1.f"), "x");
  await writeFile(join(folder.path, ".Trash-1000", "2.f"), "x");
  await symlink(join(outside.path, "evil.f"), join(folder.path, "link.f"));
  await symlink(outside.path, join(folder.path, "folder"));
  await symlink(folder.path, join(folder.path, "circle"));
  assert.deepEqual(
    (await listAllBlobs(storage, "")).map(({ id }) => id),
    [FORMAT],
  );
});

test("filesystem: symlinks lead no read and no write out of the store", async () => {
  await using folder = await temporaryDirectory();
  await using outside = await temporaryDirectory();
  const storage = await open(folder.path, {}, true);
  await writeFile(join(outside.path, "secret"), "secret");
  await symlink(join(outside.path, "secret"), join(folder.path, "kopia.repository.f"));
  await assert.rejects(storage.get(FORMAT), { code: "SEJF_IO" });
  await assert.rejects(storage.stat(FORMAT), { code: "SEJF_IO" });
  await storage.put(FORMAT, new Uint8Array([1]));
  assert.deepEqual(await storage.get(FORMAT), new Uint8Array([1]));
  assert.equal(await readFile(join(outside.path, "secret"), "utf8"), "secret");
  await symlink(outside.path, join(folder.path, "p"));
  await assert.rejects(storage.put(PACK, new Uint8Array(1)), { code: "SEJF_IO" });
  assert.deepEqual(await readdir(outside.path), ["secret"]);
});

test("filesystem: a FIFO or a folder in a blob's place is an error, not a hang", async () => {
  await using folder = await temporaryDirectory();
  const storage = await open(folder.path, { dirShards: [] }, true);
  await promisify(execFile)("mkfifo", [join(folder.path, "fifo.f")]);
  await mkdir(join(folder.path, "folder.f"));
  await assert.rejects(storage.get(toBlobId("fifo")), { code: "SEJF_IO" });
  await assert.rejects(storage.get(toBlobId("folder")), { code: "SEJF_IO" });
  await assert.rejects(storage.put(toBlobId("folder"), new Uint8Array(1)), { code: "SEJF_IO" });
  assert.deepEqual(
    (await tree(folder.path)).filter((name) => name.includes(".tmp.")),
    [],
  );
});

test("filesystem: a full disk is SEJF_NO_SPACE and leaves no temporary file", async (t) => {
  await using folder = await temporaryDirectory();
  const mount = join(folder.path, "small");
  await mkdir(mount);
  try {
    await promisify(execFile)("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount]);
  } catch (error) {
    t.skip(`cannot mount a small file system: ${String(error).split("\n")[0]}`);
    return;
  }
  try {
    const storage = await open(mount, {}, true);
    await storage.put(FORMAT, new Uint8Array(10));
    await assert.rejects(storage.put(PACK, [new Uint8Array(900_000), new Uint8Array(900_000)]), {
      code: "SEJF_NO_SPACE",
    });
    assert.deepEqual(await tree(mount), [".shards", "kopia.repository.f"]);
    await storage.put(PACK, new Uint8Array(500_000));
    const { totalBytes, freeBytes } = await storage.capacity();
    assert.equal(totalBytes, 1024 * 1024);
    assert.ok(freeBytes < 600_000);
  } finally {
    await promisify(execFile)("umount", [mount]);
  }
});

test("filesystem: what may not be read or written is SEJF_PERMISSION with a hint", async (t) => {
  if (process.geteuid?.() === 0) {
    t.skip("root may read and write everything");
    return;
  }
  await using folder = await temporaryDirectory();
  const storage = await open(folder.path, { fileMode: 0o200, dirMode: 0o500 }, true);
  await storage.put(FORMAT, new Uint8Array(1));
  await assert.rejects(storage.get(FORMAT), { code: "SEJF_PERMISSION" });
  await assert.rejects(storage.put(PACK, new Uint8Array(1)), { code: "SEJF_PERMISSION" });
});

test("filesystem: a folder removed by somebody else is made again", async () => {
  await using folder = await temporaryDirectory();
  const storage = await open(folder.path, {}, true);
  await storage.put(PACK, new Uint8Array(1));
  await rm(join(folder.path, "p"), { recursive: true });
  await storage.put(PACK, new Uint8Array(2));
  assert.equal((await storage.get(PACK)).byteLength, 2);
});

test("filesystem: temporary files of dead writers go after a day, blobs and young ones stay", async () => {
  await using folder = await temporaryDirectory();
  const storage = await open(folder.path, {}, true);
  await storage.put(PACK, new Uint8Array(1));
  const old = new Date("2026-01-01T00:00:00Z");
  const stale = `${storage.localPath(PACK)}.tmp.0123456789abcdef`;
  const young = join(folder.path, "kopia.repository.f.tmp.0123456789abcdef");
  await writeFile(stale, "12345");
  await writeFile(young, "12345");
  await utimes(stale, old, old);
  await utimes(young, old, new Date(old.getTime() + 3_600_000));
  await utimes(storage.localPath(PACK), old, old);
  const clock = new FakeClock(old.getTime() + 24 * 3_600_000 + 1);
  assert.deepEqual(await storage.removeStaleTemporaryFiles(clock), { files: 1, bytes: 5 });
  assert.deepEqual(await tree(folder.path), [
    ".shards",
    "kopia.repository.f.tmp.0123456789abcdef",
    storage.localPath(PACK).slice(folder.path.length + 1),
  ]);
});

test("filesystem: times are exact to what the system can set", async () => {
  await using folder = await temporaryDirectory();
  const storage = await open(folder.path, {}, true);
  const timestamp = 1_700_000_000_123_456_789n;
  const put = await storage.put(PACK, new Uint8Array(1), { timestamp });
  const { hasExactTimes } = await import("../../node/index.ts");
  if (hasExactTimes()) assert.equal(put.timestamp, timestamp);
  assert.ok(put.timestamp / 1_000_000n === timestamp / 1_000_000n);
  assert.deepEqual(await storage.stat(PACK), put);
});

test("filesystem: a blob deleted while its folder is being listed is left out", async () => {
  await using folder = await temporaryDirectory();
  const storage = await open(folder.path, { dirShards: [] }, true);
  const names = Array.from({ length: 1002 }, (_, n) => `p${n}`);
  for (const name of names) await writeFile(join(folder.path, `${name}.f`), "");
  const listed: string[] = [];
  for await (const page of storage.list("p")) {
    const first = listed.length === 0;
    listed.push(...page.map(({ id }) => id));
    if (first)
      await storage.delete(toBlobId(names.find((name) => !listed.includes(name)) ?? "none"));
  }
  assert.equal(new Set(listed).size, 1001);
});
