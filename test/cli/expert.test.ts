/** The expert commands where something is wrong: what they say, and with which exit status they end. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { CommandResult } from "../../src/testkit/kopia.ts";
import { GoldenCopy } from "./golden-copy.ts";
import { openSources } from "./support.ts";

const DANGEROUS = "--dangerous-commands=enabled";

function assertFails(result: CommandResult, exitCode: number, message: RegExp): void {
  assert.equal(result.exitCode, exitCode, result.stderr);
  assert.match(result.stderr, message);
}

test("commands that can lose data want to be asked for", async () => {
  await using copy = await GoldenCopy.open("kopia-v1");
  const before = await copy.blobs();
  for (const args of [
    ["content", "delete", "00"],
    ["content", "rewrite", "--short"],
    ["blob", "delete", "kopia.repository"],
    ["blob", "gc", "--delete=yes", "--safety=none"],
    ["index", "optimize"],
    ["index", "recover", "--commit"],
    ["manifest", "rm", "00"],
  ])
    assertFails(
      await copy.sejf.run(args),
      2,
      /dangerous.*\n {2}hint: .*--dangerous-commands=enabled/,
    );
  assert.deepEqual(await copy.blobs(), before);
});

test("wrong IDs and wrong flags are told as such", async () => {
  await using copy = await GoldenCopy.open("kopia-v1");
  const unknown = "ab".repeat(16);
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [["content", "show", "zzz"], 1, /"zzz" is not a content ID\n {2}hint: /],
    [["content", "show", unknown], 1, new RegExp(`content ${unknown} is in no index\n {2}hint: `)],
    [["content", "list", "--prefix=XY"], 2, /no content ID begins with "XY"/],
    [["content", "verify", "--download-percent=101"], 2, /not between 0 and 100/],
    [["content", "rewrite", DANGEROUS], 2, /nothing to rewrite/],
    [["blob", "show", "nope"], 1, /blob nope is not in /],
    [["blob", "show", "../../etc/passwd"], 1, /blob ID/],
    [["blob", "delete", "kopia.repository", "nope", DANGEROUS], 1, /blob nope is not in /],
    [["blob", "gc", "--prefix=x", DANGEROUS], 2, /never collected/],
    [["index", "inspect"], 2, /must pass either/],
    [["index", "inspect", "nope"], 1, /blob nope is not in /],
    [["index", "epoch", "list"], 1, /has no epochs/],
    [["index", "recover", "--delete-indexes", "--blobs=p1", DANGEROUS], 2, /needs all packs/],
    [["manifest", "show", "nope"], 1, /no manifest nope/],
    [["manifest", "delete", "nope", DANGEROUS], 1, /no manifest nope/],
    [["manifest", "list", "--filter=type"], 2, /not of the form key:value/],
    [["cache", "set"], 2, /no changes/],
    [["benchmark", "hashing", "--block-size=many"], 2, /no size/],
  ];
  for (const [args, exitCode, message] of cases)
    assertFails(await copy.sejf.run(args), exitCode, message);
  await copy.sejf.ok(["repository", "status"]); // kopia.repository was not deleted along with `nope`
});

test("a flipped byte and a missing pack are found, with content, pack and what to do", async () => {
  await using copy = await GoldenCopy.open("kopia-default");
  const [directory = ""] = await copy.lines("content", "list", "--long", "--prefix=k");
  const [id = "", , , , , pack = "", place = ""] = directory.split(" ");
  await copy.damage(pack, Number.parseInt(place, 10) + 20);
  const named = new RegExp(`content ${id} in pack ${pack}.*\n {2}hint: restore the pack`);
  assertFails(await copy.sejf.run(["content", "show", id]), 1, named);
  await copy.sejf.ok(["content", "verify"]);
  const verified = await copy.sejf.run(["content", "verify", "--full"]);
  assertFails(verified, 1, new RegExp(`pack ${pack}.*content ${id}|content ${id}.*pack ${pack}`));
  assert.match(verified.stderr, /encountered 1 errors in contents\n {2}hint: /);
  const rewritten = await copy.sejf.run(["content", "rewrite", id, DANGEROUS]);
  assertFails(rewritten, 1, new RegExp(`unable to rewrite content ${id}`));

  const [file = ""] = await copy.lines("content", "list", "--long", "--non-prefixed");
  const [fileId = "", , , , , filePack = ""] = file.split(" ");
  await rm(await copy.blobPath(filePack));
  const missing = new RegExp(`pack ${filePack} of content ${fileId} is not in the store`);
  assertFails(await copy.sejf.run(["content", "show", fileId]), 1, missing);
  assertFails(await copy.sejf.run(["content", "verify"]), 1, missing);
});

test("damaged index blobs: named, and recovered from the packs", async () => {
  await using copy = await GoldenCopy.open("kopia-default");
  const { sejf } = copy;
  const before = await copy.lines("content", "list");
  const indexes = (await copy.lines("blob", "list", "--prefix=xn")).map(
    (line) => line.split(" ")[0],
  );
  for (const id of indexes) await copy.damage(id ?? "", 30);
  await sejf.ok(["cache", "clear"]);
  const failed = await sejf.run(["content", "list"]);
  assertFails(failed, 1, /index blob xn\S+: .*\n {2}hint: .*index recover/);
  const dry = await sejf.ok(["index", "recover", DANGEROUS]);
  assert.match(dry.stderr, /Found \d+ contents to recover from \d+ blobs, but not committed/);
  assertFails(await sejf.run(["content", "list"]), 1, /index blob/);
  await sejf.ok(["index", "recover", "--delete-indexes", "--commit", DANGEROUS]);
  assert.deepEqual(await copy.lines("content", "list"), before);
  assert.equal((await copy.lines("index", "list")).length, 1);
});

test("index recover: a pack that cannot be read stops it, unless that is ignored", async () => {
  await using copy = await GoldenCopy.open("kopia-v1");
  const { sejf } = copy;
  const packs = (await copy.lines("blob", "list", "--prefix=p")).map((line) => line.split(" "));
  const [pack = "", length = ""] = (packs[0] ?? []).filter((part) => part !== "");
  await copy.damage(pack, Number(length) - 1);
  const failed = await sejf.run(["index", "recover", "--commit", DANGEROUS]);
  assertFails(failed, 1, new RegExp(`pack ${pack}.*\n.*1 of \\d+ packs could not be read`));
  assert.equal((await copy.lines("index", "list")).length, 5);
  await sejf.ok(["index", "recover", "--commit", "--ignore-errors", DANGEROUS]);
  assert.equal((await copy.lines("index", "list")).length, 6);
});

test("a read-only connection changes nothing", async () => {
  await using copy = await GoldenCopy.open("kopia-v1", "--readonly");
  const [id = ""] = await copy.lines("content", "list");
  const [item = ""] = (await copy.lines("manifest", "list"))[0]?.split(" ") ?? [];
  const before = await copy.blobs();
  for (const args of [
    ["content", "delete", id],
    ["content", "rewrite", id, "--safety=none"],
    ["blob", "delete", "kopia.maintenance"],
    ["blob", "gc", "--delete=yes"],
    ["index", "optimize"],
    ["index", "recover", "--commit"],
    ["manifest", "delete", item],
  ])
    assertFails(await copy.sejf.run([...args, DANGEROUS]), 1, /read-only|reading only/);
  assert.deepEqual(await copy.blobs(), before);
  await copy.sejf.ok(["content", "rewrite", id, "--safety=none", "--dry-run", DANGEROUS]);
});

test("content delete and manifest delete: gone, and told as deleted", async () => {
  await using copy = await GoldenCopy.open("kopia-default");
  const [id = ""] = await copy.lines("content", "list", "--non-prefixed");
  await copy.sejf.ok(["content", "rm", id, DANGEROUS]);
  assert.ok(!(await copy.lines("content", "list")).includes(id));
  assert.deepEqual(await copy.lines("content", "list", "--deleted-only"), [id]);
  const [item = ""] =
    (await copy.lines("manifest", "list", "--filter=type:snapshot"))[0]?.split(" ") ?? [];
  await copy.sejf.ok(["manifest", "rm", item, DANGEROUS]);
  assertFails(await copy.sejf.run(["manifest", "show", item]), 1, /no manifest/);
});

test("blob gc: counts, and deletes only with --delete=yes", async () => {
  await using copy = await GoldenCopy.open("kopia-default");
  const { sejf } = copy;
  await sejf.ok(["content", "rewrite", "--short", "--safety=none", DANGEROUS]);
  const young = await sejf.ok(["blob", "gc", "--delete=yes", DANGEROUS]);
  assert.match(young.stderr, /Found 0 unused blobs \(0 B\), \d+ more .* are too young/);
  const before = await copy.blobs();
  const [stale, fresh] = ["a", "b"].map((name) =>
    join(copy.path, `kopia.repository.f.tmp.${name.repeat(16)}`),
  ) as [string, string];
  for (const path of [stale, fresh]) await writeFile(path, "half");
  await utimes(stale, 1_700_000_000, 1_700_000_000);
  const dry = await sejf.ok(["blob", "gc", "--safety=none", DANGEROUS]);
  assert.match(dry.stderr, /Found [1-9]\d* unused blobs.*\nPass --delete=yes to delete\./);
  assert.deepEqual(await copy.blobs(), before);
  assert.ok(existsSync(stale));
  const done = await sejf.ok(["blob", "gc", "--safety=none", "--delete=yes", DANGEROUS]);
  assert.ok((await copy.blobs()).length < before.length);
  assert.match(done.stderr, /Removed 1 unfinished files of writers that died \(4 B\)/);
  assert.deepEqual([existsSync(stale), existsSync(fresh)], [false, true]);
  await sejf.ok(["content", "verify", "--full"]);
});

test("cache commands: the settings are in the connection file, the folders are emptied", async () => {
  await using copy = await GoldenCopy.open("kopia-default");
  const { sejf } = copy;
  const [folder = ""] = await copy.lines("cache", "info", "--path");
  await sejf.ok([
    "cache",
    "set",
    "--content-cache-size-mb=100",
    "--content-cache-size-limit-mb=50",
  ]);
  await sejf.ok(["content", "list"]);
  const [info = ""] = await copy.lines("cache", "info");
  assert.ok(info.startsWith(folder));
  assert.match(info, /index-blobs: [1-9]\d* files .*soft limit: .*min sweep age: 10m0s/);
  await sejf.ok(["cache", "clear", "--partial=indexes"]);
  assert.match((await copy.lines("cache", "info")).join("\n"), /index-blobs: 0 files/);
  const synced = await sejf.ok(["cache", "sync"]);
  assert.match(synced.stderr, /0 of \d+ metadata packs/);
  await sejf.ok(["cache", "set", "--content-cache-size-mb=0"]);
  assertFails(await sejf.run(["cache", "clear"]), 1, /caching not enabled/);
});

test("benchmarks: every algorithm has a line, the fastest is named last", async () => {
  await using sejf = await openSources();
  const small = ["--repeat=1", "--block-size=10KB"];
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [["hashing", ...small, "--print-options"], 11, /,   --block-hash=/],
    [["hash", ...small, "--parallel=2"], 11, /^ {2}0\. \S+ +[\d.]+ [KMG]?B \/ second$/m],
    [["encryption", ...small], 2, /--encryption=\S+\n$/],
    [["crypto", ...small], 22, /--block-hash=\S+ --encryption=\S+\n$/],
    [["ecc", ...small], 5, /--ecc=REED-SOLOMON-CRC32 --ecc-overhead-percent=\d+\n$/],
    [["splitter", "--data-size=100KB", "--block-count=1", "--print-options"], 23, /count:1 min:/],
  ];
  for (const [args, count, pattern] of cases) {
    const { stdout } = await sejf.ok(["benchmark", ...args]);
    assert.equal(stdout.match(/^ {0,2}\d+\. /gm)?.length, count, stdout);
    assert.match(stdout, pattern);
  }
  const { stdout } = await sejf.ok([
    "benchmark",
    "compression",
    `--data-file=${import.meta.filename}`,
    "--repeat=1",
    "--algorithms=zstd",
    "--operations=decompress",
  ]);
  assert.match(stdout, /^ {5}Decompression +Compressed +Throughput\n-+\n {2}0\. zstd/);
});
