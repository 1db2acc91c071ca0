/** A sealed account on a folder: backed up, listed, restored; and what the repository below gets to see of it. */
import assert from "node:assert/strict";
import {
  readFileSync,
  mkdirSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  readdirSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees } from "../../scripts/compare-trees.ts";
import { systemClock, systemRandom } from "../../src/bytes/index.ts";
import type { ManifestId } from "../../src/manifest/index.ts";
import { nodeCompressionEngine, nodeCryptoEngine } from "../../src/node/index.ts";
import { openRestoredFolder } from "../../src/sealing/index.ts";
import { openRepository, type DirectRepository } from "../../src/repository/index.ts";
import {
  createSnapshot,
  decodeSnapshot,
  decodePolicy,
  DEFAULT_POLICY,
  EMPTY_POLICY,
  effectivePolicy,
  listSnapshots,
  type Policy,
  restoreTree,
  setPolicy,
  verifyTrees,
} from "../../src/snapshot/index.ts";
import { createServedRepository, SERVER_PASSWORD } from "../../src/testkit/account-server.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { sealedAccount, sealOver, sharedGroup } from "../../src/testkit/sealed-account.ts";
import { filesBelow, type TemporaryDirectory, temporaryDirectory } from "../../src/testkit/temp.ts";

const MARKER = "PLAINTEXT-MARKER-OF-THE-TEST";

function makeTree(root: string, seed: number): void {
  const random = new SeededRandom(seed);
  mkdirSync(join(root, "secret-folder", "deeper"), { recursive: true });
  writeFileSync(join(root, "secret-name.txt"), `${MARKER}\n`.repeat(100));
  writeFileSync(join(root, "empty"), "");
  writeFileSync(join(root, "secret-folder", "big.bin"), random.bytes(9_000_000));
  writeFileSync(join(root, "secret-folder", "deeper", "medium.bin"), random.bytes(100_000));
  for (let i = 0; i < 40; i++)
    writeFileSync(join(root, "secret-folder", `small-${i}`), `${MARKER} ${i}`);
  symlinkSync("secret-name.txt", join(root, "secret-link"));
}

async function openServed(configFile: string): Promise<DirectRepository> {
  return await openRepository({ configFile, password: SERVER_PASSWORD });
}

interface Home extends AsyncDisposable {
  readonly temp: TemporaryDirectory;
  readonly configFile: string;
  readonly tree: string;
  restored(): string;
}

async function newHome(): Promise<Home> {
  const temp = await temporaryDirectory("sealed");
  const configFile = await createServedRepository(temp.path);
  const tree = join(temp.path, "tree");
  makeTree(tree, 1);
  let count = 0;
  return {
    temp,
    configFile,
    tree,
    restored: (): string => {
      const path = join(temp.path, `restored-${count++}`);
      mkdirSync(path);
      return path;
    },
    [Symbol.asyncDispose]: async (): Promise<void> => await temp[Symbol.asyncDispose](),
  };
}

test("a sealed account: back up, list, restore, back up again without anything new", async () => {
  await using home = await newHome();
  const alice = await sealedAccount("alice@laptop");
  const source = { username: "alice", hostname: "laptop", path: home.tree };
  {
    await using sealed = sealOver(await openServed(home.configFile), alice);
    const { snapshot } = await createSnapshot(sealed, source);
    await sealed.flush();
    assert.match(String(snapshot.rootEntry?.object), /^k[0-9a-f]{64}~[A-Za-z0-9_-]{43}$/);
  }
  assert.equal(alice.opened, 0, "backing up needs no password");
  {
    await using sealed = sealOver(await openServed(home.configFile), alice);
    const second = await createSnapshot(sealed, source);
    await sealed.flush();
    assert.equal(second.counters.newBytes, 0);
    assert.equal(alice.opened, 0, "an incremental run needs no password either");
  }
  alice.last.clear();
  await using sealed = sealOver(await openServed(home.configFile), alice);
  const snapshots = await listSnapshots(sealed, { source });
  assert.deepEqual(
    snapshots.map((one) => one.source.path),
    [home.tree, home.tree],
  );
  const target = home.restored();
  const [first] = snapshots;
  assert.ok(first?.rootEntry);
  await restoreTree(sealed, first.rootEntry, target);
  assert.deepEqual(compareTrees(home.tree, target).differences, []);
});

test("what the operator sees: no name, no path, no text; a snapshot that verifies without a key and unseals with it", async () => {
  await using home = await newHome();
  const alice = await sealedAccount("alice@laptop");
  const source = { username: "alice", hostname: "laptop", path: home.tree };
  {
    await using sealed = sealOver(await openServed(home.configFile), alice);
    await createSnapshot(sealed, source, { description: "secret-description" });
    await sealed.flush();
  }
  await using operator = await openServed(home.configFile);
  const all = await listSnapshots(operator);
  assert.deepEqual(
    all.map((one) => /^\/sealed\/[a-z2-7]{20}$/.test(one.source.path)),
    [true],
  );
  const [snapshot] = all;
  assert.ok(snapshot?.rootEntry);
  const roots = [{ entry: snapshot.rootEntry, label: "sealed", snapshot }];
  const verified = await verifyTrees(operator, roots, { filesPercent: 100 });
  assert.deepEqual(verified.problems, []);
  const target = home.restored();
  await restoreTree(operator, snapshot.rootEntry, target);
  const found: string[] = readdirSync(target, { recursive: true, encoding: "utf8" });
  const seen = found.join("\n") + found.map((name) => textOf(join(target, name))).join("\n");
  const tools = {
    engine: nodeCryptoEngine,
    compression: nodeCompressionEngine,
    clock: systemClock,
    random: systemRandom,
  };
  const restored = await openRestoredFolder(tools, target, alice.identity);
  assert.ok(restored.isSigned);
  const plain = decodeSnapshot("" as ManifestId, restored.manifest);
  assert.ok(plain.rootEntry);
  const unsealed = home.restored();
  await restoreTree(restored.repository, plain.rootEntry, unsealed);
  assert.deepEqual(compareTrees(home.tree, unsealed).differences, []);
  for (const hidden of [MARKER, "secret-", "small-", home.tree, "secret-description"])
    assert.equal(seen.includes(hidden), false, hidden);
  const manifests = await operator.manifests.find({});
  for (const { id } of manifests) {
    const { text, labels } = await operator.manifests.get(id);
    assert.equal((text + JSON.stringify(labels)).includes(home.tree), false);
  }
  const longer = { code: "SEJF_CORRUPT", message: /longer than any content/ };
  for (const path of filesBelow(join(target, "contents"))) truncateSync(path, 5e9);
  await assert.rejects(
    restoreTree(restored.repository, plain.rootEntry, home.restored()),
    longer,
    "not read into memory",
  );
  truncateSync(join(target, "snapshot.age"), 5e9);
  await assert.rejects(openRestoredFolder(tools, target, alice.identity), longer);
});

test("two members of a group store equal data once; a stranger's copy is another", async () => {
  await using home = await newHome();
  const group = sharedGroup(new SeededRandom(3).bytes(32));
  const bytesOf = async (name: string, isMember: boolean): Promise<number> => {
    const account = await sealedAccount(`${name}@laptop`, isMember ? { group } : {});
    const before = await storedBytes(home.configFile);
    await using sealed = sealOver(await openServed(home.configFile), account);
    await createSnapshot(sealed, { username: name, hostname: "laptop", path: home.tree });
    await sealed.flush();
    return (await storedBytes(home.configFile)) - before;
  };
  const alice = await bytesOf("alice", true);
  const bob = await bytesOf("bob", true);
  const eve = await bytesOf("eve", false);
  assert.ok(alice > 9_000_000, String(alice));
  assert.ok(bob < 0.03 * alice, String(bob));
  assert.ok(eve > 9_000_000, String(eve));
});

test("policies: files are ruled by the account alone, retention and schedule are the server's", async () => {
  await using home = await newHome();
  const alice = await sealedAccount("alice@laptop");
  const source = { username: "alice", hostname: "laptop", path: home.tree };
  const server: Policy = {
    ...DEFAULT_POLICY,
    files: { ...DEFAULT_POLICY.files, ignore: ["*"] },
    // Attack 24: commands of whoever runs the server.
    actions: decodePolicy(
      { actions: { beforeSnapshotRoot: { path: "/bin/evil" } } },
      "a server's policy",
    ).actions,
    retention: { ...DEFAULT_POLICY.retention, keepLatest: 3 },
  };
  {
    await using operator = await openServed(home.configFile);
    await setPolicy(operator.manifests, { username: "", hostname: "", path: "" }, server);
    await operator.flush();
  }
  {
    await using sealed = sealOver(await openServed(home.configFile), alice);
    const before = await effectivePolicy(sealed.manifests, source);
    assert.deepEqual(before.files.ignore ?? [], []);
    assert.equal(JSON.stringify(before).includes("/bin/evil"), false);
    assert.equal(before.retention.keepLatest, 3);
    const own: Policy = {
      ...EMPTY_POLICY,
      files: { ...EMPTY_POLICY.files, ignore: ["secret-rule"] },
      retention: { ...EMPTY_POLICY.retention, keepDaily: 9 },
    };
    await setPolicy(sealed.manifests, source, own);
    await sealed.flush();
  }
  await using sealed = sealOver(await openServed(home.configFile), alice);
  const after = await effectivePolicy(sealed.manifests, source);
  assert.deepEqual(after.files.ignore, ["secret-rule"]);
  assert.equal(after.retention.keepDaily, 9);
  await using operator = await openServed(home.configFile);
  for (const { id, labels } of await operator.manifests.find({ type: "policy" })) {
    const { text } = await operator.manifests.get(id);
    assert.equal((text + JSON.stringify(labels)).includes("secret-rule"), false);
    if (labels["policyType"] === "path") assert.match(String(labels["path"]), /^\/sealed\//);
  }
});

async function storedBytes(configFile: string): Promise<number> {
  await using repository = await openServed(configFile);
  let total = 0;
  for await (const page of repository.contents.list({}))
    for (const one of page) total += one.packedLength;
  return total;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
