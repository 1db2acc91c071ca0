/** The expert commands print what kopia prints, on repositories made by kopia. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KOPIA_SKIP } from "../../src/testkit/kopia.ts";
import { GoldenCopy } from "./golden-copy.ts";

/** Byte for byte. */
const SAME: Readonly<Record<string, readonly string[]>> = {
  "kopia-default": [
    "content list -l",
    "content list -c --deleted --human",
    "content list --json",
    "content stats --raw --prefix=m",
    "blob stats --prefix=q",
    "index list --json --sort=name",
    "manifest list --json",
    "manifest ls --filter=type:snapshot --sort=path",
  ],
  "kopia-v1": ["content list --summary --prefixed", "index list --sort=name"],
  "kopia-epochs": [
    "content list --json --deleted",
    "content ls --deleted-only",
    "index ls --summary --superseded --sort=name",
  ],
};

/** The order is the store's, or no order at all. */
const SAME_LINES: Readonly<Record<string, readonly string[]>> = {
  "kopia-default": ["content stats", "blob list --data-only --exclude-prefix=q --min-size=100"],
  "kopia-v1": ["blob list", "index inspect --active"],
  "kopia-epochs": ["index inspect --all"],
};

function sorted(text: string): readonly string[] {
  return text.split("\n").toSorted((a, b) => (a < b ? -1 : 1));
}

for (const name of Object.keys(SAME)) {
  test(`${name}: lists, statistics and JSON are kopia's`, { skip: KOPIA_SKIP }, async () => {
    await using copy = await GoldenCopy.open(name);
    for (const line of [...(SAME[name] ?? []), ...(SAME_LINES[name] ?? [])]) {
      const args = line.split(" ");
      const theirs = await copy.kopia(args);
      assert.equal(theirs.exitCode, 0, theirs.stderr);
      assert.notEqual(theirs.stdout, "", line);
      const ours = (await copy.sejf.ok(args)).stdout;
      if (SAME[name]?.includes(line) === true) assert.equal(ours, theirs.stdout, line);
      else assert.deepEqual(sorted(ours), sorted(theirs.stdout), line);
    }
  });
}

test("contents, blobs and manifests are shown as kopia shows them", {
  skip: KOPIA_SKIP,
}, async () => {
  await using copy = await GoldenCopy.open("kopia-v1-upgraded");
  const [directory = ""] = await copy.lines("content", "list", "--prefix=k");
  const [manifests = ""] = await copy.lines("content", "list", "--prefix=m");
  const [item = ""] =
    (await copy.lines("manifest", "list", "--filter=type:policy"))[0]?.split(" ") ?? [];
  const oldIndexes = await copy.lines("blob", "list", "--prefix=n");
  // One of them is there to keep old programs out, and holds nothing.
  const [index = ""] = oldIndexes.find((line) => !line.startsWith("n0000"))?.split(" ") ?? [];
  for (const args of [
    ["content", "show", "-j", directory],
    ["content", "cat", directory, directory],
    ["content", "show", "-z", "-j", manifests],
    ["blob", "show", "kopia.repository"],
    ["blob", "cat", "--decrypt", index],
  ]) {
    const theirs = await copy.kopia(args);
    assert.equal(theirs.exitCode, 0, theirs.stderr);
    assert.deepEqual((await copy.sejf.ok(args)).stdoutBytes, theirs.stdoutBytes, args.join(" "));
  }
  // Kopia puts labels in any order and no newline at the end.
  const theirs = (await copy.kopia(["manifest", "show", item])).stdout;
  assert.deepEqual(
    sorted((await copy.sejf.ok(["manifest", "show", item])).stdout.trimEnd()),
    sorted(theirs),
  );
});

test("what sejf merges, rewrites and recovers, kopia reads", { skip: KOPIA_SKIP }, async () => {
  const dangerous = "--dangerous-commands=enabled";
  await using copy = await GoldenCopy.open("kopia-v1");
  const { sejf } = copy;
  const before = await copy.lines("content", "list");
  await sejf.ok(["index", "optimize", dangerous]);
  assert.equal((await copy.lines("index", "list")).length, 1);
  await sejf.ok(["content", "rewrite", "--short", "--safety=none", dangerous]);
  await sejf.ok(["blob", "gc", "--delete=yes", "--safety=none", dangerous]);
  await sejf.ok(["index", "recover", "--delete-indexes", "--commit", dangerous]);
  const verified = await copy.kopia(["content", "verify", "--full"]);
  assert.equal(verified.exitCode, 0, verified.stderr);
  const listed = await copy.kopia(["content", "list"]);
  assert.deepEqual(listed.stdout.trimEnd().split("\n"), before);
});
