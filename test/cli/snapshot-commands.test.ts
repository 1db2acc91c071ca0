/** `diff`, `snapshot expire`, `pin`, `fix`, `migrate`, `estimate` and the histories as a user runs them, without kopia. */
import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { goldenRepository } from "../../src/testkit/golden.ts";
import { GoldenCopy } from "./golden-copy.ts";
import { openSources } from "./support.ts";

interface Listed {
  readonly id: string;
  readonly source: { readonly host: string; readonly userName: string; readonly path: string };
  readonly pins?: readonly string[];
  readonly tags?: Readonly<Record<string, string>>;
  readonly rootEntry: { readonly obj: string; readonly summ: { readonly files: number } };
}

function list(copy: GoldenCopy): Promise<readonly Listed[]> {
  return copy.sejf.json<readonly Listed[]>(["snapshot", "list", "--all", "--json"]);
}

const NAME = "kopia-default";

test("diff: counts on the last line, lines before it only unless --stats-only, files with another program", async () => {
  await using copy = await GoldenCopy.open(NAME);
  const [first, second] = (await list(copy))
    .filter(({ source }) => source.path === "/data/tree")
    .slice(-2);
  const ids = [first?.id ?? "", second?.id ?? ""];
  const { stdout } = await copy.sejf.ok(["diff", ...ids]);
  const lines = stdout.split("\n");
  const counts = JSON.parse(lines.at(-1) ?? "") as Record<string, Record<string, number>>;
  assert.ok(
    lines.some((line) =>
      /^changed \.\/hello\.txt at .* \+0000 UTC \(size \d+ -> \d+\)$/.test(line),
    ),
    stdout,
  );
  assert.equal(counts["fileEntries"]?.["added"], 0);
  assert.ok((counts["fileEntries"]?.["modified"] ?? 0) > 0);
  assert.deepEqual((await copy.sejf.ok(["compare", "--stats-only", ...ids])).stdout, lines.at(-1));
  const shown = await copy.sejf.ok(["diff", "--files", "--diff-command=cat", ...ids]);
  const texts = await Promise.all(
    ids.map(async (id) => (await copy.sejf.ok(["show", `${id}/hello.txt`])).stdout),
  );
  assert.ok(shown.stdout.includes(texts.join("")), shown.stdout);
  const missing = await copy.sejf.run(["diff", "--files", "--diff-command=/no/such", ...ids]);
  assert.deepEqual([missing.exitCode, /running \/no\/such/.test(missing.stderr)], [1, true]);
});

test("diff: of paths below snapshots, and not of a file with a directory", async () => {
  await using copy = await GoldenCopy.open(NAME);
  const [snapshot] = (await list(copy)).filter(({ source }) => source.path === "/data/tree");
  const docs = `${snapshot?.id}/docs`;
  const same = await copy.sejf.ok(["diff", docs, docs]);
  assert.match(same.stdout, /^\{"fileEntries":\{"added":0,/);
  const mixed = await copy.sejf.run(["diff", docs, `${snapshot?.id}/hello.txt`]);
  assert.notEqual(mixed.exitCode, 0);
  assert.match(mixed.stderr, /both be directories or both non-directories/);
});

test("snapshot pin and expire: a pinned snapshot stays, others go when it is confirmed", async () => {
  await using copy = await GoldenCopy.open(NAME);
  const tree = (await list(copy)).filter(({ source }) => source.path === "/data/tree");
  const source = "fixuser@fixhost:/data/tree";
  await copy.sejf.ok([
    "policy",
    "set",
    source,
    "--keep-latest=1",
    ...["hourly", "daily", "weekly", "monthly", "annual"].map((one) => `--keep-${one}=0`),
  ]);
  const [oldest] = tree;
  for (const { id, pins = [] } of tree)
    for (const pin of pins) await copy.sejf.ok(["snapshot", "pin", id, `--remove=${pin}`]);
  const unpinned = (await list(copy)).find(
    ({ rootEntry }) => rootEntry.obj === oldest?.rootEntry.obj,
  );
  const pinned = await copy.sejf.ok([
    "snapshot",
    "pin",
    unpinned?.id ?? "",
    "--add=mine",
    "--add=mine",
  ]);
  assert.match(pinned.stderr, /^Updating snapshot at .* of fixuser@fixhost:\/data\/tree/m);
  const again = await copy.sejf.ok(["snapshot", "pin", oldest?.rootEntry.obj ?? "", "--add=mine"]);
  assert.match(again.stderr, /^No change for snapshot at/m);
  const dry = await copy.sejf.ok(["snapshot", "expire", source]);
  assert.match(dry.stderr, /^1 snapshot\(s\) of .* would be deleted\. Pass --delete to do it\.$/m);
  assert.equal((await list(copy)).length, 4);
  const done = await copy.sejf.ok(["snapshot", "expire", "--all", "--delete"]);
  assert.match(done.stderr, /^Deleted 1 snapshots of fixuser@fixhost:\/data\/tree\.\.\.$/m);
  assert.match(
    done.stderr,
    /^Nothing to delete for fixuser@fixhost:\/data\/tree\/docs\/readme\.md\.$/m,
  );
  const left = (await list(copy)).filter(({ source: one }) => one.path === "/data/tree");
  assert.deepEqual(
    left.map(({ pins = [] }) => pins),
    [["mine"], []],
  );
  assert.equal((await copy.sejf.run(["snapshot", "pin", "x"])).exitCode, 2);
  assert.equal((await copy.sejf.run(["snapshot", "pin", "0".repeat(32), "--add=a"])).exitCode, 1);
});

test("snapshot fix: only with --commit, and the result verifies", async () => {
  await using copy = await GoldenCopy.open(NAME);
  const before = await list(copy);
  const dry = await copy.sejf.ok(["snapshot", "fix", "remove-files", "--filename=hello.*"]);
  assert.match(dry.stderr, /^will remove file hello\.txt$/m);
  assert.match(dry.stderr, /Pass --commit to update snapshots\.$/m);
  assert.deepEqual(await list(copy), before);
  await copy.sejf.ok(["snapshot", "fix", "remove-files", "--filename=hello.*", "--commit"]);
  const after = await list(copy);
  for (const [at, { id, source, rootEntry }] of before.entries()) {
    const changed = source.path === "/data/tree";
    assert.equal(after[at]?.rootEntry.summ.files, rootEntry.summ.files - (changed ? 1 : 0));
    assert.equal(after[at]?.id === id, !changed);
  }
  const nothing = await copy.sejf.ok([
    "snapshot",
    "fix",
    "invalid-files",
    "--verify-files-percent=100",
  ]);
  assert.match(nothing.stderr, /^No changes\.$/m);
  await copy.sejf.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  for (const args of [
    ["remove-files"],
    ["remove-files", "--filename=["],
    ["invalid-files", "--invalid-file-handling=x"],
  ])
    assert.equal((await copy.sejf.run(["snapshot", "fix", ...args])).exitCode, 2, args.join(" "));
});

test("snapshot fix invalid-files: takes out what verify complains of", async () => {
  await using copy = await GoldenCopy.open(NAME);
  const contents = goldenRepository(NAME).expected["contents"] as readonly {
    readonly contentID: string;
    readonly packFile: string;
    readonly packOffset: number;
    readonly length: number;
  }[];
  const [snapshot] = await list(copy);
  const hello = (await copy.sejf.ok(["list", "-o", snapshot?.rootEntry.obj ?? ""])).stdout
    .split("\n")
    .find((line) => line.endsWith(" hello.txt"))
    ?.split(" ")[0];
  const content = contents.find(({ contentID }) => contentID === hello);
  assert.ok(content);
  await copy.damage(content.packFile, content.packOffset + content.length - 1);
  const read = "--verify-files-percent=100";
  assert.equal((await copy.sejf.run(["snapshot", "verify", read])).exitCode, 1);
  const failing = await copy.sejf.run([
    "snapshot",
    "fix",
    "invalid-files",
    read,
    "--invalid-file-handling=fail",
  ]);
  assert.equal(failing.exitCode, 1);
  const fixed = await copy.sejf.ok(["snapshot", "fix", "invalid-files", read, "--commit"]);
  assert.match(fixed.stderr, /^removing invalid file hello\.txt due to: /m);
  await copy.sejf.ok(["snapshot", "verify", read]);
  const [now] = await list(copy);
  const stub = await copy.sejf.json<Record<string, unknown>>([
    "show",
    `${now?.id}/.INVALID.hello.txt`,
  ]);
  assert.equal((stub["entry"] as Record<string, unknown>)["obj"], hello);
});

test("snapshot copy-history and move-history: dry first, then for good", async () => {
  await using copy = await GoldenCopy.open(NAME);
  const dry = await copy.sejf.ok(["snapshot", "copy-history", "@fixhost", "@other", "-n"]);
  assert.match(
    dry.stderr,
    /^copying \(dry run\) fixuser@fixhost:\/data\/tree \(.*\) => fixuser@other:\/data\/tree$/m,
  );
  assert.equal((await list(copy)).length, 4);
  await copy.sejf.ok(["snapshot", "copy-history", "@fixhost", "@other"]);
  assert.equal((await list(copy)).length, 8);
  const again = await copy.sejf.ok(["snapshot", "move-history", "@fixhost", "@other"]);
  assert.match(again.stderr, / already exists - deleting source$/m);
  const left = await list(copy);
  assert.deepEqual(
    [left.length, new Set(left.map(({ source }) => source.host))],
    [4, new Set(["other"])],
  );
  assert.deepEqual(left.filter(({ tags }) => tags !== undefined).length, 1);
  assert.equal((await copy.sejf.run(["snapshot", "copy-history", "@a", "b@c"])).exitCode, 2);
});

test("snapshot migrate: from one repository to another with their own caches and passwords, twice", async () => {
  await using from = await GoldenCopy.open("kopia-v1");
  await using to = await openSources({ SEJF_PASSWORD: "other password" });
  const path = join(to.home, "target");
  await to.ok(["repository", "create", "filesystem", "--path", path, "--no-persist-credentials"]);
  await from.sejf.ok(["repository", "connect", "filesystem", "--path", from.path]);
  const args = ["snapshot", "migrate", `--source-config=${from.sejf.configFile}`];
  assert.equal((await to.run(args)).exitCode, 2);
  const first = await to.ok([...args, "--all"]);
  assert.match(first.stderr, /^migrating snapshot of fixuser@fixhost:\/data\/tree at /m);
  assert.match(first.stderr, /^policy already set for \(global\)$/m);
  assert.match(first.stderr, /^Migration finished\.$/m);
  const second = await to.ok([
    ...args,
    "--sources=fixuser@fixhost:/data/tree",
    "--overwrite-policies",
  ]);
  assert.match(second.stderr, /^already migrated fixuser@fixhost:\/data\/tree at /m);
  assert.match(second.stderr, /^migrating policy for fixuser@fixhost:\/data\/tree$/m);
  const [before, after] = [
    await list(from),
    await to.json<readonly Listed[]>(["snapshot", "list", "--all", "--json"]),
  ];
  const told = ({ source, tags, pins, rootEntry }: Listed): unknown => [
    source,
    tags,
    pins,
    rootEntry.summ,
  ];
  assert.deepEqual(after.map(told), before.map(told));
  await to.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  const absent = await to.run(["snapshot", "migrate", "--source-config=/no/such", "--all"]);
  assert.equal(absent.exitCode, 1);
});

test("snapshot estimate: the table of sizes and the time", async () => {
  await using copy = await GoldenCopy.open(NAME);
  const tree = join(copy.sejf.home, "tree");
  await mkdir(join(tree, "sub"), { recursive: true });
  await writeFile(join(tree, "sub", "big"), new Uint8Array(30_000_000));
  await writeFile(join(tree, "small"), "12345");
  await writeFile(join(tree, "left.tmp"), "1");
  await symlink("small", join(tree, "link"));
  const { stdout, stderr } = await copy.sejf.ok([
    "snapshot",
    "estimate",
    tree,
    "--show-files",
    "--upload-speed=8",
  ]);
  assert.deepEqual(stdout.split("\n"), [
    "Snapshot includes 2 file(s), total size 30 MB",
    "   10 MB ...100 MB:       1 files, total size 30 MB",
    " - sub/big - 30 MB",
    "   0 B   ...  1 KB:       1 files, total size 5 B",
    " - small - 5 B",
    "",
    "Snapshot excludes 1 file(s), total size 1 B",
    "   0 B   ...  1 KB:       1 files, total size 1 B",
    " - left.tmp - 1 B",
    "Snapshot excludes no directories.",
    "",
    "Estimated upload time: 30s at 8 Mbit/s",
    "",
  ]);
  assert.equal(stderr, "Analyzing ....\nAnalyzing sub...\n");
  assert.equal((await copy.sejf.ok(["snapshot", "estimate", tree, "-q"])).stderr, "");
  for (const [path, message] of [
    [join(tree, "small"), "must be a directory"],
    [join(tree, "none"), "does not exist"],
  ] as const) {
    const { exitCode, stderr: told } = await copy.sejf.run(["snapshot", "estimate", path]);
    assert.deepEqual([exitCode, told.includes(message)], [1, true]);
  }
});
