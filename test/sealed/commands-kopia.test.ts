/** A sealed account on an unmodified kopia server, and what an unmodified kopia does with the repository. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { compareTrees } from "../../scripts/compare-trees.ts";
import { KOPIA_SKIP } from "../../src/testkit/kopia.ts";
import { startKopiaServer } from "../../src/testkit/kopia-server.ts";
import { openSources, type SourcesClient } from "../cli/support.ts";
import {
  ACCOUNT_PASSWORD,
  accountKeyOf,
  ALICE,
  listed,
  makeTree,
  restoredDifferences,
} from "./command-support.ts";

const TRANSPORT_PASSWORD = "transport-password";

async function openClient(t: TestContext): Promise<SourcesClient> {
  const client = await openSources({
    SEJF_PASSWORD: TRANSPORT_PASSWORD,
    SEJF_ACCOUNT_PASSWORD: ACCOUNT_PASSWORD,
  });
  t.after(async () => await client[Symbol.asyncDispose]());
  return client;
}

test("a kopia server: enroll, back up, a second device, restore; kopia verifies, maintains, synchronises, restores", {
  skip: KOPIA_SKIP,
}, async (t) => {
  await using server = await startKopiaServer({ [ALICE]: TRANSPORT_PASSWORD });
  const connect = [
    "repository",
    "connect",
    "server",
    `--url=${server.url}`,
    `--server-cert-fingerprint=${server.fingerprint}`,
    `--sealed=${ALICE}`,
  ];
  const alice = await openClient(t);
  const kit = join(alice.home, "kit.txt");
  await alice.ok([...connect, `--recovery-kit=${kit}`]);
  const tree = makeTree(join(alice.home, "tree"));
  const blind = { env: { SEJF_ACCOUNT_PASSWORD: "" } };
  await alice.ok(["snapshot", "create", tree], blind);
  await alice.ok(["snapshot", "create", tree], blind);
  await alice.ok(["policy", "set", tree, "--add-ignore=*.tmp", "--keep-latest=9"]);
  const desk = await openClient(t);
  await desk.ok(connect.concat("--device-name=desk"), {
    env: { SEJF_ACCOUNT_KEY: accountKeyOf(kit) },
  });
  await desk.ok(["snapshot", "create", tree], blind);
  const snapshots = await listed(desk);
  assert.equal(snapshots.length, 3);
  const id = String(snapshots[0]?.id);
  assert.deepEqual(await restoredDifferences(desk, id, tree), []);
  await desk.ok(["snapshot", "delete", String(snapshots[2]?.id), "--delete"]);
  await alice.ok(["snapshot", "create", tree], blind);
  const audit = await alice.json<{ missing: []; problems: [] }>(["repository", "audit", "--json"]);
  assert.deepEqual([audit.missing, audit.problems], [[], []]);
  await server.stop();
  const { kopia } = server;
  await kopia.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  await kopia.ok(["maintenance", "set", "--owner=me"]);
  await kopia.ok(["maintenance", "run", "--full", "--safety=none"]);
  const copy = join(kopia.home.path, "copy");
  mkdirSync(copy);
  await kopia.ok(["repository", "sync-to", "filesystem", `--path=${copy}`]);
  await kopia.ok(["repository", "disconnect"]);
  await kopia.ok(["repository", "connect", "filesystem", `--path=${copy}`]);
  const folder = join(kopia.home.path, "ciphertext");
  await kopia.ok(["snapshot", "restore", id, folder]);
  const target = join(alice.home, "unsealed");
  await alice.ok(["unseal", folder, target, `--recovery-kit=${kit}`]);
  assert.deepEqual(compareTrees(tree, target).differences, []);
});
