/**
 * `snapshot verify` on repositories made by kopia: whole ones pass; on copies each kind of blob is damaged or deleted,
 * and what is broken, where, and which snapshots are hurt must be named.
 */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { test } from "node:test";
import { goldenRepositories, goldenRepository } from "../../src/testkit/golden.ts";
import { GoldenCopy } from "./golden-copy.ts";

interface ExpectedContent {
  readonly contentID: string;
  readonly packFile: string;
  readonly packOffset: number;
  readonly length: number;
  readonly deleted: boolean;
}

interface ExpectedEntry {
  readonly path: string;
  readonly type: string;
  readonly obj: string;
}

interface ExpectedSnapshot {
  readonly id: string;
  readonly rootEntry: { readonly obj: string };
  readonly entries: readonly ExpectedEntry[];
}

interface Result {
  readonly stats: Readonly<Record<string, number>>;
  readonly errorCount: number;
  readonly errorStrings?: readonly string[];
  readonly problems?: readonly {
    readonly path: string;
    readonly object: string;
    readonly content?: string;
    readonly blob?: string;
  }[];
  readonly damaged?: readonly { readonly snapshotID: string; readonly unreadable: number }[];
}

const NAME = "kopia-default";

function contents(): readonly ExpectedContent[] {
  return goldenRepository(NAME).expected["contents"] as readonly ExpectedContent[];
}

function snapshots(): readonly ExpectedSnapshot[] {
  return goldenRepository(NAME).expected["snapshots"] as readonly ExpectedSnapshot[];
}

/** Snapshots that hold one of these objects anywhere, sorted. */
function holders(objects: readonly string[]): readonly string[] {
  return snapshots()
    .filter(({ entries, rootEntry }) =>
      [rootEntry.obj, ...entries.map(({ obj }) => obj)].some((obj) => objects.includes(obj)),
    )
    .map(({ id }) => id)
    .toSorted();
}

/** The content of an object without seek table that some snapshot holds. */
function contentOf(isWanted: (entry: ExpectedEntry) => boolean): ExpectedContent {
  const entry = snapshots()
    .flatMap(({ entries }) => entries)
    .find(isWanted);
  const found = contents().find(({ contentID }) => contentID === entry?.obj);
  assert.ok(found, "the repository has such an object");
  return found;
}

async function verify(
  copy: GoldenCopy,
  ...args: readonly string[]
): Promise<{
  readonly exitCode: number;
  readonly stderr: string;
  readonly result: Result | undefined;
}> {
  const { exitCode, stdout, stderr } = await copy.sejf.run([
    "snapshot",
    "verify",
    "--json",
    ...args,
  ]);
  return { exitCode, stderr, result: stdout === "" ? undefined : (JSON.parse(stdout) as Result) };
}

function damagedIds(result: Result | undefined): readonly string[] {
  return (result?.damaged ?? []).map(({ snapshotID }) => snapshotID).toSorted();
}

for (const { name, expected } of goldenRepositories()) {
  test(`snapshot verify: ${name} is whole, every file read`, async () => {
    await using copy = await GoldenCopy.open(name);
    const { exitCode, result } = await verify(copy, "--verify-files-percent=100");
    assert.deepEqual([exitCode, result?.errorCount, result?.problems], [0, 0, undefined]);
    const all = expected["snapshots"] as readonly ExpectedSnapshot[];
    const objects = all.flatMap(({ entries, rootEntry }) => [
      rootEntry.obj,
      ...entries.map(({ obj }) => obj),
    ]);
    assert.equal(result?.stats["processedObjectCount"], new Set(objects).size);
  });
}

test("snapshot verify: a flipped byte in file data is found by reading, and only then", async () => {
  await using copy = await GoldenCopy.open(NAME);
  const { contentID, packFile, packOffset, length } = contentOf(({ type }) => type === "f");
  await copy.damage(packFile, packOffset + Math.floor(length / 2));
  assert.equal((await verify(copy)).exitCode, 0);
  const { exitCode, stderr, result } = await verify(copy, "--verify-files-percent=100");
  assert.deepEqual([exitCode, result?.errorCount], [1, 1]);
  const [problem] = result?.problems ?? [];
  assert.deepEqual(
    [problem?.object, problem?.content, problem?.blob],
    [contentID, contentID, packFile],
  );
  const entry = snapshots()[0]?.entries.find(({ obj }) => obj === contentID);
  assert.ok(problem !== undefined && problem.path.endsWith(`/${entry?.path}`));
  assert.deepEqual(damagedIds(result), holders([contentID]));
  assert.match(stderr, /error processing fixuser@fixhost:\/data\/tree@/);
  for (const id of holders([contentID]))
    assert.match(stderr, new RegExp(`damaged: snapshot ${id}`));
});

test("snapshot verify: a flipped byte in a directory is found, and named with its pack", async () => {
  await using copy = await GoldenCopy.open(NAME);
  const { contentID, packFile, packOffset, length } = contentOf(({ type }) => type === "d");
  await copy.damage(packFile, packOffset + Math.floor(length / 2));
  const { exitCode, result } = await verify(copy);
  assert.deepEqual([exitCode, result?.errorCount], [1, 1]);
  const [problem] = result?.problems ?? [];
  assert.deepEqual([problem?.object, problem?.blob], [contentID, packFile]);
  assert.deepEqual(damagedIds(result), holders([contentID]));
});

test("snapshot verify: a lost pack of file data is found without reading, in every snapshot that needs it", async () => {
  await using copy = await GoldenCopy.open(NAME);
  const { packFile } = contentOf(({ type }) => type === "f");
  await rm(await copy.blobPath(packFile));
  const lost = contents().filter((one) => one.packFile === packFile);
  const { exitCode, result } = await verify(copy);
  assert.equal(exitCode, 1);
  const problems = result?.problems ?? [];
  assert.ok(problems.length > 0);
  assert.ok(problems.every(({ blob, content }) => blob === packFile && content !== undefined));
  const objects = problems.map(({ object }) => object);
  const plain = snapshots()
    .flatMap(({ entries }) => entries)
    .filter(({ obj }) => lost.some(({ contentID }) => contentID === obj));
  for (const { obj } of plain) assert.ok(objects.includes(obj), obj);
  assert.deepEqual(damagedIds(result), holders(objects));
});

test("snapshot verify: a lost pack of directories is named, by the walk or by what needs it first", async () => {
  const byPack = Map.groupBy(contents(), ({ packFile }) => packFile);
  const withDirectories = [...byPack].filter(
    ([id, held]) => id.startsWith("q") && held.some(({ contentID }) => contentID.startsWith("k")),
  );
  assert.ok(withDirectories.length > 0);
  for (const [packFile] of withDirectories) {
    await using copy = await GoldenCopy.open(NAME);
    await rm(await copy.blobPath(packFile));
    const { exitCode, stderr } = await verify(copy);
    assert.equal(exitCode, 1);
    assert.ok(stderr.includes(packFile), stderr);
  }
});

test("snapshot verify: a flipped byte in an index blob is named", async () => {
  for (const [name, prefix] of [
    [NAME, "x"],
    ["kopia-v1", "n"],
  ] as const) {
    await using copy = await GoldenCopy.open(name);
    const blobs = goldenRepository(name).expected["blobs"] as readonly {
      readonly id: string;
      readonly length: number;
    }[];
    const indexes = blobs.filter(({ id, length }) => id.startsWith(prefix) && length > 100);
    const blob = indexes.at(-1);
    assert.ok(blob);
    await copy.damage(blob.id, Math.floor(blob.length / 2));
    const { exitCode, stderr } = await verify(copy);
    assert.equal(exitCode, 1);
    assert.ok(stderr.includes(blob.id), stderr);
  }
});

test("snapshot verify: what only a lost index blob knew of is missing, and named by content", async () => {
  const probe = await GoldenCopy.open(NAME);
  const rows = (await probe.lines("index", "inspect", "--active")).map((line) => line.split(" "));
  await probe[Symbol.asyncDispose]();
  const byBlob = Map.groupBy(
    rows.map((row) => ({ blob: row[3] ?? "", content: row[4] ?? "" })),
    ({ blob }) => blob,
  );
  const used = new Set(snapshots().flatMap(({ entries }) => entries.map(({ obj }) => obj)));
  const sizes = [...byBlob].map(
    ([blob, entries]) => [blob, entries.filter(({ content }) => used.has(content)).length] as const,
  );
  const [[blob, count] = ["", 0]] = sizes.toSorted((a, b) => b[1] - a[1]);
  assert.ok(count > 0);
  await using copy = await GoldenCopy.open(NAME);
  await rm(await copy.blobPath(blob));
  const { exitCode, result } = await verify(copy);
  assert.equal(exitCode, 1);
  // Snapshots whose manifests the blob knew of are gone with it; the others tell what they miss.
  const lost = new Set(byBlob.get(blob)?.map(({ content }) => content));
  const problems = result?.problems ?? [];
  assert.ok(problems.length > 0);
  assert.ok(problems.every(({ content }) => content !== undefined && lost.has(content)));
  const left = await copy.sejf.json<readonly { readonly id: string }[]>([
    "snapshot",
    "list",
    "--json",
  ]);
  const leftIds = new Set(left.map(({ id }) => id));
  const expected = holders(problems.map(({ object }) => object)).filter((id) => leftIds.has(id));
  assert.deepEqual(damagedIds(result), expected);
});

test("snapshot verify: a damaged or lost format blob is named when the repository is opened", async () => {
  for (const spoil of ["damage", "delete"]) {
    await using copy = await GoldenCopy.open(NAME);
    await copy.sejf.ok(["cache", "clear"]);
    if (spoil === "damage") await copy.damage("kopia.repository", 500);
    else await rm(await copy.blobPath("kopia.repository"));
    const { exitCode, stderr } = await copy.sejf.run(["snapshot", "verify"]);
    assert.equal(exitCode, 1);
    assert.match(stderr, /kopia\.repository|password|no repository/i);
  }
});

test("snapshot verify: IDs, sources, directories and files limit what is looked at", async () => {
  await using copy = await GoldenCopy.open(NAME);
  const [first] = snapshots();
  const objectCount = async (...args: readonly string[]): Promise<number | undefined> =>
    (await verify(copy, ...args)).result?.stats["processedObjectCount"];
  const own = new Set([first?.rootEntry.obj, ...(first?.entries ?? []).map(({ obj }) => obj)]);
  assert.equal(await objectCount(first?.id ?? ""), own.size);
  assert.equal(await objectCount(`--directory-id=${first?.rootEntry.obj}`), own.size);
  assert.equal(await objectCount(`--file-id=${first?.rootEntry.obj}/hello.txt`), 1);
  assert.equal(await objectCount("--sources=nobody@nowhere:/none"), 0);
  const unknown = await verify(copy, "0".repeat(32));
  assert.deepEqual([unknown.exitCode, unknown.result?.errorCount], [1, 1]);
  assert.match(unknown.stderr, /hint: `snapshot list --all`/);
  const nonsense = await copy.sejf.run(["snapshot", "verify", "--verify-files-percent=101"]);
  assert.equal(nonsense.exitCode, 2);
});

test("snapshot verify: a flipped byte in manifests is named; other snapshots stay listed and nothing is expired", async () => {
  const manifests = contents().filter(
    ({ contentID, deleted }) => contentID.startsWith("m") && !deleted,
  );
  assert.ok(manifests.length > 1);
  const all = snapshots().map(({ id }) => id);
  const lost = new Set<string>();
  for (const [index, { contentID, packFile, packOffset, length }] of manifests.entries()) {
    await using copy = await GoldenCopy.open(NAME);
    await copy.damage(packFile, packOffset + Math.floor(length / 2));
    const { exitCode, stderr, result } = await verify(copy);
    assert.deepEqual([exitCode, result?.errorCount], [1, 1]);
    const [text = ""] = result?.errorStrings ?? [];
    assert.ok(text.includes(contentID) && text.includes(packFile), text);
    assert.match(stderr, /snapshots and policies in it are missing/);
    assert.match(stderr, new RegExp(`hint: .*content delete ${contentID}`));
    const listed = await copy.sejf.json<readonly { readonly id: string }[]>([
      "snapshot",
      "list",
      "--json",
    ]);
    for (const id of all) if (!listed.some((one) => one.id === id)) lost.add(id);
    assert.ok(listed.length > 0);
    if (index > 0) continue;
    const expired = await copy.sejf.run(["snapshot", "expire", "--all", "--delete"]);
    assert.equal(expired.exitCode, 1);
    assert.match(expired.stderr, /nothing was expired/);
    await copy.sejf.ok(["content", "delete", contentID, "--dangerous-commands=enabled"]);
    assert.equal((await verify(copy)).exitCode, 0);
  }
  assert.deepEqual([...lost].toSorted(), all.toSorted(), "each is in one of them");
});
