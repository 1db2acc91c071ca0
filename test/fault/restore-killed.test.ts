/** `restore` killed at any moment and run again: the tree is complete, and no half file passes for a whole one. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openSources, type SourcesClient } from "../cli/support.ts";
import {
  differences,
  digestTree,
  everythingBelow,
  type Moment,
  rounds,
  runAndSignal,
  seeded,
  type SnapshotJson,
  type TreeDigest,
  writeTree,
} from "./support.ts";

const BIG_BYTES = 10_000_000;
const SIZE = { files: 700, big: 3, bigBytes: BIG_BYTES };

/** Whoever looks at size and time takes such files for restored: they must be. */
function assertNoneFalselyWhole(expected: TreeDigest, actual: TreeDigest): void {
  for (const [path, found] of actual) {
    const wanted = expected.get(path);
    const [mode, time, bytes] = found.split(" ");
    const [, wantedTime, wantedBytes] = wanted?.split(" ") ?? [];
    if (bytes === undefined || time !== wantedTime) continue;
    assert.equal(bytes, wantedBytes, `${path} has its time, but not its bytes (mode ${mode})`);
  }
}

test("killed restore, run again: the tree is complete and equal", async (t) => {
  const random = seeded(t);
  await using sejf = await openSources();
  const tree = join(sejf.home, "tree");
  const target = join(sejf.home, "target");
  mkdirSync(tree);
  writeTree(tree, random, SIZE);
  const expected = digestTree(tree);
  const wholeMs = await prepare(sejf, tree, target);
  const { id } = await newest(sejf);
  assert.deepEqual(differences(expected, digestTree(target)), []);
  const moments: readonly (() => Moment)[] = [
    () => ({ when: () => everythingBelow(target).some((path) => path.includes("big")) }),
    () => {
      const count = random.int(expected.size);
      return { when: () => everythingBelow(target).length > count };
    },
    () => ({ afterMs: random.int(wholeMs) }),
  ];
  const again: readonly (readonly string[])[] = [
    [],
    ["--skip-existing"],
    ["--write-files-atomically", "--skip-existing"],
    ["--delete-extra", "--write-sparse-files"],
  ];
  for (let round = 0; round < rounds(2); round++) {
    await rm(target, { recursive: true, force: true });
    const moment = (moments[round % moments.length] as () => Moment)();
    const flags = again[round % again.length] ?? [];
    const killed = await runAndSignal(sejf, ["restore", id, target, ...flags], moment);
    const left = everythingBelow(target);
    t.diagnostic(
      `killed ${killed.signalled} after ${Math.round(killed.tookMs)} ms, ${left.length} of ${expected.size} entries, then ${flags.join(" ")}`,
    );
    if (left.length > 0) assertNoneFalselyWhole(expected, digestTree(target));
    await sejf.ok(["restore", id, target, ...flags]);
    // temporary files of a killed run are nobody's; everything else is as it was
    const actual = new Map([...digestTree(target)].filter(([path]) => !path.includes(".tmp")));
    assert.deepEqual(differences(expected, actual), []);
  }
});

async function prepare(sejf: SourcesClient, tree: string, target: string): Promise<number> {
  await sejf.ok(["repository", "create", "filesystem", "--path", join(sejf.home, "repo")]);
  await sejf.ok(["snapshot", "create", tree]);
  const { id } = await newest(sejf);
  const startMs = performance.now();
  await sejf.ok(["restore", id, target]);
  return performance.now() - startMs;
}

async function newest(sejf: SourcesClient): Promise<SnapshotJson> {
  const all = await sejf.json<readonly SnapshotJson[]>(["snapshot", "list", "--json", "--all"]);
  return all.at(-1) as SnapshotJson;
}

test("a restore stopped by SIGINT says so and ends with 1, and goes on with --skip-existing", async (t) => {
  const random = seeded(t);
  await using sejf = await openSources();
  const tree = join(sejf.home, "tree");
  const target = join(sejf.home, "target");
  mkdirSync(tree);
  writeTree(tree, random, SIZE);
  await sejf.ok(["repository", "create", "filesystem", "--path", join(sejf.home, "repo")]);
  await sejf.ok(["snapshot", "create", tree]);
  const { id } = await newest(sejf);
  const moment = { when: () => everythingBelow(target).length > 100 };
  const stopped = await runAndSignal(sejf, ["restore", id, target], moment, "SIGINT");
  assert.ok(stopped.signalled);
  assert.equal(stopped.exitCode, 1, stopped.stderr);
  assert.match(stopped.stderr, /stopped on request/i);
  assert.doesNotMatch(stopped.stderr, /unexpected failure|\n\s+at /);
  await sejf.ok(["restore", id, target, "--skip-existing"]);
  assert.deepEqual(differences(digestTree(tree), digestTree(target)), []);
});
