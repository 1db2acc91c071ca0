/**
 * Commands on the repository as a whole, killed between any two of their writes: it opens afterwards in the old or
 * the new state, nothing is lost, and the same command run again completes.
 */
import assert from "node:assert/strict";
import { mkdirSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { copiesOf } from "../../src/testkit/copies.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { openSources, type SourcesClient } from "../cli/support.ts";
import {
  assertWhole,
  differences,
  digestTree,
  everythingBelow,
  holdsBlob,
  listed,
  type Moment,
  restored,
  rounds,
  runAndSignal,
  seeded,
  type Stopped,
  type TreeDigest,
  writeTree,
} from "./support.ts";

interface Setting extends AsyncDisposable {
  readonly sejf: SourcesClient;
  readonly random: SeededRandom;
  readonly repository: string;
  readonly tree: string;
  readonly digest: TreeDigest;
  readonly id: string;
}

const TREE = "tree";
const REPOSITORY = "repo";

interface Stored extends AsyncDisposable {
  readonly sejf: SourcesClient;
  readonly digest: TreeDigest;
}

/** In each format. */
const stored = { "1": storedIn("1"), "3": storedIn("3") };

function storedIn(version: string): () => Promise<Stored> {
  return copiesOf(
    async () => {
      const sejf = await openSources();
      const tree = join(sejf.home, TREE);
      mkdirSync(tree);
      writeTree(tree, new SeededRandom(1), { files: 60, big: 1, bigBytes: 500_000 });
      const repository = ["--path", join(sejf.home, REPOSITORY), `--format-version=${version}`];
      await sejf.ok(["repository", "create", "filesystem", ...repository]);
      await sejf.ok(["snapshot", "create", tree]);
      return disposable(sejf, digestTree(tree));
    },
    async ({ sejf, digest }) => disposable(await sejf.copy(), digest),
  );
}

function disposable(sejf: SourcesClient, digest: TreeDigest): Stored {
  return { sejf, digest, [Symbol.asyncDispose]: () => sejf[Symbol.asyncDispose]() };
}

/** A repository with one snapshot of a small tree, with that tree's digest. */
async function openSetting(t: TestContext, version: "1" | "3" = "3"): Promise<Setting> {
  const random = seeded(t);
  const made = await stored[version]();
  const { sejf } = made;
  const [repository, tree] = [join(sejf.home, REPOSITORY), join(sejf.home, TREE)];
  const [id = ""] = (await listed(sejf)).map((snapshot) => snapshot.id);
  return { ...made, random, repository, tree, id };
}

/** Each write waits for the one before: a kill falls between them, not behind them all. */
async function slowDown(sejf: SourcesClient): Promise<void> {
  await sejf.ok(["repository", "throttle", "set", "--write-requests-per-second=10"]);
}

async function assertNothingLost({ sejf, id, digest }: Setting): Promise<void> {
  await assertWhole(sejf);
  assert.deepEqual(differences(digest, await restored(sejf, id)), []);
}

/** The n-th change of any file below a folder after the moment was made. */
function change(folder: string, count: number): Moment {
  const before = state(folder);
  let last = before;
  let seen = 0;
  return {
    when: () => {
      const now = state(folder);
      if (now !== last) seen++;
      last = now;
      return seen >= count;
    },
  };
}

function state(folder: string): string {
  return everythingBelow(folder)
    .map((path) => {
      const stat = statSync(join(folder, path), { bigint: true, throwIfNoEntry: false });
      return stat?.isFile() === true ? `${path} ${stat.ino} ${stat.mtimeNs}` : "";
    })
    .toSorted()
    .join("\n");
}

function tell(t: TestContext, { signalled, tookMs }: Stopped): void {
  t.diagnostic(`killed ${signalled} after ${Math.round(tookMs)} ms`);
}

test("killed repository create: run again it makes the repository, or what is there can be connected to", async (t) => {
  const random = seeded(t);
  await using sejf = await openSources();
  const repository = join(sejf.home, "repo");
  const tree = join(sejf.home, "tree");
  mkdirSync(tree);
  writeTree(tree, random, { files: 20, big: 0, bigBytes: 0 });
  const create = ["repository", "create", "filesystem", "--path", repository];
  const holds = (name: string) => (): boolean =>
    everythingBelow(repository).some((path) => path.startsWith(name));
  const moments: readonly Moment[] = [
    { when: holds("kopia.blobcfg.f") },
    { when: holds("kopia.repository.f") },
    { afterMs: 100 + random.int(900) },
    { when: holds("q") },
  ];
  for (let round = 0; round < rounds(2); round++) {
    await rm(repository, { recursive: true, force: true });
    await rm(sejf.configFile, { force: true });
    tell(t, await runAndSignal(sejf, create, moments[round % moments.length] as Moment));
    const again = await sejf.run(create);
    if (again.exitCode !== 0) {
      assert.match(again.stderr, /is not empty|already/);
      await sejf.ok(["repository", "connect", "filesystem", "--path", repository]);
    }
    const { id } = await sejf.json<{ readonly id: string }>(["snapshot", "create", tree, "--json"]);
    assert.deepEqual(differences(digestTree(tree), await restored(sejf, id)), []);
  }
});

test("killed change-password: the old password opens the repository, or the new one", async (t) => {
  await using setting = await openSetting(t);
  const { sejf, random, repository, id, digest } = setting;
  await slowDown(sejf);
  let password = "fixture-password";
  for (let round = 0; round < rounds(2); round++) {
    const next = `next-${round}`;
    const env = { SEJF_PASSWORD: password };
    const moment = round % 4 === 3 ? { afterMs: random.int(1500) } : change(repository, round % 4);
    const args = [
      "repository",
      "change-password",
      `--new-password=${next}`,
      `--password=${password}`,
    ];
    tell(t, await runAndSignal(sejf, args, round % 4 === 0 ? change(repository, 1) : moment));
    const withOld = await sejf.run(["snapshot", "list"], { env });
    if (withOld.exitCode !== 0) {
      await sejf.ok(["snapshot", "list"], { env: { SEJF_PASSWORD: next } });
      assert.match(withOld.stderr, /password/);
      password = next;
    }
    // and what was begun can be finished
    await sejf.ok(["repository", "change-password", "--new-password=done"], {
      env: { SEJF_PASSWORD: password },
    });
    password = "done";
  }
  const env = { SEJF_PASSWORD: password };
  const target = join(sejf.home, "target");
  await sejf.ok(["restore", id, target], { env });
  assert.deepEqual(differences(digest, digestTree(target)), []);
  await sejf.ok(["snapshot", "verify", "--verify-files-percent=100"], { env });
});

test("killed set-parameters: the old or the new parameters, and everything readable", async (t) => {
  await using setting = await openSetting(t);
  const { sejf, random, repository } = setting;
  await slowDown(sejf);
  for (let round = 0; round < rounds(2); round++) {
    const moment =
      round % 3 === 2 ? { afterMs: random.int(1200) } : change(repository, 1 + (round % 3));
    const size = `--max-pack-size-mb=${10 + round}`;
    tell(t, await runAndSignal(sejf, ["repository", "set-parameters", size], moment));
    await sejf.ok(["snapshot", "list"]);
    await sejf.ok(["repository", "set-parameters", size]);
  }
  await assertNothingLost(setting);
});

for (const version of ["1", "3"] as const) {
  test(`killed policy set, index optimize and content rewrite, format version ${version}: nothing is lost`, async (t) => {
    await using setting = await openSetting(t, version);
    const { sejf, random, repository, tree } = setting;
    await slowDown(sejf);
    // what was reported last, and what was begun since
    const possible = new Map<number, readonly number[]>();
    const setOne = async (number: number, value: number): Promise<void> => {
      const args = ["policy", "set", `${tree}/${number}`, `--keep-latest=${value}`];
      const moment =
        number % 2 === 0 ? change(repository, 1 + random.int(3)) : { afterMs: random.int(1500) };
      const killed = await runAndSignal(sejf, args, moment);
      const before = possible.get(number);
      if (killed.exitCode === 0) possible.set(number, [value]);
      else if (before !== undefined) possible.set(number, [...before, value]);
    };
    const commands = [
      ["index", "optimize", "--all", "--max-small-blobs=1", "--dangerous-commands=enabled"],
      ["content", "rewrite", "--short", "--safety=none", "--dangerous-commands=enabled"],
    ];
    for (let round = 0; round < rounds(2); round++) {
      for (let number = 0; number < 3; number++) await setOne(number, 10 * round + number + 1);
      for (const command of commands) {
        const moment = change(repository, 1 + random.int(3));
        tell(t, await runAndSignal(sejf, command, moment));
        await sejf.ok(["snapshot", "list"]);
      }
    }
    await assertNothingLost(setting);
    for (const command of commands) await sejf.ok(command);
    await assertNothingLost(setting);
    for (const [number, values] of possible) {
      const { retention } = await sejf.json<{
        readonly retention: { readonly keepLatest: number };
      }>(["policy", "show", `${tree}/${number}`, "--json"]);
      assert.ok(values.includes(retention.keepLatest), `${number}: ${retention.keepLatest}`);
    }
  });
}

test("killed sync-to: the copy is no repository or a whole one, and the next run completes it", async (t) => {
  await using setting = await openSetting(t);
  const { sejf, random, tree, digest, id } = setting;
  await using other = await openSources();
  const copy = join(sejf.home, "copy");
  const sync = ["repository", "sync-to", "filesystem", "--path", copy, "--max-upload-speed=300000"];
  const moments: readonly Moment[] = [
    { when: () => holdsBlob(copy, "p", "tmp") || holdsBlob(copy, "p", "whole") },
    { when: () => holdsBlob(copy, "xn", "whole") },
    { afterMs: 400 + random.int(2000) },
  ];
  for (let round = 0; round < rounds(2); round++) {
    tell(t, await runAndSignal(sejf, sync, moments[round % moments.length] as Moment));
    const connected = await other.run(["repository", "connect", "filesystem", "--path", copy]);
    if (connected.exitCode === 0) await other.ok(["snapshot", "verify"]);
    else assert.match(connected.stderr, /no repository|does not exist/);
    writeTree(join(tree, `new ${round}`), random, { files: 5, big: 1, bigBytes: 300_000 });
    await sejf.ok(["snapshot", "create", tree]);
  }
  await sejf.ok(sync);
  await other.ok(["repository", "connect", "filesystem", "--path", copy]);
  await assertWhole(other);
  assert.deepEqual(differences(digest, await restored(other, id)), []);
  assert.equal((await listed(other)).length, 1 + rounds(2));
});
