import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bytesToUtf8, collect, type TimestampNs } from "../bytes/index.ts";
import type { ContentRef } from "../format/index.ts";
import { lstatExact, setFileTimes } from "../node/index.ts";
import { type ObjectId, readObject } from "../object/index.ts";
import { FakeClock } from "../testkit/clock.ts";
import { type MemoryRepository, memoryRepository } from "../testkit/memory-repository.ts";
import { numRuns } from "../testkit/property.ts";
import { SeededRandom } from "../testkit/random.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import {
  createSnapshot,
  type CreateSnapshotOptions,
  decodeDirectory,
  decodePolicy,
  type DirEntry,
  encodeDirectory,
  listDirectory,
  listSnapshots,
  restoreTree,
  setPolicy,
  type SnapshotManifest,
  type SnapshotSource,
  sortEntries,
  summaryOf,
  type UploadEvent,
  walkTree,
} from "./index.ts";

const TIME: TimestampNs = 1_767_323_045_123_456_789n;
const isRoot = process.getuid?.() === 0;

function sourceOf(path: string): SnapshotSource {
  return { username: "user", hostname: "host", path };
}

function put(path: string, data: string | Uint8Array, mtimeNs: TimestampNs = TIME): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, data);
  setFileTimes(path, { mtimeNs });
}

async function snapshot(
  repository: MemoryRepository,
  path: string,
  options: CreateSnapshotOptions = {},
): Promise<SnapshotManifest> {
  return (await createSnapshot(repository, sourceOf(path), options)).snapshot;
}

async function tree(
  repository: MemoryRepository,
  manifest: SnapshotManifest,
): Promise<Record<string, DirEntry>> {
  const pages = await collect(walkTree(repository, manifest.rootEntry as DirEntry));
  return Object.fromEntries(pages.flat().map(({ path, entry }) => [path, entry]));
}

async function textOf(repository: MemoryRepository, object: ObjectId | undefined): Promise<string> {
  return bytesToUtf8(await readObject(repository.contents, object as ObjectId, 1e7));
}

test("an upload stores files, links, modes and times, and the manifest says what it did", async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository();
  put(join(temp.path, "a.txt"), "hello");
  put(join(temp.path, "sub/deep/b.txt"), "world!");
  put(join(temp.path, "sub/empty"), "");
  symlinkSync("../a.txt", join(temp.path, "sub/link"));
  chmodSync(join(temp.path, "sub/deep/b.txt"), 0o4755);
  const { snapshot: made, saved } = await createSnapshot(repository, sourceOf(temp.path), {
    description: "first",
    tags: { env: "test" },
    pins: ["z", "a", "z"],
  });
  assert.ok(saved);
  const entries = await tree(repository, made);
  assert.deepEqual(Object.keys(entries), [
    "sub",
    "a.txt",
    "sub/deep",
    "sub/empty",
    "sub/link",
    "sub/deep/b.txt",
  ]);
  assert.deepEqual(
    [entries["sub/deep/b.txt"]?.mode, entries["a.txt"]?.mtimeNs, entries["sub/link"]?.sizeBytes],
    [0o4755, TIME, 8],
  );
  assert.equal(await textOf(repository, entries["sub/link"]?.object), "../a.txt");
  assert.equal(await textOf(repository, entries["sub/empty"]?.object), "");
  assert.equal(made.rootEntry?.name, temp.path.split("/").at(-1));
  const { sizeBytes, files, symlinks, directories } = made.rootEntry?.summary ?? {};
  assert.deepEqual([sizeBytes, files, symlinks, directories], [11, 3, 1, 3]);
  assert.deepEqual(made.stats, {
    totalSize: 11,
    excludedTotalSize: 0,
    fileCount: 3,
    cachedFiles: 0,
    nonCachedFiles: 3,
    dirCount: 3,
    excludedFileCount: 0,
    excludedDirCount: 0,
    ignoredErrorCount: 0,
    errorCount: 0,
  });
  assert.deepEqual(
    [made.tags, made.pins, made.description],
    [{ "tag:env": "test" }, ["a", "z"], "first"],
  );
  await repository.flush();
  const listed = await listSnapshots(repository, { source: sourceOf(temp.path) });
  assert.deepEqual(listed, [made]);
});

test("unchanged files and directories are taken from the snapshot before, without being read or written", async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository();
  put(join(temp.path, "same/one"), "1");
  put(join(temp.path, "changed/two"), "2");
  const first = await snapshot(repository, temp.path);
  repository.contents.filesRead.length = 0;
  repository.contents.writes.length = 0;
  const second = await snapshot(repository, temp.path);
  assert.equal(second.rootEntry?.object, first.rootEntry?.object);
  assert.deepEqual([repository.contents.filesRead, repository.contents.writes], [[], []]);
  assert.equal(second.stats.cachedFiles, 2);
  put(join(temp.path, "changed/two"), "2", TIME + 1n);
  const third = await snapshot(repository, temp.path);
  assert.deepEqual(repository.contents.filesRead, [join(temp.path, "changed/two")]);
  assert.equal(repository.contents.writes.length, 2);
  assert.notEqual(third.rootEntry?.object, first.rootEntry?.object);
  repository.contents.filesRead.length = 0;
  await snapshot(repository, temp.path, { forceHashPercent: 100 });
  assert.equal(repository.contents.filesRead.length, 2);
});

test("what comes of an upload does not depend on what was there before", async () => {
  await using temp = await temporaryDirectory("upload");
  const random = new SeededRandom(11);
  const repository = memoryRepository();
  for (let round = 0; round < numRuns(8); round++) {
    mutate(temp.path, random);
    const fresh = memoryRepository();
    const [incremental, full] = [
      await snapshot(repository, temp.path),
      await snapshot(fresh, temp.path),
    ];
    assert.equal(incremental.rootEntry?.object, full.rootEntry?.object);
    assert.deepEqual(incremental.rootEntry, full.rootEntry);
    const restored = join(temp.path, "..", `${temp.path.split("/").at(-1)}-restored`);
    await restoreTree(repository, incremental.rootEntry as DirEntry, restored);
    const again = await snapshot(memoryRepository(), restored);
    rmSync(restored, { recursive: true });
    assert.equal(
      again.rootEntry?.object,
      full.rootEntry?.object,
      "the restored tree is the same tree",
    );
  }
});

/** Some random changes to a tree: files, folders, links, removals, times, modes. */
function mutate(root: string, random: SeededRandom): void {
  const names = ["a", "b", "c.txt", "ü", "z <&>", "deep"];
  for (let change = 0; change < 12; change++) {
    const parts = Array.from({ length: 1 + random.int(3) }, () => random.pick(names));
    const path = join(root, ...parts);
    rmSync(path, { recursive: true, force: true });
    const kind = random.int(5);
    try {
      mkdirSync(join(path, ".."), { recursive: true });
      if (kind === 0) mkdirSync(path);
      else if (kind === 1) symlinkSync(random.pick(["nowhere", "no/where", "ünï"]), path);
      else if (kind < 4)
        put(path, random.bytes(random.int(3000)), BigInt(random.int(2 ** 31)) * 1_000_000_007n);
      if (kind === 3) chmodSync(path, random.pick([0o600, 0o755, 0o4711, 0o444]));
    } catch (error) {
      // A file or a link to nowhere may stand where a folder was wanted.
      if (!/ENOTDIR|EEXIST|ENOENT/.test(String(error))) throw error;
    }
  }
}

test("directories are written as the encoder would write them from a listing", async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository();
  for (let i = 0; i < 1100; i++) writeFileSync(join(temp.path, `file ${i}`), "");
  const made = await snapshot(repository, temp.path);
  const directory = await listDirectory(repository, made.rootEntry?.object as ObjectId);
  const expected = encodeDirectory({
    entries: sortEntries([...directory.entries]),
    summary: summaryOf(directory.entries, 0n),
  });
  assert.deepEqual(
    await readObject(repository.contents, made.rootEntry?.object as ObjectId, 1e7),
    expected,
  );
});

test("policies below the source are used alone; rules, size limit and cache directories leave things out", async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository();
  const policy = (json: object): ReturnType<typeof decodePolicy> => decodePolicy(json, "test");
  await setPolicy(
    repository.manifests,
    sourceOf(temp.path),
    policy({
      files: { ignore: ["*.tmp"], maxFileSize: 100 },
      compression: { compressorName: "gzip", neverCompress: [".zip"] },
    }),
  );
  await setPolicy(repository.manifests, sourceOf(join(temp.path, "own")), policy({}));
  for (const name of [
    "x.tmp",
    "keep",
    "own/x.tmp",
    "own/keep",
    "own/.kopiaignore",
    "rules/a.log",
    "cache/data",
    "pack.zip",
  ])
    put(join(temp.path, name), name);
  put(join(temp.path, "big"), new Uint8Array(101));
  put(join(temp.path, "own/.kopiaignore"), "keep\n");
  put(join(temp.path, "rules/.kopiaignore"), "# comment\n*.log\n");
  put(join(temp.path, "cache/CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n");
  const compressors = new Map<string, number | undefined>();
  const writeFiles = repository.contents.writeFiles.bind(repository.contents);
  repository.contents.writeFiles = (batches, options) =>
    writeFiles(
      (async function* () {
        for await (const batch of batches) {
          for (const file of batch.files) compressors.set(String(file.name), file.compressor);
          yield batch;
        }
      })(),
      options,
    );
  const made = await snapshot(repository, temp.path);
  const entries = await tree(repository, made);
  assert.deepEqual(Object.keys(entries).toSorted(), [
    "cache",
    "keep",
    "own",
    "own/.kopiaignore",
    "own/keep",
    "pack.zip",
    "rules",
    "rules/.kopiaignore",
  ]);
  assert.equal(entries["cache"]?.summary?.files, 0);
  assert.deepEqual(
    [compressors.get("pack.zip"), compressors.get(".kopiaignore")],
    [undefined, 0x1000],
  );
  assert.deepEqual([made.stats.excludedFileCount, made.stats.excludedDirCount], [3, 1]);
  const directories = repository.contents.writes.filter(({ ref }) => ref.startsWith("k"));
  assert.deepEqual(
    new Set(directories.map(({ compressor }) => compressor)),
    new Set([0x1101, undefined]),
  );
});

test("a file above the limit is uploaded in parts and joined, with an empty last part", async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository({ splitter: "FIXED-128K" });
  await setPolicy(
    repository.manifests,
    { username: "", hostname: "", path: "" },
    decodePolicy({ upload: { parallelUploadAboveSize: 150_000 } }, "test"),
  );
  const data = new SeededRandom(2).bytes(300_000);
  put(join(temp.path, "big"), data);
  const made = await snapshot(repository, temp.path);
  const entry = (await tree(repository, made))["big"];
  assert.equal(made.stats.fileCount, 3);
  assert.deepEqual(await readObject(repository.contents, entry?.object as ObjectId, 1e6), data);
  const table = JSON.parse(
    bytesToUtf8(repository.contents.stored.get(entry?.object.slice(1) as ContentRef) as Uint8Array),
  ) as { entries: { s?: number; l?: number }[] };
  assert.deepEqual(
    table.entries.map(({ s, l }) => [s, l]),
    [
      [undefined, 131_072],
      [131_072, 18_928],
      [150_000, 131_072],
      [281_072, 18_928],
      [300_000, undefined],
    ],
  );
});

test("failures of files are in the summary of every directory above, and the rest is stored", async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository();
  put(join(temp.path, "sub/bad"), "x");
  put(join(temp.path, "sub/good"), "y");
  repository.contents.onFile = (path) => {
    if (path.endsWith("bad")) throw new Error("it hurts");
  };
  const events: UploadEvent[] = [];
  const made = await snapshot(repository, temp.path, { onEvent: (event) => events.push(event) });
  const { failed, errors, files } = made.rootEntry?.summary ?? {};
  assert.deepEqual([failed, errors, files], [1, [{ path: "sub/bad", error: "it hurts" }], 1]);
  assert.equal(made.incomplete, undefined);
  assert.equal(made.stats.errorCount, 1);
  assert.deepEqual(
    events.find((event) => event.kind === "error"),
    { kind: "error", path: "sub/bad", message: "it hurts", ignored: false },
  );
  await setPolicy(
    repository.manifests,
    { username: "", hostname: "", path: "" },
    decodePolicy({ errorHandling: { ignoreFileErrors: true } }, "test"),
  );
  const lenient = await snapshot(repository, temp.path);
  assert.deepEqual(
    [lenient.rootEntry?.summary?.failed, lenient.rootEntry?.summary?.ignoredErrors],
    [0, 1],
  );
});

test("an unreadable directory is left out and told; an unreadable root is an error", {
  skip: isRoot ? "root reads everything" : false,
}, async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository();
  put(join(temp.path, "closed/x"), "x");
  chmodSync(join(temp.path, "closed"), 0);
  const made = await snapshot(repository, temp.path);
  assert.deepEqual([made.rootEntry?.summary?.failed, made.rootEntry?.summary?.directories], [1, 1]);
  await assert.rejects(snapshot(repository, join(temp.path, "closed")), {
    code: "SEJF_PERMISSION",
  });
});

test("a bad rule file fails its directory; in the root it fails the snapshot", async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository();
  put(join(temp.path, "sub/.kopiaignore"), "[abc\n");
  put(join(temp.path, "fine"), "x");
  const made = await snapshot(repository, temp.path);
  assert.deepEqual([made.rootEntry?.summary?.failed, made.rootEntry?.summary?.files], [1, 1]);
  symlinkSync("nowhere", join(temp.path, ".kopiaignore"));
  await assert.rejects(snapshot(repository, temp.path), { code: "SEJF_SOURCE" });
  await assert.rejects(snapshot(repository, join(temp.path, "missing")), { code: "SEJF_SOURCE" });
});

test("pipes and sockets leave no trace, unless the policy wants them told", async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository();
  execFileSync("mkfifo", [join(temp.path, "pipe")]);
  const made = await snapshot(repository, temp.path);
  assert.deepEqual([made.rootEntry?.summary?.failed, made.stats.errorCount], [0, 0]);
  await setPolicy(
    repository.manifests,
    sourceOf(temp.path),
    decodePolicy({ errorHandling: { ignoreUnknownTypes: false } }, "test"),
  );
  const strict = await snapshot(repository, temp.path);
  assert.deepEqual(strict.rootEntry?.summary?.errors, [
    { path: "pipe", error: "unknown or unsupported entry type" },
  ]);
});

test("names that are not UTF-8 are stored with replacement characters, told, and read anew each time", {
  skip: process.platform === "linux" ? false : "the file system may refuse such names",
}, async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository();
  const path = Buffer.concat([Buffer.from(`${temp.path}/a`), Buffer.of(0xff, 0xfe)]);
  writeFileSync(path, "x");
  const events: UploadEvent[] = [];
  const made = await snapshot(repository, temp.path, { onEvent: (event) => events.push(event) });
  const bytes = await textOf(repository, made.rootEntry?.object);
  assert.ok(bytes.includes('"name":"a\\ufffd\\ufffd"'), bytes);
  assert.ok(events.some((event) => event.kind === "warning" && event.path === "a\ufffd\ufffd"));
  repository.contents.filesRead.length = 0;
  const again = await snapshot(repository, temp.path);
  assert.equal(repository.contents.filesRead.length, 1);
  assert.equal(again.rootEntry?.object, made.rootEntry?.object);
});

test("an abort keeps what was done, as an incomplete snapshot that the next one builds on", async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository();
  for (const name of ["a/1", "b/2", "c/3"]) put(join(temp.path, name), name);
  const controller = new AbortController();
  const made = await snapshot(repository, temp.path, {
    signal: controller.signal,
    onEvent: (event) => {
      if (event.kind === "progress" && event.counters.hashedFiles === 1) controller.abort();
    },
  });
  assert.equal(made.incomplete, "canceled");
  const entries = await tree(repository, made);
  assert.ok("a/1" in entries && !("c/3" in entries), Object.keys(entries).join());
  assert.equal(entries["a"]?.summary?.incomplete ?? "canceled", "canceled");
  repository.contents.filesRead.length = 0;
  const full = await snapshot(repository, temp.path);
  assert.equal(full.incomplete, undefined);
  assert.ok(!repository.contents.filesRead.includes(join(temp.path, "a/1")));
  assert.equal(
    full.rootEntry?.object,
    (await snapshot(memoryRepository(), temp.path)).rootEntry?.object,
  );
  await assert.rejects(snapshot(repository, temp.path, { signal: AbortSignal.abort() }), {
    code: "SEJF_CANCELLED",
  });
});

test("fail fast and the upload limit end an upload early", async () => {
  await using temp = await temporaryDirectory("upload");
  for (let i = 0; i < 20; i++) put(join(temp.path, `${i}/file`), new Uint8Array(1000));
  const limited = await snapshot(memoryRepository(), temp.path, { uploadLimitBytes: 2500 });
  assert.equal(limited.incomplete, "limit reached");
  assert.ok((limited.rootEntry?.summary?.files ?? 0) < 20);
  const failing = memoryRepository();
  failing.contents.onFile = () => {
    throw new Error("no");
  };
  const failed = await snapshot(failing, temp.path, { failFast: true });
  assert.equal(failed.incomplete, "canceled");
  assert.ok((failed.rootEntry?.summary?.failed ?? 0) >= 1);
});

test("checkpoints are saved and flushed while the upload goes on, and the result is the same", async () => {
  await using temp = await temporaryDirectory("upload");
  for (let i = 0; i < 10; i++) put(join(temp.path, `${i}/file`), String(i));
  const clock = new FakeClock();
  const repository = memoryRepository({ clock });
  repository.contents.onFile = () => clock.advance(60_000);
  const checkpoints: SnapshotManifest[] = [];
  const onEvent = (event: UploadEvent): void => {
    if (event.kind === "checkpoint") checkpoints.push(event.snapshot);
  };
  const made = await snapshot(repository, temp.path, { checkpointIntervalMs: 200_000, onEvent });
  assert.ok(checkpoints.length >= 2, `${checkpoints.length}`);
  assert.ok(repository.contents.flushes >= 2);
  const last = checkpoints.at(-1) as SnapshotManifest;
  assert.deepEqual(
    [last.incomplete, last.rootEntry?.summary?.incomplete, last.startTimeNs],
    ["checkpoint", "checkpoint", made.startTimeNs],
  );
  assert.ok((last.rootEntry?.summary?.files ?? 0) > 0);
  const fresh = await snapshot(memoryRepository(), temp.path);
  assert.equal(made.rootEntry?.object, fresh.rootEntry?.object);
  await assert.rejects(snapshot(repository, temp.path, { checkpointIntervalMs: 3_000_000 }), {
    code: "SEJF_INVALID_ARGUMENT",
  });
});

test("an earlier listing that is broken or gone costs only the reading", async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository();
  put(join(temp.path, "sub/file"), "x");
  const first = await snapshot(repository, temp.path);
  const sub = (await tree(repository, first))["sub"]?.object as string;
  repository.contents.stored.set(sub as ContentRef, new Uint8Array(3));
  const events: UploadEvent[] = [];
  const second = await snapshot(repository, temp.path, { onEvent: (event) => events.push(event) });
  assert.ok(events.some((event) => event.kind === "warning" && event.path === "sub"));
  assert.equal(second.stats.cachedFiles, 0);
});

test("a single file is a snapshot of its own, also through a link", async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository();
  put(join(temp.path, "readme.md"), "hello");
  const made = await snapshot(repository, join(temp.path, "readme.md"));
  const { name, type, sizeBytes, summary } = made.rootEntry ?? {};
  assert.deepEqual([name, type, sizeBytes], ["readme.md", "f", 5]);
  assert.deepEqual(summary, {
    sizeBytes: 5,
    files: 1,
    symlinks: 0,
    directories: 0,
    maxTimeNs: TIME,
    failed: 0,
    ignoredErrors: 0,
    errors: [],
  });
  symlinkSync("readme.md", join(temp.path, "link"));
  assert.equal(
    (await snapshot(repository, join(temp.path, "link"))).rootEntry?.object,
    made.rootEntry?.object,
  );
  const target = join(temp.path, "out/copy.md");
  await restoreTree(repository, made.rootEntry as DirEntry, target);
  assert.deepEqual([readFileSync(target, "utf8"), lstatExact(target)?.mtimeNs], ["hello", TIME]);
});

test("identical snapshots are not saved where the policy says so; given times are kept", async () => {
  await using temp = await temporaryDirectory("upload");
  const clock = new FakeClock();
  const repository = memoryRepository({ clock });
  put(join(temp.path, "x"), "x");
  await setPolicy(
    repository.manifests,
    sourceOf(temp.path),
    decodePolicy({ retention: { ignoreIdenticalSnapshots: true } }, "test"),
  );
  const first = await snapshot(repository, temp.path, { startTimeNs: 5_000_000_000n });
  assert.deepEqual([first.startTimeNs, first.endTimeNs], [5_000_000_000n, 5_000_000_000n]);
  const second = await createSnapshot(repository, sourceOf(temp.path));
  assert.equal(second.saved, false);
  assert.equal((await listSnapshots(repository)).length, 1);
  await assert.rejects(
    createSnapshot(repository, sourceOf(temp.path), { startTimeNs: 2n, endTimeNs: 1n }),
    { code: "SEJF_INVALID_ARGUMENT" },
  );
});

test("a deep and a wide tree need no stack and no promise for each file", async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository();
  let path = temp.path;
  for (let depth = 0; depth < 300; depth++) path = join(path, "d");
  mkdirSync(path, { recursive: true });
  const made = await snapshot(repository, temp.path);
  assert.equal(made.rootEntry?.summary?.directories, 301);
  assert.equal(
    decodeDirectory(await readObject(repository.contents, made.rootEntry?.object as ObjectId, 1e6))
      .entries.length,
    1,
  );
  assert.equal(lstatSync(path).isDirectory(), true);
});
