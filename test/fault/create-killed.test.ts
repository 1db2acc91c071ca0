/** `snapshot create` killed at any moment, or stopped by Ctrl-C: what was reported is there, and the next run goes on. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import type { SeededRandom } from "../../src/testkit/random.ts";
import { openSources, type SourcesClient } from "../cli/support.ts";
import {
  assertWhole,
  changeTree,
  differences,
  digestTree,
  holdsBlob,
  listed,
  type Moment,
  restored,
  rounds,
  runAndSignal,
  seeded,
  type SnapshotJson,
  type TreeDigest,
  writeTree,
} from "./support.ts";

const BIG_BYTES = 11_000_000;

interface Setting extends AsyncDisposable {
  readonly sejf: SourcesClient;
  readonly random: SeededRandom;
  readonly repository: string;
  readonly tree: string;
}

/** Packs of 10 MB and a slow store, so that there is something to interrupt. */
async function openSetting(t: TestContext, files: number, big = 2): Promise<Setting> {
  const random = seeded(t);
  const sejf = await openSources();
  const repository = join(sejf.home, "repo");
  const tree = join(sejf.home, "tree");
  mkdirSync(tree);
  writeTree(tree, random, { files, big, bigBytes: BIG_BYTES });
  await sejf.ok(["repository", "create", "filesystem", "--path", repository]);
  await sejf.ok(["repository", "set-parameters", "--max-pack-size-mb=10"]);
  await sejf.ok(["repository", "throttle", "set", "--upload-bytes-per-second=60000000"]);
  return {
    sejf,
    random,
    repository,
    tree,
    [Symbol.asyncDispose]: () => sejf[Symbol.asyncDispose](),
  };
}

async function create({ sejf, tree }: Setting): Promise<SnapshotJson> {
  return await sejf.json(["snapshot", "create", tree, "--json", "--json-verbose"]);
}

test("killed snapshot create: the repository is whole, what was reported can be restored, the next run completes", async (t) => {
  await using setting = await openSetting(t, 600);
  const { sejf, random, repository, tree } = setting;
  const reported = new Map<string, TreeDigest>();
  const startMs = performance.now();
  reported.set((await create(setting)).id, digestTree(tree));
  const wholeMs = performance.now() - startMs;
  const moments: readonly (() => Moment)[] = [
    () => ({ when: () => holdsBlob(repository, "p", "tmp") }),
    () => ({ afterMs: 200 + random.int(wholeMs * 0.8) }),
    () => ({ says: /Created snapshot/ }),
    () => ({ when: () => holdsBlob(repository, "xn", "tmp") }),
  ];
  for (let round = 0; round < rounds(2); round++) {
    changeTree(tree, random, BIG_BYTES);
    const digest = digestTree(tree);
    const moment = (moments[round % moments.length] as () => Moment)();
    const killed = await runAndSignal(sejf, ["snapshot", "create", tree], moment);
    t.diagnostic(
      `${JSON.stringify(moment)}: killed ${killed.signalled} after ${Math.round(killed.tookMs)} ms`,
    );
    const id = /and ID ([0-9a-f]{32})/.exec(killed.stderr)?.[1];
    if (id !== undefined) reported.set(id, digest);
    const ids = (await listed(sejf)).map((snapshot) => snapshot.id);
    for (const known of reported.keys())
      assert.ok(
        ids.includes(known),
        `${known} was reported and is gone; there are ${ids.join(", ")}; killed run: ${killed.stderr}`,
      );
    await assertWhole(sejf);
    const next = await create(setting);
    reported.set(next.id, digest);
  }
  for (const [id, digest] of reported)
    assert.deepEqual(differences(digest, await restored(sejf, id)), [], id);
  await assertWhole(sejf);
  await kopiaVerifies(t, repository);
});

async function kopiaVerifies(t: TestContext, repository: string): Promise<void> {
  if (KOPIA_SKIP !== false) {
    t.diagnostic(`not looked at by kopia: ${KOPIA_SKIP}`);
    return;
  }
  await using kopia = await openKopia();
  await kopia.ok(["repository", "connect", "filesystem", "--path", repository]);
  await kopia.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  await kopia.ok(["content", "verify", "--full"]);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} to snapshot create: an incomplete snapshot is there, and the next run reuses it`, {
    skip: process.platform === "win32" ? "no shell" : false,
  }, async (t) => {
    await using setting = await openSetting(t, 300, 0);
    const { sejf, tree } = setting;
    // The last folder waits for its action: everything else is stored by then, and the end cannot come first.
    const last = join(tree, "zz");
    mkdirSync(last);
    const script = join(sejf.home, "wait.sh");
    writeFileSync(script, "#!/bin/sh\nexec sleep 300\n", { mode: 0o755 });
    await sejf.ok(["policy", "set", last, `--before-folder-action=${script}`]);
    const watched = ["--force-enable-actions", "--json-progress", "--progress-update-interval=1ms"];
    const moment = { says: /"hashedFiles":[1-9]\d{2}/ };
    const args = ["snapshot", "create", tree, ...watched];
    const stopped = await runAndSignal(sejf, args, moment, signal);
    assert.ok(stopped.signalled, stopped.stderr);
    assert.equal(stopped.exitCode, 1, stopped.stderr);
    assert.match(stopped.stderr, /Stopped before the end; the next snapshot goes on/);
    const [incomplete] = await listed(sejf);
    assert.equal(incomplete?.incomplete, "canceled", stopped.stderr);
    await assertWhole(sejf);
    const next = await create(setting);
    assert.equal(next.incomplete, undefined);
    assert.ok((next.stats?.cachedFiles ?? 0) > 0, JSON.stringify(next.stats));
    assert.deepEqual(differences(digestTree(tree), await restored(sejf, next.id)), []);
  });
}

test("SIGINT while the repository is still being opened: nothing is written, and it says so", async (t) => {
  await using setting = await openSetting(t, 10);
  const { sejf, tree } = setting;
  const stopped = await runAndSignal(sejf, ["snapshot", "create", tree], { afterMs: 20 }, "SIGINT");
  assert.ok(stopped.signalled);
  assert.notEqual(stopped.exitCode, 0);
  assert.doesNotMatch(stopped.stderr, /unexpected failure|\n\s+at /);
  await assertWhole(sejf);
});
