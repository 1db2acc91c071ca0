/** Odd trees, files that do not hold still, streams and placeholders. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { bytesToUtf8, collect, systemClock } from "../bytes/index.ts";
import { type ObjectId, readObject } from "../object/index.ts";
import { FakeClock } from "../testkit/clock.ts";
import { type MemoryRepository, memoryRepository } from "../testkit/memory-repository.ts";
import { SeededRandom } from "../testkit/random.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import { entryText } from "./dir-entry.ts";
import {
  createSnapshot,
  type CreateSnapshotOptions,
  decodePolicy,
  type DirEntry,
  listDirectory,
  setPolicy,
  type SnapshotManifest,
  type SnapshotSource,
  type UploadEvent,
  walkTree,
} from "./index.ts";

function sourceOf(path: string): SnapshotSource {
  return { username: "user", hostname: "host", path };
}

async function snapshot(
  repository: MemoryRepository,
  path: string,
  options: CreateSnapshotOptions = {},
): Promise<SnapshotManifest> {
  return (await createSnapshot(repository, sourceOf(path), options)).snapshot;
}

async function paths(
  repository: MemoryRepository,
  manifest: SnapshotManifest,
): Promise<readonly string[]> {
  const pages = await collect(walkTree(repository, manifest.rootEntry as DirEntry));
  return pages
    .flat()
    .map(({ path }) => path)
    .toSorted();
}

function summaryOf(manifest: SnapshotManifest): readonly (number | undefined)[] {
  const { files, directories, failed } = manifest.rootEntry?.summary ?? {};
  return [files, directories, failed];
}

test("a file that vanishes or changes between listing and reading is told, the rest is stored", async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository();
  for (const name of ["gone", "grows", "still"]) writeFileSync(join(temp.path, name), name);
  repository.contents.onFile = (path) => {
    if (path.endsWith("gone")) unlinkSync(path);
    if (path.endsWith("grows")) appendFileSync(path, " more");
  };
  const events: UploadEvent[] = [];
  const made = await snapshot(repository, temp.path, { onEvent: (event) => events.push(event) });
  assert.deepEqual(summaryOf(made), [2, 1, 1]);
  assert.deepEqual(
    made.rootEntry?.summary?.errors.map(({ path }) => path),
    ["gone"],
  );
  const { entries } = await listDirectory(repository, made.rootEntry?.object as ObjectId);
  const grown = entries.find(({ name }) => name === "grows");
  assert.equal(grown?.sizeBytes, 10, "the bytes that were read count");
  assert.ok(events.some((event) => event.kind === "warning" && event.path === "grows"));
  repository.contents.onFile = undefined;
  writeFileSync(join(temp.path, "gone"), "back");
  const next = await snapshot(repository, temp.path);
  assert.deepEqual(summaryOf(next), [3, 1, 0]);
  assert.equal(next.stats.cachedFiles, 1, "what had changed is read again");
});

test("a tree deeper than any path may be long is stored as far as it can be reached", async () => {
  await using temp = await temporaryDirectory("upload");
  const name = "d".repeat(10);
  const levels = 500;
  // Relative names: the whole path is longer than the system takes.
  const script = `
    const { mkdirSync, writeFileSync } = require("node:fs");
    for (let i = 0; i < ${levels}; i++) {
      mkdirSync("${name}");
      process.chdir("${name}");
    }
    writeFileSync("file", "x");`;
  execFileSync(process.execPath, ["-e", script], { cwd: temp.path });
  try {
    const repository = memoryRepository();
    const made = await snapshot(repository, temp.path);
    const { files = 0, directories = 0, failed = 0, errors = [] } = made.rootEntry?.summary ?? {};
    if (failed === 0) assert.deepEqual([files, directories], [1, levels + 1]);
    else {
      assert.deepEqual([files, failed, errors.length], [0, 1, 1]);
      assert.ok(directories > 300, `${directories}`);
    }
    assert.equal(made.incomplete, undefined);
  } finally {
    execFileSync("rm", ["-rf", join(temp.path, name)]);
  }
});

test("2,000 levels, also when the upload is stopped or checkpointed at the bottom", async () => {
  await using temp = await temporaryDirectory("upload");
  const levels = 1900;
  mkdirSync(join(temp.path, ...Array.from({ length: levels }, () => "d")), { recursive: true });
  writeFileSync(join(temp.path, ...Array.from({ length: levels }, () => "d"), "f"), "x");
  const full = await snapshot(memoryRepository(), temp.path);
  assert.deepEqual(summaryOf(full), [1, levels + 1, 0]);
  const controller = new AbortController();
  const clock = new FakeClock();
  const stopping = memoryRepository({ clock });
  stopping.contents.onFile = () => {
    clock.advance(60_000);
    controller.abort();
  };
  const partial = await snapshot(stopping, temp.path, { signal: controller.signal });
  assert.equal(partial.incomplete, "canceled");
  assert.equal(partial.rootEntry?.summary?.directories, levels + 1);
  const saving = memoryRepository({ clock });
  saving.contents.onFile = () => clock.advance(60_000);
  const made = await snapshot(saving, temp.path, { checkpointIntervalMs: 1000 });
  assert.equal(made.rootEntry?.object, full.rootEntry?.object);
});

test("a directory of many entries is the same whatever is under way, and is found unchanged", async () => {
  await using temp = await temporaryDirectory("upload");
  const random = new SeededRandom(3);
  for (let i = 0; i < 9000; i++) writeFileSync(join(temp.path, `f${i}`), String(random.int(50)));
  for (let i = 0; i < 300; i++) symlinkSync(`f${i}`, join(temp.path, `s${i}`));
  for (let i = 0; i < 300; i++) mkdirSync(join(temp.path, `d${i}`));
  const repository = memoryRepository();
  const made = await snapshot(repository, temp.path);
  assert.deepEqual(summaryOf(made), [9000, 301, 0]);
  assert.equal(made.rootEntry?.summary?.symlinks, 300);
  repository.contents.filesRead.length = 0;
  const again = await snapshot(repository, temp.path);
  assert.equal(again.rootEntry?.object, made.rootEntry?.object);
  assert.equal(repository.contents.filesRead.length, 0);
});

test("hard links are files of their own, links in a circle end nothing, sockets and pipes are no entries", async () => {
  await using temp = await temporaryDirectory("upload");
  mkdirSync(join(temp.path, "a/b"), { recursive: true });
  writeFileSync(join(temp.path, "a/file"), "x");
  linkSync(join(temp.path, "a/file"), join(temp.path, "a/b/same"));
  symlinkSync("..", join(temp.path, "a/b/up"));
  symlinkSync(temp.path, join(temp.path, "a/whole"));
  execFileSync("mkfifo", [join(temp.path, "pipe")]);
  const server = createServer().listen(join(temp.path, "socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  try {
    const repository = memoryRepository();
    const made = await snapshot(repository, temp.path);
    assert.deepEqual(await paths(repository, made), [
      "a",
      "a/b",
      "a/b/same",
      "a/b/up",
      "a/file",
      "a/whole",
    ]);
    assert.equal(made.rootEntry?.summary?.failed, 0);
  } finally {
    server.close();
  }
});

const MOUNT_SKIP = mountSkip();

function mountSkip(): string | false {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "only root can mount";
  const tried = spawnSync("unshare", ["--mount", "sh", "-c", "mount -t tmpfs none /mnt"]);
  return tried.status === 0 ? false : "mounting is not allowed here";
}

test("another file system below is left out where the policy says so, and a loop of mounts ends", {
  skip: MOUNT_SKIP,
}, async () => {
  await using temp = await temporaryDirectory("upload");
  for (const name of ["mounted", "loop", "plain"]) mkdirSync(join(temp.path, name));
  writeFileSync(join(temp.path, "plain/file"), "x");
  execFileSync("mount", ["-t", "tmpfs", "none", join(temp.path, "mounted")]);
  execFileSync("mount", ["--bind", temp.path, join(temp.path, "loop")]);
  try {
    writeFileSync(join(temp.path, "mounted/inside"), "x");
    const repository = memoryRepository();
    const all = await paths(repository, await snapshot(repository, temp.path));
    assert.ok(all.includes("mounted/inside"));
    assert.ok(all.includes("loop/plain/file"));
    assert.ok(!all.includes("loop/loop/plain"));
    const policy = decodePolicy({ files: { oneFileSystem: true } }, "test");
    await setPolicy(repository.manifests, sourceOf(temp.path), policy);
    const one = await paths(repository, await snapshot(repository, temp.path));
    assert.ok(!one.includes("mounted"), "the mount point is left out as well");
  } finally {
    execFileSync("umount", [join(temp.path, "loop")]);
    execFileSync("umount", [join(temp.path, "mounted")]);
  }
});

test("a placeholder gives the entry it stands for; a bad one is an error of its own", async () => {
  await using temp = await temporaryDirectory("upload");
  const tree = join(temp.path, "tree");
  mkdirSync(join(tree, "dir"), { recursive: true });
  writeFileSync(join(tree, "dir/inside"), "inside");
  writeFileSync(join(tree, "file"), "file");
  const repository = memoryRepository();
  const full = await snapshot(repository, tree);
  const { entries } = await listDirectory(repository, full.rootEntry?.object as ObjectId);
  rmSync(tree, { recursive: true });
  mkdirSync(tree);
  for (const entry of entries) {
    const place = join(tree, `${entry.name}.kopia-entry`);
    const file = entry.type === "d" ? join(place, ".kopia-entry") : place;
    if (entry.type === "d") mkdirSync(place);
    writeFileSync(file, `${entryText(entry)}\n`);
  }
  const made = await snapshot(repository, tree);
  assert.equal(made.rootEntry?.object, full.rootEntry?.object);

  writeFileSync(join(tree, "broken.kopia-entry"), "no json");
  writeFileSync(
    join(tree, "foreign.kopia-entry"),
    `{"name":"x","type":"f","obj":"${"ab".repeat(16)}"}`,
  );
  writeFileSync(join(tree, "file"), "the real one");
  mkdirSync(join(tree, "empty.kopia-entry"));
  const bad = await snapshot(repository, tree);
  assert.deepEqual(
    bad.rootEntry?.summary?.errors.map(({ path }) => path),
    ["broken", "empty", "file", "foreign"],
  );
  assert.deepEqual(await paths(repository, bad), ["dir", "dir/inside", "file"]);
});

async function* chunks(data: Uint8Array, bytes: number): AsyncGenerator<Uint8Array, void, void> {
  for (let at = 0; at < data.length; at += bytes) yield data.subarray(at, at + bytes);
}

test("a stream is a file of a directory that exists nowhere; checkpoints hold what has come so far", async () => {
  const repository = memoryRepository({ clock: systemClock, splitter: "FIXED-128K" });
  const data = new SeededRandom(1).bytes(500_000);
  let early: SnapshotManifest | undefined;
  let arrived: (() => void) | undefined;
  const checkpointed = new Promise<void>((resolve) => (arrived = resolve));
  const stream = async function* (): AsyncGenerator<Uint8Array, void, void> {
    yield* chunks(data.subarray(0, 300_000), 100_000);
    await checkpointed;
    yield data.subarray(300_000);
  };
  const made = await snapshot(repository, "/some/base", {
    stream: { name: "dump", data: stream() },
    checkpointIntervalMs: 1,
    onEvent: (event) => {
      if (event.kind !== "checkpoint" || event.snapshot.rootEntry?.summary?.files !== 1) return;
      early ??= event.snapshot;
      arrived?.();
    },
  });
  assert.deepEqual([made.rootEntry?.name, made.rootEntry?.mode], ["/some/base", 0o777]);
  const { entries } = await listDirectory(repository, made.rootEntry?.object as ObjectId);
  const [file] = entries;
  assert.deepEqual([entries.length, file?.name, file?.sizeBytes], [1, "dump", data.length]);
  assert.deepEqual(await readObject(repository.contents, file?.object as ObjectId, 1e6), data);
  const listed = await listDirectory(repository, early?.rootEntry?.object as ObjectId);
  const [sofar] = listed.entries;
  assert.match(String(sofar?.name), /^\.checkpointed\.dump\.[0-9a-f-]{36}$/);
  assert.equal(sofar?.sizeBytes, 262_144, "whole segments only");
  assert.equal(early?.incomplete, "checkpoint");
});

test("a checkpoint holds what is stored of a file that is being read, and so does an upload that is stopped", async () => {
  await using temp = await temporaryDirectory("upload");
  const data = new SeededRandom(2).bytes(300_000);
  mkdirSync(join(temp.path, "sub"));
  writeFileSync(join(temp.path, "sub/disk.img"), data);
  const repository = memoryRepository({ clock: systemClock, splitter: "FIXED-128K" });
  const policy = { upload: { parallelUploadAboveSize: 200_000 } };
  for (const inParts of [false, true]) {
    if (inParts)
      await setPolicy(
        repository.manifests,
        { hostname: "", username: "", path: "" },
        decodePolicy(policy, "policy"),
      );
    for (const path of [temp.path, join(temp.path, "sub/disk.img")]) {
      const early: SnapshotManifest[] = [];
      const controller = new AbortController();
      let arrived: (() => void) | undefined;
      const checkpointed = new Promise<void>((resolve) => (arrived = resolve));
      repository.contents.onStored = async () => {
        await checkpointed;
        controller.abort();
      };
      const onEvent = (event: UploadEvent): void => {
        if (event.kind !== "checkpoint" || event.snapshot.rootEntry?.summary?.files !== 1) return;
        early.push(event.snapshot);
        arrived?.();
      };
      const { signal } = controller;
      const made = await snapshot(repository, path, { checkpointIntervalMs: 1, signal, onEvent });
      assert.equal(made.incomplete, "canceled");
      for (const one of [early[0] as SnapshotManifest, made]) {
        const root = one.rootEntry as DirEntry;
        const all = [{ path: root.name, entry: root }];
        all.push(...(await collect(walkTree(repository, root))).flat());
        const part = all.find(({ entry }) => entry.type === "f");
        assert.match(String(part?.path), /^(sub\/)?\.checkpointed\.disk\.img\.[0-9a-f-]{36}$/);
        const stored = await readObject(repository.contents, part?.entry.object as ObjectId, 1e6);
        assert.deepEqual([part?.entry.sizeBytes, root.summary?.files], [stored.length, 1]);
        assert.ok(stored.length >= 200_000 || inParts);
        assert.deepEqual(stored, data.slice(0, stored.length));
      }
    }
  }
});

test("a stream that is stopped keeps what came until then", async () => {
  const repository = memoryRepository({ splitter: "FIXED-128K" });
  const controller = new AbortController();
  const stream = async function* (): AsyncGenerator<Uint8Array, void, void> {
    yield new SeededRandom(1).bytes(300_000);
    controller.abort();
    yield await Promise.resolve(new Uint8Array(200_000));
  };
  const made = await snapshot(repository, "/base", {
    stream: { name: "dump", data: stream() },
    signal: controller.signal,
  });
  assert.equal(made.incomplete, "canceled");
  assert.equal(made.rootEntry?.summary?.sizeBytes, 262_144);
});

test("a stream that fails is a file that could not be read; a bad name is refused", async () => {
  const repository = memoryRepository();
  const failing = async function* (): AsyncGenerator<Uint8Array, void, void> {
    yield new Uint8Array(10);
    await Promise.reject(new Error("the pipe broke"));
  };
  const made = await snapshot(repository, "/base", { stream: { name: "x", data: failing() } });
  assert.deepEqual(made.rootEntry?.summary?.errors, [{ path: "x", error: "the pipe broke" }]);
  assert.deepEqual([made.incomplete, made.stats.errorCount], [undefined, 1]);
  for (const name of ["", "..", "a/b"])
    await assert.rejects(snapshot(repository, "/base", { stream: { name, data: failing() } }), {
      code: "SEJF_INVALID_ARGUMENT",
    });
});

test("policies say what is told of single entries, options instead of them", async () => {
  await using temp = await temporaryDirectory("upload");
  mkdirSync(join(temp.path, "sub"));
  for (const name of ["a", "sub/b", "sub/c.tmp"]) writeFileSync(join(temp.path, name), name);
  const repository = memoryRepository();
  const policy = decodePolicy(
    {
      files: { ignore: ["*.tmp"] },
      logging: {
        directories: { snapshotted: 0 },
        entries: { snapshotted: 3, ignored: 1, cacheHit: 1 },
      },
    },
    "test",
  );
  await setPolicy(repository.manifests, sourceOf(temp.path), policy);
  const told = async (options: CreateSnapshotOptions = {}): Promise<readonly string[]> => {
    const lines: string[] = [];
    await snapshot(repository, temp.path, {
      ...options,
      onEvent: (event) => {
        if (event.kind !== "entry") return;
        const { path, ...fields } = event.fields;
        lines.push(`${event.what} ${path} ${Object.keys(fields).join()}`.trim());
      },
    });
    return lines.toSorted();
  };
  assert.deepEqual(await told(), [
    "ignored sub/c.tmp",
    "snapshotted file a dur,size",
    "snapshotted file sub/b dur,size",
  ]);
  assert.deepEqual(await told({ entryLogDetail: 0, directoryLogDetail: 5 }), [
    "snapshotted directory . dur,size,files,dirs,errors",
    "snapshotted directory sub dur,size,files,dirs,errors",
  ]);
  assert.deepEqual(await told(), ["cached a", "cached sub/b", "ignored sub/c.tmp"]);
});

test("an estimate is made beside the upload, or taken from the volume", async () => {
  await using temp = await temporaryDirectory("upload");
  for (let i = 0; i < 30; i++) {
    mkdirSync(join(temp.path, `${i}`));
    writeFileSync(join(temp.path, `${i}/file`), "12345");
  }
  const estimate = async (
    estimation: NonNullable<CreateSnapshotOptions["estimation"]>,
  ): Promise<readonly number[]> => {
    const repository = memoryRepository();
    // The upload waits until the estimate is there.
    let arrived: (() => void) | undefined;
    const waiting = new Promise<void>((resolve) => (arrived = resolve));
    const write = repository.contents.write.bind(repository.contents);
    repository.contents.write = async (data, options) => {
      await waiting;
      return await write(data, options);
    };
    let found: readonly number[] = [];
    await snapshot(repository, temp.path, {
      estimation,
      onEvent: (event) => {
        if (event.kind !== "estimate") return;
        found = [event.files, event.bytes];
        arrived?.();
      },
    });
    return found;
  };
  assert.deepEqual(await estimate({ type: "classic", adaptiveThreshold: 0 }), [30, 150]);
  const [files = 0, bytes = 0] = await estimate({ type: "rough", adaptiveThreshold: 0 });
  assert.ok(bytes >= 150 && files >= 0, `${files} files, ${bytes} bytes`);
  const many = { type: "adaptive", adaptiveThreshold: Number.MAX_SAFE_INTEGER } as const;
  assert.deepEqual(await estimate(many), [30, 150]);
});

test("a name that a directory cannot hold never comes from a placeholder", async () => {
  await using temp = await temporaryDirectory("upload");
  const repository = memoryRepository();
  writeFileSync(join(temp.path, "x"), "x");
  const made = await snapshot(repository, temp.path);
  const { entries } = await listDirectory(repository, made.rootEntry?.object as ObjectId);
  const [entry] = entries;
  assert.ok(entry !== undefined);
  unlinkSync(join(temp.path, "x"));
  const text = entryText({ ...entry, name: "../x" });
  writeFileSync(join(temp.path, "x.kopia-entry"), text);
  const bad = await snapshot(repository, temp.path);
  assert.equal(bad.rootEntry?.summary?.failed, 1);
  assert.ok(
    !bytesToUtf8(
      repository.contents.stored.get(bad.rootEntry?.object as never) ?? new Uint8Array(),
    ).includes('"name":"../x"'),
  );
});
