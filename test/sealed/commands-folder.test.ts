/** A sealed account over a folder, typed as a user types: nobody guards it, so everything hangs on the client. */
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { compareTrees } from "../../scripts/compare-trees.ts";
import { nodeCryptoEngine } from "../../src/node/index.ts";
import { deriveAccountKeys, recipientFingerprint } from "../../src/sealed/index.ts";
import { copiesOf } from "../../src/testkit/copies.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { openSources, type SourcesClient } from "../cli/support.ts";
import {
  ACCOUNT_PASSWORD,
  accountKeyOf,
  ALICE,
  identityOf,
  listed,
  makeTree,
  MARKER,
  restoredDifferences,
} from "./command-support.ts";

interface Home {
  readonly alice: SourcesClient;
  readonly repo: string;
  readonly kit: string;
  readonly tree: string;
  /** Another computer of the same user. */
  readonly another: () => Promise<SourcesClient>;
}

/** A repository in a folder, and the first device of an account in it. */
async function openHome(t: TestContext): Promise<Home> {
  const alice = await enrolled();
  t.after(async () => await alice[Symbol.asyncDispose]());
  const [repo = "", kit = "", tree = ""] = ["repo", "kit.txt", "tree"].map((name) =>
    join(alice.home, name),
  );
  return { alice, repo, kit, tree: makeTree(tree), another: async () => await openClient(t) };
}

const enrolled = copiesOf(
  async () => {
    const client = await openSources({ SEJF_ACCOUNT_PASSWORD: ACCOUNT_PASSWORD });
    const repo = join(client.home, "repo");
    await using operator = await openSources();
    await operator.ok(["repository", "create", "filesystem", `--path=${repo}`]);
    await client.ok([...connect(repo), `--recovery-kit=${join(client.home, "kit.txt")}`]);
    return client;
  },
  async (first) => await first.copy(),
);

async function openClient(t: TestContext): Promise<SourcesClient> {
  const client = await openSources({ SEJF_ACCOUNT_PASSWORD: ACCOUNT_PASSWORD });
  t.after(async () => await client[Symbol.asyncDispose]());
  return client;
}

function connect(repo: string): readonly string[] {
  return ["repository", "connect", "filesystem", `--path=${repo}`, `--sealed=${ALICE}`];
}

const WITHOUT_PASSWORD = { env: { SEJF_ACCOUNT_PASSWORD: "" } };

test("enroll, back up without a password, list, verify, restore; what lies in the folder says nothing", async (t) => {
  const { alice, repo, kit, tree } = await openHome(t);
  assert.equal(statSync(kit).mode & 0o777, 0o600);
  const deviceFile = `${alice.configFile}.sejf-sealed`;
  assert.equal(statSync(deviceFile).mode & 0o777, 0o600);
  assert.equal(readFileSync(deviceFile, "utf8").includes(identityOf(kit)), false);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  const second = await alice.json<{ stats: { cachedFiles: number } }>(
    ["snapshot", "create", tree, "--json", "--json-verbose"],
    WITHOUT_PASSWORD,
  );
  assert.equal(second.stats.cachedFiles, 7);
  const snapshots = await listed(alice);
  assert.deepEqual(
    snapshots.map(({ source }) => source.path),
    [tree, tree],
  );
  await alice.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  assert.deepEqual(await restoredDifferences(alice, String(snapshots[0]?.id), tree), []);
  const wrong = await alice.run(["snapshot", "list"], {
    env: { SEJF_ACCOUNT_PASSWORD: "not the right one" },
  });
  assert.equal(wrong.exitCode, 1);
  assert.match(wrong.stderr, /wrong password for alice@laptop/);
  assert.equal(wrong.stdout, "");
  await using operator = await openSources();
  await operator.ok(["repository", "connect", "filesystem", `--path=${repo}`]);
  const seen = await operator.ok(["snapshot", "list", "--all"]);
  const manifests = await operator.json<readonly { id: string }[]>(["manifest", "list", "--json"]);
  let text = seen.stdout;
  for (const { id } of manifests) text += (await operator.ok(["manifest", "show", id])).stdout;
  for (const hidden of [tree, "secret-", MARKER])
    assert.equal(text.includes(hidden), false, hidden);
});

test("everything else that a connection does goes through what seals, or says why not", async (t) => {
  const { alice, repo, tree } = await openHome(t);
  await alice.ok(["snapshot", "create", tree]);
  for (const command of [
    ["blob", "list"],
    ["content", "list"],
    ["index", "list"],
    ["server", "user", "list"],
  ]) {
    const result = await alice.run(command);
    assert.equal(result.exitCode, 1, command.join(" "));
    assert.match(result.stderr, /the connection of the sealed account alice@laptop/);
  }
  const again = await alice.run(["repository", "connect", "filesystem", `--path=${repo}`]);
  assert.match(again.stderr, /is the device of a sealed account/);
  const renamed = await alice.run(["repository", "set-client", "--username=bob"]);
  assert.match(renamed.stderr, /sealed account alice@laptop/);
  rmSync(`${alice.configFile}.sejf-sealed`);
  const downgraded = await alice.run(["snapshot", "create", tree]);
  assert.equal(downgraded.exitCode, 1);
  assert.match(downgraded.stderr, /\.sejf-sealed is gone/);
  writeFileSync(`${alice.configFile}.sejf-sealed`, '{"v":1,"account":"alice@laptop"');
  const damaged = await alice.run(["snapshot", "create", tree]);
  assert.match(damaged.stderr, /cannot be understood\n.*account key/);
});

test("policies, pins, differences, listings, deletions and expiry", async (t) => {
  const { alice, tree } = await openHome(t);
  await alice.ok(["policy", "set", tree, "--add-ignore=*.bin", "--keep-latest=2"]);
  const policy = await alice.json<{
    files: { ignore: string[] };
    retention: { keepLatest: number };
  }>(["policy", "show", tree, "--json"]);
  assert.deepEqual(policy.files.ignore, ["*.bin"]);
  for (let i = 0; i < 3; i++) {
    writeFileSync(join(tree, "secret-name.txt"), `version ${i}`);
    await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  }
  // A device without the password knows enough of the policy to expire the oldest.
  const [first, last, none] = await listed(alice);
  assert.equal(none, undefined);
  assert.ok(first !== undefined && last !== undefined);
  const files = await alice.ok(["ls", "-r", `${last.id}`]);
  assert.match(files.stdout, /secret-folder\/small-0/);
  assert.doesNotMatch(files.stdout, /big\.bin/);
  assert.equal((await alice.ok(["show", `${last.id}/secret-name.txt`])).stdout, "version 2");
  const different = await alice.ok(["diff", first.rootEntry.obj, last.rootEntry.obj]);
  assert.match(different.stdout, /secret-name\.txt/);
  await alice.ok(["snapshot", "pin", first.id, "--add=keep"]);
  await alice.ok(["snapshot", "estimate", tree]);
  await alice.ok(["snapshot", "expire", "--all", "--delete"]);
  const kept = await listed(alice);
  await alice.ok(["snapshot", "delete", String(kept.at(-1)?.id), "--delete"]);
  assert.equal((await listed(alice)).length, kept.length - 1);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
});

test("a second device with the account key: both see everything, a deletion by one is no alarm for the other", async (t) => {
  const { alice, repo, kit, tree, another } = await openHome(t);
  const desk = await another();
  const wrong = await desk.run([...connect(repo), `--account-key=${"a".repeat(32)}`]);
  assert.match(wrong.stderr, /this is no account key, or not copied right/);
  const key = { env: { SEJF_ACCOUNT_KEY: accountKeyOf(kit) } };
  await desk.ok([...connect(repo), "--device-name=desk"], key);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  await desk.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  const snapshots = await listed(desk);
  assert.equal(snapshots.length, 3);
  await desk.ok(["snapshot", "delete", String(snapshots.at(-1)?.id), "--delete"]);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  assert.equal((await listed(alice)).length, 3);
  const audits = [];
  for (const device of [alice, desk])
    audits.push(
      await device.json<{ fingerprint: string; missing: [] }>(["repository", "audit", "--json"]),
    );
  assert.equal(audits[0]?.fingerprint, audits[1]?.fingerprint);
  assert.deepEqual(audits[1]?.missing, []);
  const devices = await desk.json<readonly { id: string; name: string; current: boolean }[]>([
    "device",
    "list",
    "--json",
  ]);
  const other = devices.find(({ current }) => !current);
  assert.ok(other !== undefined);
  await desk.ok(["device", "rename", other.id, "old laptop"]);
  await desk.ok(["device", "revoke", other.id]);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  const stranger = await desk.run(["snapshot", "list"]);
  assert.equal(stranger.exitCode, 1);
  assert.match(stranger.stderr, /signed by device [0-9a-f]{16}, which was revoked/);
});

test("a folder that goes back is a loud error for each device, until the user accepts it", async (t) => {
  const { alice, repo, tree } = await openHome(t);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  cpSync(repo, `${repo}.old`, { recursive: true, preserveTimestamps: true });
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  renameSync(repo, `${repo}.new`);
  cpSync(`${repo}.old`, repo, { recursive: true, preserveTimestamps: true });
  for (const command of [
    ["snapshot", "create", tree],
    ["snapshot", "list"],
  ]) {
    const result = await alice.run(command);
    assert.equal(result.exitCode, 1);
    assert.match(result.stderr, /the repository went back/);
    assert.match(result.stderr, /knows snapshot 2 \([0-9a-f]{16}\), the newest shown is 1/);
  }
  const audit = await alice.run(["repository", "audit"]);
  assert.equal(audit.exitCode, 1);
  assert.match(audit.stderr, /MISSING/);
  const accepted = await alice.ok(["snapshot", "list", "--accept-rollback"]);
  assert.match(accepted.stderr, /THE REPOSITORY WENT BACK/);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  assert.equal((await listed(alice)).length, 2);
});

test("what goes back is noticed: the first snapshot of all, the policies, the keyring with its old password", async (t) => {
  const { alice, repo, tree } = await openHome(t);
  const keep = (name: string): void =>
    cpSync(repo, `${repo}.${name}`, { recursive: true, preserveTimestamps: true });
  const putBack = (name: string): void => {
    rmSync(repo, { recursive: true });
    cpSync(`${repo}.${name}`, repo, { recursive: true, preserveTimestamps: true });
  };
  keep("before");
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  keep("after");
  putBack("before");
  assert.match((await alice.run(["snapshot", "list"])).stderr, /the newest shown is none/);
  putBack("after");
  await alice.ok(["policy", "set", tree, "--add-ignore=nothing"]);
  keep("with-policy");
  putBack("after");
  assert.match((await alice.run(["policy", "list"])).stderr, /policy document is gone/);
  await alice.ok(["policy", "list", "--accept-rollback"]);
  putBack("with-policy");
  await alice.ok(["account", "password"], { env: { SEJF_NEW_PASSWORD: "a better password" } });
  const better = { env: { SEJF_ACCOUNT_PASSWORD: "a better password" } };
  await alice.ok(["snapshot", "list"], better);
  putBack("with-policy");
  assert.match((await alice.run(["snapshot", "list"])).stderr, /the keyring went back/);
});

test("another password; without any, the recovery kit: a new password, reading from the repository, unsealing a folder", async (t) => {
  const { alice, repo, kit, tree, another } = await openHome(t);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  const changed = { env: { SEJF_NEW_PASSWORD: "a better password" } };
  await alice.ok(["account", "password"], changed);
  assert.match((await alice.run(["snapshot", "list"])).stderr, /wrong password/);
  const lost = { env: { SEJF_NEW_PASSWORD: "a third password" } };
  await alice.ok(["account", "password", `--recovery-kit=${kit}`], lost);
  await alice.ok(["snapshot", "list"], { env: { SEJF_ACCOUNT_PASSWORD: "a third password" } });
  const helper = await another();
  await helper.ok(["recover", `--recovery-kit=${kit}`, `--path=${repo}`], WITHOUT_PASSWORD);
  const [snapshot] = await listed(helper);
  assert.deepEqual(await restoredDifferences(helper, String(snapshot?.id), tree), []);
  assert.equal((await helper.run(["snapshot", "create", tree])).exitCode, 1);
  await using operator = await openSources();
  await operator.ok(["repository", "connect", "filesystem", `--path=${repo}`]);
  const folder = join(operator.home, "ciphertext");
  await operator.ok(["restore", String(snapshot?.id), folder]);
  const target = join(operator.home, "files");
  await operator.ok(["unseal", folder, target, `--recovery-kit=${kit}`]);
  assert.deepEqual(compareTrees(tree, target).differences, []);
  const bad = join(operator.home, "bad-kit.txt");
  writeFileSync(
    bad,
    readFileSync(kit, "utf8").replace(
      /^(AGE-SECRET-KEY-PQ-1)(.)/m,
      (_, head: string, first: string) => head + (first === "Q" ? "P" : "Q"),
    ),
  );
  const refused = await operator.run(["unseal", folder, `--recovery-kit=${bad}`]);
  assert.match(refused.stderr, /no identity line of a recovery kit/);
  // Without its signature a folder can be anybody's work.
  rmSync(join(folder, "head.json"));
  const again = join(operator.home, "again");
  for (const words of [
    ["unseal", folder, again, `--recovery-kit=${kit}`],
    ["recover", `--folder=${folder}`, again, `--recovery-kit=${kit}`],
  ]) {
    const unsigned = await operator.run(words);
    assert.equal(unsigned.exitCode, 1);
    assert.match(unsigned.stderr, /no head\.json: nobody signed it\n.*--unsigned/);
    assert.equal(existsSync(again), false);
    await operator.ok([...words, "--unsigned"]);
    assert.deepEqual(compareTrees(tree, again).differences, []);
    rmSync(again, { recursive: true });
  }
});

test("new keys after a theft: old snapshots stay readable, the old key and the other devices count no more", async (t) => {
  const { alice, repo, kit, tree, another } = await openHome(t);
  const desk = await another();
  const oldKey = { env: { SEJF_ACCOUNT_KEY: accountKeyOf(kit) } };
  await desk.ok([...connect(repo), "--device-name=desk"], oldKey);
  await alice.ok(["policy", "set", tree, "--add-ignore=*.bin", "--keep-latest=7"]);
  await desk.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  const restoredTree = join(alice.home, "old");
  await alice.ok(["restore", String((await listed(alice))[0]?.id), restoredTree]);
  const newKit = join(alice.home, "new-kit.txt");
  await alice.ok(["account", "rekey", `--recovery-kit=${newKit}`]);
  assert.notEqual(identityOf(kit), identityOf(newKit));
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  const snapshots = await listed(alice);
  assert.deepEqual(
    snapshots.map(({ source }) => source.path),
    [tree, tree, tree, tree],
  );
  await alice.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  const policy = await alice.json<{
    files: { ignore: string[] };
    retention: { keepLatest: number };
  }>(["policy", "show", tree, "--json"]);
  assert.deepEqual([policy.files.ignore, policy.retention.keepLatest], [["*.bin"], 7]);
  const audit = await alice.json<{ missing: []; problems: [] }>(["repository", "audit", "--json"]);
  assert.deepEqual([audit.missing, audit.problems], [[], []]);
  assert.match((await desk.run(["snapshot", "list"])).stderr, /wrong password/);
  const third = await another();
  assert.match(
    (await third.run([...connect(repo)].concat("--yes"), oldKey)).stderr,
    /wrong password/,
  );
  await third.ok(connect(repo), { env: { SEJF_ACCOUNT_KEY: accountKeyOf(newKit) } });
  assert.equal((await listed(third)).length, 4);
  // The new kit opens what was stored before, too.
  const helper = await another();
  await helper.ok(["recover", `--recovery-kit=${newKit}`, `--path=${repo}`], WITHOUT_PASSWORD);
  const [oldest] = await listed(helper);
  assert.deepEqual(await restoredDifferences(helper, String(oldest?.id), restoredTree), []);
  const former = await desk.run(["snapshot", "create", tree], WITHOUT_PASSWORD);
  assert.equal(former.exitCode, 1);
  assert.match(former.stderr, /given new keys on another device/);
});

test("a recovery kit is insisted on; escrow is confirmed; what does not go together is refused before anything is made", async (t) => {
  const client = await openClient(t);
  const repo = join(client.home, "repo");
  await using operator = await openSources();
  await operator.ok(["repository", "create", "filesystem", `--path=${repo}`]);
  const without = await client.run(connect(repo));
  assert.equal(without.exitCode, 2);
  assert.match(without.stderr, /a recovery kit is needed/);
  const kit = join(client.home, "kit.txt");
  const escrow = await client.run([
    ...connect(repo),
    `--recovery-kit=${kit}`,
    "--escrow=age1other",
  ]);
  assert.match(escrow.stderr, /no post-quantum age recipient/);
  assert.equal(existsSync(kit), false);
  const other = await client.run([
    ...connect(repo),
    "--override-username=bob",
    "--no-recovery-kit",
  ]);
  assert.match(other.stderr, /the account is alice@laptop/);
  const short = await client.run([...connect(repo), "--no-recovery-kit"], {
    env: { SEJF_ACCOUNT_PASSWORD: "short" },
  });
  assert.match(short.stderr, /8 characters or more/);
  assert.equal(existsSync(client.configFile), false);
  const company = await deriveAccountKeys(nodeCryptoEngine, new SeededRandom(7).bytes(32));
  const more = ["--no-recovery-kit", "--remember-key", `--escrow=${company.recipient}`];
  const unasked = await client.run([...connect(repo), ...more]);
  assert.match(unasked.stderr, /Nobody is there to compare the fingerprint/);
  await client.ok([...connect(repo), ...more, "--yes"]);
  const tree = makeTree(join(client.home, "tree"));
  await client.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  await client.ok(["snapshot", "list"], WITHOUT_PASSWORD);
  const policy = ["--add-ignore=*.tmp", "--keep-latest=5"];
  await client.ok(["policy", "set", tree, ...policy], WITHOUT_PASSWORD);
  assert.match((await client.ok(["policy", "show", tree], WITHOUT_PASSWORD)).stdout, /\*\.tmp/);
  const status = await client.ok(["repository", "status"], WITHOUT_PASSWORD);
  assert.match(status.stdout, /Who can read: +nobody but whoever has the password/);
  assert.match(status.stdout, /whoever has this device, which keeps the key/);
  const fingerprint = recipientFingerprint(nodeCryptoEngine, company.recipient);
  assert.match(fingerprint, /^[0-9a-f]{32}$/, "too long to find another recipient with the same");
  assert.match(status.stdout, new RegExp(`escrow recipient ${fingerprint}`));
  const folder = join(operator.home, "ciphertext");
  await operator.ok(["restore", String((await listed(client))[0]?.id), folder]);
  const key = join(operator.home, "company.txt");
  writeFileSync(key, `${company.identity}\n`);
  const target = join(operator.home, "files");
  const asAccount = await operator.run(["unseal", folder, target, `--recovery-kit=${key}`]);
  assert.equal(asAccount.exitCode, 1, "the signature is none of this key's");
  const asEscrow = ["unseal", folder, target, `--recovery-kit=${key}`, "--escrow"];
  const unverified = await operator.run(asEscrow);
  assert.equal(unverified.exitCode, 1);
  assert.match(unverified.stderr, /cannot tell whether the account signed .*\n.*--unsigned/);
  const warned = await operator.ok([...asEscrow, "--unsigned"]);
  assert.match(warned.stderr, /NOBODY CAN TELL WHO MADE IT/);
  assert.deepEqual(compareTrees(tree, target).differences, []);
});

test("no secret in logs, messages and errors: neither a key of a reference, nor the kit's, nor a password", async (t) => {
  const { alice, kit, tree } = await openHome(t);
  const said: string[] = [];
  for (const command of [
    ["snapshot", "create", tree, "--log-entry-detail=10", "--log-dir-detail=10"],
    ["snapshot", "verify"],
    ["restore", tree, join(alice.home, "out")],
    ["show", "k0000000000000000000000000000000000000000000000000000000000000000~" + "A".repeat(43)],
    ["account", "show"],
    ["device", "list"],
  ])
    said.push((await alice.run([...command, "--log-level=debug"])).stderr);
  const logs = await import("node:fs/promises").then(async ({ readdir, readFile }) => {
    const folder = join(alice.home, "logs", "cli-logs");
    const names = (await readdir(folder)).filter((name) => name.endsWith(".0.log"));
    return await Promise.all(names.map(async (name) => await readFile(join(folder, name), "utf8")));
  });
  const all = [...said, ...logs].join("\n");
  assert.match(all, /~…/);
  assert.doesNotMatch(all, /~[A-Za-z0-9_-]{43}/);
  for (const secret of [identityOf(kit), accountKeyOf(kit), ACCOUNT_PASSWORD, "fixture-password"])
    assert.equal(all.includes(secret), false);
});
