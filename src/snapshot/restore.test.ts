import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { collect } from "../bytes/index.ts";
import type { ContentRef } from "../format/index.ts";
import { lstatExact, setFileTimes } from "../node/index.ts";
import type { ObjectId } from "../object/index.ts";
import { memoryRepository } from "../testkit/memory-repository.ts";
import { SeededRandom } from "../testkit/random.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import { directory, file, link, raw, TIME } from "../testkit/tree-builder.ts";
import { type RestoreEvent, type RestoreOptions, restoreTree, walkTree } from "./index.ts";

const QUIET = { skipOwners: true };

test("a tree comes back with contents, modes, links and times to the nanosecond, of directories too", async () => {
  await using temp = await temporaryDirectory("restore");
  const repository = memoryRepository({ splitter: "FIXED-128K" });
  const big = new SeededRandom(4).bytes(400_000);
  const sub = await directory(repository, "sub", [
    await file(repository, "big", big, 0o4711),
    await link(repository, "link", "../a"),
  ]);
  const root = await directory(repository, "root", [
    sub,
    await file(repository, "a", "hello"),
    await file(repository, "empty", ""),
  ]);
  const target = join(temp.path, "new/target");
  const events: RestoreEvent[] = [];
  const summary = await restoreTree(repository, root, target, {
    ...QUIET,
    onEvent: (event) => events.push(event),
  });
  assert.deepEqual(summary, {
    files: 3,
    directories: 2,
    symlinks: 1,
    bytes: 400_005,
    skipped: 0,
    skippedBytes: 0,
    deletedFiles: 0,
    deletedDirectories: 0,
    deletedSymlinks: 0,
    errors: 0,
    errorsList: [],
  });
  assert.deepEqual(new Uint8Array(readFileSync(join(target, "sub/big"))), big);
  assert.equal(readFileSync(join(target, "a"), "utf8"), "hello");
  assert.equal(readlinkSync(join(target, "sub/link")), "../a");
  const stat = (name: string): [number, bigint] => {
    const found = lstatExact(join(target, name));
    return [(found?.mode ?? 0) & 0o7777, found?.mtimeNs ?? 0n];
  };
  assert.deepEqual(stat("sub/big"), [0o4711, TIME]);
  assert.deepEqual(stat("sub"), [0o750, TIME - 5n]);
  assert.deepEqual(stat(""), [0o750, TIME - 5n]);
  assert.equal(stat("sub/link")[1], TIME);
  assert.ok(events.every((event) => event.kind === "progress"));
});

test("names that lead elsewhere are refused, whatever the options, and nothing is written outside", async () => {
  for (const name of ["../x", "/tmp/x", "..", ".", "a/b", "", "a\0b"]) {
    await using temp = await temporaryDirectory("restore");
    const repository = memoryRepository();
    const evil = { ...(await file(repository, "x", "evil")), name };
    const fine = await file(repository, "fine", "fine");
    const root = await directory(repository, "root", [evil], raw([evil, fine]));
    const target = join(temp.path, "inner/target");
    await assert.rejects(
      restoreTree(repository, root, target, QUIET),
      { code: "SEJF_CORRUPT" },
      JSON.stringify(name),
    );
    const { errors } = await restoreTree(repository, root, target, {
      ...QUIET,
      ignoreErrors: true,
    });
    assert.ok(errors > 0);
    assert.deepEqual(readdirSync(temp.path), ["inner"]);
    assert.deepEqual(readdirSync(join(temp.path, "inner")), ["target"]);
  }
});

test("a symlink planted by the snapshot is not followed by a directory of the same name", async () => {
  await using temp = await temporaryDirectory("restore");
  const repository = memoryRepository();
  mkdirSync(join(temp.path, "outside"));
  const planted = await link(repository, "a", "../outside");
  const below = await directory(repository, "a", [await file(repository, "x", "evil")]);
  for (const order of [
    [planted, below],
    [below, planted],
  ]) {
    const root = await directory(repository, "root", order, raw(order));
    const target = join(temp.path, `target-${order[0]?.type}`);
    const summary = await restoreTree(repository, root, target, { ...QUIET, ignoreErrors: true });
    assert.equal(summary.errors, 1);
    assert.match(summary.errorsList[0]?.message ?? "", /second entry/);
  }
  assert.deepEqual(readdirSync(join(temp.path, "outside")), []);
});

test("symlinks that lie at the target already are not followed, neither for files nor for directories", async () => {
  await using temp = await temporaryDirectory("restore");
  const repository = memoryRepository();
  mkdirSync(join(temp.path, "outside"));
  mkdirSync(join(temp.path, "target"));
  symlinkSync("../outside", join(temp.path, "target/dir"));
  symlinkSync("../outside/file", join(temp.path, "target/file"));
  const dir = await directory(repository, "dir", [await file(repository, "x", "evil")]);
  const onlyDirectory = await directory(repository, "root", [dir]);
  const onlyFile = await directory(repository, "root", [await file(repository, "file", "evil")]);
  await assert.rejects(restoreTree(repository, onlyFile, join(temp.path, "target"), QUIET), {
    code: "SEJF_ALREADY_EXISTS",
  });
  await assert.rejects(restoreTree(repository, onlyDirectory, join(temp.path, "target"), QUIET), {
    code: "SEJF_ALREADY_EXISTS",
  });
  assert.deepEqual(readdirSync(join(temp.path, "outside")), []);
});

test("the user's own target may be a symlink to a directory", async () => {
  await using temp = await temporaryDirectory("restore");
  const repository = memoryRepository();
  mkdirSync(join(temp.path, "real"));
  symlinkSync("real", join(temp.path, "target"));
  const root = await directory(repository, "root", [await file(repository, "x", "fine")]);
  await restoreTree(repository, root, `${join(temp.path, "target")}/`, QUIET);
  assert.equal(readFileSync(join(temp.path, "real/x"), "utf8"), "fine");
});

test("what exists: files are rewritten or refused, directories filled or refused, symlinks replaced or refused", async () => {
  const repository = memoryRepository();
  const sub = await directory(repository, "sub", [await file(repository, "f", "new")]);
  const root = await directory(repository, "root", [sub, await link(repository, "l", "new")]);
  const prepare = async (options: RestoreOptions): Promise<[string, string, string[]] | string> => {
    await using temp = await temporaryDirectory("restore");
    mkdirSync(join(temp.path, "sub"));
    writeFileSync(join(temp.path, "sub/f"), "old");
    writeFileSync(join(temp.path, "sub/extra"), "extra");
    symlinkSync("old", join(temp.path, "l"));
    try {
      await restoreTree(repository, root, temp.path, { ...QUIET, ...options });
    } catch (error) {
      return (error as { code: string }).code;
    }
    return [
      readFileSync(join(temp.path, "sub/f"), "utf8"),
      readlinkSync(join(temp.path, "l")),
      readdirSync(join(temp.path, "sub")).toSorted(),
    ];
  };
  assert.deepEqual(await prepare({}), ["new", "new", ["extra", "f"]]);
  assert.equal(await prepare({ overwriteDirectories: false }), "SEJF_ALREADY_EXISTS");
  assert.equal(await prepare({ overwriteSymlinks: false }), "SEJF_ALREADY_EXISTS");
  assert.deepEqual(await prepare({ deleteExtra: true }), ["new", "new", ["f"]]);
  assert.deepEqual(await prepare({ skipExisting: true }), ["new", "new", ["extra", "f"]]);
  assert.deepEqual(await prepare({ skipExisting: true, overwriteSymlinks: false }), [
    "new",
    "old",
    ["extra", "f"],
  ]);
});

test("deleteExtra: removes what is of another kind, and never what a symlink points to", async () => {
  await using temp = await temporaryDirectory("restore");
  const repository = memoryRepository();
  mkdirSync(join(temp.path, "outside"));
  writeFileSync(join(temp.path, "outside/keep"), "keep");
  const target = join(temp.path, "target");
  mkdirSync(join(target, "f"), { recursive: true });
  symlinkSync("../outside", join(target, "d"));
  const root = await directory(repository, "root", [
    await directory(repository, "d", []),
    await file(repository, "f", "x"),
  ]);
  await restoreTree(repository, root, target, { ...QUIET, deleteExtra: true });
  assert.ok(lstatSync(join(target, "d")).isDirectory() && lstatSync(join(target, "f")).isFile());
  assert.ok(existsSync(join(temp.path, "outside/keep")));
});

test("skipExisting: what has the recorded size and time stays, as exactly as file systems keep it", async () => {
  await using temp = await temporaryDirectory("restore");
  const repository = memoryRepository();
  const times: Readonly<Record<string, bigint>> = {
    exact: TIME,
    microseconds: TIME - (TIME % 1000n),
    seconds: TIME - (TIME % 1_000_000_000n),
    evenSeconds: TIME - (TIME % 2_000_000_000n) + 2_000_000_000n,
    size: TIME,
    // As a killed restore leaves it: written at nearly the same time.
    unfinished: TIME + 1_999_999n,
    later: TIME + 10_000_000_000n,
  };
  const names = Object.keys(times);
  for (const name of names) {
    writeFileSync(join(temp.path, name), name === "size" ? "longer" : "old");
    setFileTimes(join(temp.path, name), { mtimeNs: times[name] as bigint });
  }
  const root = await directory(
    repository,
    "root",
    await Promise.all(names.map((name) => file(repository, name, "new"))),
  );
  const summary = await restoreTree(repository, root, temp.path, { ...QUIET, skipExisting: true });
  assert.deepEqual([summary.skipped, summary.skippedBytes], [4, 12]);
  assert.deepEqual(
    names.map((name) => readFileSync(join(temp.path, name), "utf8")),
    ["old", "old", "old", "old", "new", "new", "new"],
  );
});

test("attributes that are not wanted are left alone", async () => {
  await using temp = await temporaryDirectory("restore");
  const repository = memoryRepository();
  const root = await directory(repository, "root", [await file(repository, "f", "x", 0o777)]);
  await restoreTree(repository, root, join(temp.path, "t"), {
    ...QUIET,
    skipPermissions: true,
    skipTimes: true,
  });
  const stat = lstatExact(join(temp.path, "t/f"));
  assert.equal((stat?.mode ?? 0) & 0o777, 0o600);
  assert.notEqual(stat?.mtimeNs, TIME);
});

test("ignoreErrors: goes on, counts, and tells each failure once", async () => {
  await using temp = await temporaryDirectory("restore");
  const repository = memoryRepository();
  const lost = await file(repository, "lost", "lost");
  const lostDirectory = await directory(repository, "gone", [lost]);
  const badLink = await link(repository, "badlink", "nowhere");
  const strange = { ...(await file(repository, "strange", "?")), type: "c" };
  const wrong = { ...(await file(repository, "wrong", "12345")), sizeBytes: 4 };
  const root = await directory(repository, "root", [
    lost,
    lostDirectory,
    badLink,
    strange,
    wrong,
    await file(repository, "fine", "fine"),
  ]);
  for (const { object } of [lost, lostDirectory, badLink])
    repository.contents.stored.delete(object as string as ContentRef);
  const paths: string[] = [];
  const onEvent = (event: RestoreEvent): void => {
    if (event.kind === "error") paths.push(event.path);
  };
  const summary = await restoreTree(repository, root, temp.path, {
    ...QUIET,
    ignoreErrors: true,
    onEvent,
  });
  assert.deepEqual(paths.toSorted(), ["badlink", "gone", "lost", "strange", "wrong"]);
  assert.deepEqual([summary.errors, summary.files, summary.errorsList.length], [5, 1, 5]);
  assert.equal(readFileSync(join(temp.path, "fine"), "utf8"), "fine");
  await assert.rejects(restoreTree(repository, root, join(temp.path, "again"), QUIET), {
    code: /SEJF_/,
  });
});

test("an abort ends a restore with the signal's reason", async () => {
  await using temp = await temporaryDirectory("restore");
  const repository = memoryRepository();
  const files = await Promise.all(
    Array.from({ length: 5 }, (_, i) => file(repository, `f${i}`, "x")),
  );
  const root = await directory(repository, "root", [
    await directory(repository, "a", files),
    await directory(repository, "b", [...files, await file(repository, "g", "y")]),
  ]);
  const controller = new AbortController();
  const reason = new Error("enough");
  const onEvent = (): void => controller.abort(reason);
  await assert.rejects(
    restoreTree(repository, root, join(temp.path, "t"), {
      ...QUIET,
      signal: controller.signal,
      onEvent,
    }),
    reason,
  );
  await assert.rejects(
    restoreTree(repository, root, join(temp.path, "u"), {
      ...QUIET,
      signal: AbortSignal.abort(reason),
    }),
    reason,
  );
  assert.ok(!existsSync(join(temp.path, "u")));
});

test("single symlinks and files, and directories that are closed until they are full", async () => {
  await using temp = await temporaryDirectory("restore");
  const repository = memoryRepository();
  await restoreTree(
    repository,
    await link(repository, "l", "somewhere"),
    join(temp.path, "x/link"),
    QUIET,
  );
  assert.equal(readlinkSync(join(temp.path, "x/link")), "somewhere");
  const closed = {
    ...(await directory(repository, "closed", [await file(repository, "f", "x")])),
    mode: 0o500,
  };
  const root = await directory(repository, "root", [closed]);
  await restoreTree(repository, root, join(temp.path, "t"), QUIET);
  assert.equal(readFileSync(join(temp.path, "t/closed/f"), "utf8"), "x");
  assert.equal(lstatSync(join(temp.path, "t/closed")).mode & 0o777, 0o500);
  chmodSync(join(temp.path, "t/closed"), 0o700);
  assert.equal(
    (
      await restoreTree(repository, await link(repository, "l", "x"), join(temp.path, "y"), {
        skipSymlinks: true,
      })
    ).symlinks,
    0,
  );
});

test("a tree deeper than any file system goes ends with SEJF_CORRUPT", async () => {
  const repository = memoryRepository();
  let entry = await directory(repository, "d", []);
  for (let depth = 0; depth < 4100; depth++) entry = await directory(repository, "d", [entry]);
  await assert.rejects(collect(walkTree(repository, entry)), { code: "SEJF_CORRUPT" });
});

test("an object ID in place of a directory that is none is refused", async () => {
  await using temp = await temporaryDirectory("restore");
  const repository = memoryRepository();
  const plain = await file(repository, "f", "x");
  await assert.rejects(
    restoreTree(repository, { ...plain, type: "d" }, join(temp.path, "t"), QUIET),
    { code: "SEJF_NOT_FOUND" },
  );
  await assert.rejects(
    restoreTree(repository, { ...plain, type: "x" }, join(temp.path, "t"), QUIET),
    { code: "SEJF_CORRUPT" },
  );
  await assert.rejects(
    restoreTree(
      repository,
      { ...plain, object: `I${plain.object}` as ObjectId },
      join(temp.path, "t"),
      QUIET,
    ),
    { code: "SEJF_CORRUPT" },
  );
});
