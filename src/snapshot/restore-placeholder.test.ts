import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type MemoryRepository, memoryRepository } from "../testkit/memory-repository.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import { directory, file, link, TIME } from "../testkit/tree-builder.ts";
import { entryText } from "./dir-entry.ts";
import { type DirEntry, openPlaceholder, restoreTree } from "./index.ts";

const QUIET = { skipOwners: true };

async function tree(repository: MemoryRepository): Promise<{
  readonly root: DirEntry;
  readonly sub: DirEntry;
}> {
  const sub = await directory(repository, "sub", [
    await directory(repository, "deep", [await file(repository, "f", "deep")]),
    await file(repository, "g", "g"),
  ]);
  const root = await directory(repository, "root", [
    sub,
    await file(repository, "big", "big file", 0o666),
    await file(repository, "small", "s"),
    await link(repository, "link", "big"),
    await file(repository, "n".repeat(250), "long"),
  ]);
  return { root, sub };
}

test("shallow: entries below the level become placeholders that hold them as they are", async () => {
  await using temp = await temporaryDirectory("placeholder");
  const repository = memoryRepository();
  const { root, sub } = await tree(repository);
  const summary = await restoreTree(repository, root, temp.path, {
    ...QUIET,
    shallow: 0,
    shallowMinSizeBytes: 2,
  });
  assert.deepEqual([summary.files, summary.directories, summary.symlinks], [3, 2, 1]);
  assert.deepEqual(readdirSync(temp.path).toSorted(), [
    "big.kopia-entry",
    "link",
    "n".repeat(250),
    "small",
    "sub.kopia-entry",
  ]);
  const inner = join(temp.path, "sub.kopia-entry/.kopia-entry");
  assert.equal(readFileSync(inner, "utf8"), `${entryText(sub)}\n`);
  assert.equal(lstatSync(join(temp.path, "sub.kopia-entry")).mode & 0o777, 0o700);
  const stat = statSync(join(temp.path, "big.kopia-entry"), { bigint: true });
  assert.deepEqual([stat.mode & 0o777n, stat.mtimeNs], [0o444n, TIME]);
});

test("expanding: a placeholder goes when what it stands for is there, level by level", async () => {
  await using temp = await temporaryDirectory("placeholder");
  const repository = memoryRepository();
  const { root } = await tree(repository);
  await restoreTree(repository, root, temp.path, { ...QUIET, shallow: 0 });
  for (const name of ["sub.kopia-entry", "big.kopia-entry"]) {
    const { entry, target } = openPlaceholder(join(temp.path, name));
    await restoreTree(repository, entry, target, { ...QUIET, shallow: 0 });
  }
  assert.equal(readFileSync(join(temp.path, "big"), "utf8"), "big file");
  assert.deepEqual(readdirSync(join(temp.path, "sub")).toSorted(), [
    "deep.kopia-entry",
    "g.kopia-entry",
  ]);
  assert.ok(!readdirSync(temp.path).some((name) => /^(?:sub|big)\.kopia/.test(name)));
  // The whole over the shallow one: all placeholders go.
  await restoreTree(repository, root, temp.path, { ...QUIET, deleteExtra: true });
  const all = readdirSync(temp.path, { recursive: true }) as string[];
  assert.deepEqual(
    all.filter((name) => name.endsWith(".kopia-entry")),
    [],
  );
  assert.equal(readFileSync(join(temp.path, "sub/deep/f"), "utf8"), "deep");
});

test("no placeholder is made for what is there, and nothing but placeholders is removed", async () => {
  await using temp = await temporaryDirectory("placeholder");
  const repository = memoryRepository();
  const { root } = await tree(repository);
  writeFileSync(join(temp.path, "big"), "mine");
  await assert.rejects(restoreTree(repository, root, temp.path, { ...QUIET, shallow: 0 }), {
    code: "SEJF_ALREADY_EXISTS",
  });
  assert.equal(readFileSync(join(temp.path, "big"), "utf8"), "mine");
  mkdirSync(join(temp.path, "small.kopia-entry"));
  writeFileSync(join(temp.path, "small.kopia-entry/precious"), "precious");
  await restoreTree(repository, root, temp.path, QUIET);
  assert.ok(existsSync(join(temp.path, "small.kopia-entry/precious")));
});

test("openPlaceholder: anything that is none is SEJF_SOURCE", async () => {
  await using temp = await temporaryDirectory("placeholder");
  const at = (name: string, text: string): string => {
    writeFileSync(join(temp.path, name), text);
    return join(temp.path, name);
  };
  const repository = memoryRepository();
  const { sub } = await tree(repository);
  for (const path of [
    join(temp.path, "none.kopia-entry"),
    at("plain", entryText(sub)),
    at("json.kopia-entry", "{"),
    at("name.kopia-entry", '{"name":"../x","type":"f","obj":"00"}'),
    at("kind.kopia-entry", entryText(sub)),
    at(".kopia-entry", entryText({ ...sub, type: "f" })),
  ]) {
    assert.throws(() => openPlaceholder(path), { code: "SEJF_SOURCE" }, path);
  }
});
