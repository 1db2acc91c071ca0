/** Restores of repositories that want to write elsewhere, and into targets that others change meanwhile. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { utf8ToBytes } from "../bytes/index.ts";
import type { ContentRef } from "../format/index.ts";
import { encodeSeekTable, type ObjectId } from "../object/index.ts";
import { type MemoryRepository, memoryRepository } from "../testkit/memory-repository.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import { directory, file, link, raw } from "../testkit/tree-builder.ts";
import { type DirEntry, restoreToArchive, restoreTree } from "./index.ts";

const QUIET = { skipOwners: true };

/** A directory whose listing is put in after its ID is known, as no honest writer could. */
async function selfReferring(repository: MemoryRepository, copies: number): Promise<DirEntry> {
  const root = await directory(repository, "root", [], '{"stream":"kopia:directory"}\n');
  const inner = Array.from({ length: copies }, (_, i) => ({ ...root, name: `again${i}` }));
  const key = root.object as string as ContentRef;
  repository.contents.stored.set(key, utf8ToBytes(raw(inner)));
  return root;
}

test("a directory that lies inside itself ends with SEJF_CORRUPT, in folders and in archives", async () => {
  await using temp = await temporaryDirectory("hostile");
  const repository = memoryRepository();
  const root = await selfReferring(repository, 3);
  const code = { code: "SEJF_CORRUPT" };
  await assert.rejects(restoreTree(repository, root, join(temp.path, "t"), QUIET), code);
  await assert.rejects(
    restoreToArchive(repository, root, join(temp.path, "t.tar"), { format: "tar" }),
    code,
  );
  const summary = await restoreTree(repository, root, join(temp.path, "u"), {
    ...QUIET,
    ignoreErrors: true,
  });
  assert.deepEqual([summary.directories, summary.errors], [1, 3]);
  assert.deepEqual(readdirSync(temp.path).toSorted(), ["t", "u"]);
});

test("a tree deeper than any file system goes is cut off, and what is above it is restored", async () => {
  await using temp = await temporaryDirectory("hostile");
  const repository = memoryRepository();
  let entry = await directory(repository, "d", [await file(repository, "f", "deepest")]);
  for (let depth = 0; depth < 4100; depth++)
    entry = await directory(repository, "d", [entry, await file(repository, "f", `${depth}`)]);
  const target = join(temp.path, "t.tar");
  await assert.rejects(restoreToArchive(repository, entry, target, { format: "tar" }), {
    code: "SEJF_CORRUPT",
  });
  assert.deepEqual(readdirSync(temp.path), []);
});

test("seek tables that lie about lengths, refer to themselves or have no end are refused", async () => {
  await using temp = await temporaryDirectory("hostile");
  const repository = memoryRepository();
  const data = await file(repository, "data", "12345");
  const table = (rows: Parameters<typeof encodeSeekTable>[0]): ObjectId =>
    `I${repository.contents.put(encodeSeekTable(rows), "x")}` as ObjectId;
  const lying = table([{ startBytes: 0, lengthBytes: 9, object: data.object }]);
  const self = table([{ startBytes: 0, lengthBytes: 5, object: data.object }]);
  repository.contents.stored.set(
    self.slice(1) as ContentRef,
    encodeSeekTable([{ startBytes: 0, lengthBytes: 5, object: self }]),
  );
  const nested = `${"I".repeat(40)}${data.object}`;
  for (const [object, sizeBytes] of [
    [lying, 9],
    [self, 5],
    [nested as ObjectId, 5],
  ] as const) {
    const entry = { ...data, name: "f", object, sizeBytes };
    const root = await directory(repository, "root", [entry], raw([entry]));
    const target = join(temp.path, "t");
    await assert.rejects(restoreTree(repository, root, target, QUIET), { code: /SEJF_/ }, object);
    assert.ok(!existsSync(join(target, "f")), object);
    await assert.rejects(
      restoreToArchive(repository, root, `${target}.zip`, { format: "zip" }),
      { code: /SEJF_/ },
      object,
    );
    assert.ok(!existsSync(`${target}.zip`));
  }
});

test("names that lead elsewhere and doubles are refused in archives too", async () => {
  await using temp = await temporaryDirectory("hostile");
  const repository = memoryRepository();
  const planted = await link(repository, "a", "/etc");
  const below = await directory(repository, "a", [await file(repository, "x", "evil")]);
  const root = await directory(repository, "root", [planted, below], raw([planted, below]));
  const summary = await restoreToArchive(repository, root, join(temp.path, "a.tar"), {
    format: "tar",
    ignoreErrors: true,
  });
  assert.deepEqual([summary.symlinks, summary.directories, summary.errors], [1, 1, 1]);
  for (const name of ["../x", "/x", "..", "a/b", "a\0b"]) {
    const evil = { ...(await file(repository, "x", "evil")), name };
    await assert.rejects(
      restoreToArchive(repository, evil, join(temp.path, "evil.tar"), { format: "tar" }),
      { code: "SEJF_CORRUPT" },
    );
  }
  assert.deepEqual(readdirSync(temp.path), ["a.tar"]);
});

/** Restores `sub/…` below `temp` while `change` has its way, once the listing of `sub/deep` is read. */
async function restoreWhile(
  temp: string,
  change: (target: string, outside: string) => void,
): Promise<{ readonly outside: readonly string[]; readonly target: string }> {
  const repository = memoryRepository();
  const [target, outside] = [join(temp, "target"), join(temp, "outside")];
  mkdirSync(join(target, "sub", "deep"), { recursive: true });
  mkdirSync(join(outside, "deep"), { recursive: true });
  writeFileSync(join(outside, "deep", "keep"), "keep");
  const deep = await directory(repository, "deep", [await file(repository, "evil", "evil")]);
  const sub = await directory(repository, "sub", [
    deep,
    await file(repository, "evil", "evil"),
    await link(repository, "evillink", "x"),
  ]);
  const root = await directory(repository, "root", [sub]);
  repository.contents.onRead = (ref) => {
    if (ref === (deep.object as string)) change(target, outside);
  };
  await restoreTree(repository, root, target, { ...QUIET, ignoreErrors: true, deleteExtra: true });
  const found = readdirSync(outside, { recursive: true }) as string[];
  return { outside: found.toSorted(), target };
}

test("a directory of the target that is replaced by a symlink meanwhile is not followed", {
  skip: process.platform === "linux" ? false : "needs /proc/self/fd",
}, async () => {
  await using temp = await temporaryDirectory("hostile");
  const { outside, target } = await restoreWhile(temp.path, (at, elsewhere) => {
    if (existsSync(join(at, "moved"))) return;
    renameSync(join(at, "sub"), join(at, "moved"));
    symlinkSync(elsewhere, join(at, "sub"));
  });
  assert.deepEqual(outside, ["deep", "deep/keep"]);
  // What was opened before goes on being filled where it lies now.
  assert.equal(readFileSync(join(target, "moved/deep/evil"), "utf8"), "evil");
  assert.equal(readFileSync(join(target, "moved/evil"), "utf8"), "evil");
});
