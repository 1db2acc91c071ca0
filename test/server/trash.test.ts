/** What managed accounts delete through a server of ours, and what a stock kopia does to the repository then. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees } from "../../scripts/compare-trees.ts";
import type { RemoteRepository } from "../../src/rpc/index.ts";
import { AccountClient } from "../../src/sealing/index.ts";
import {
  createSnapshot,
  isTrash,
  listSnapshots,
  restoreTree,
  type SnapshotSource,
} from "../../src/snapshot/index.ts";
import { SERVER_PASSWORD } from "../../src/testkit/account-server.ts";
import { KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { SealedServer } from "../../src/testkit/sealed-server.ts";

const MARY = "mary@home";
const EVE = "eve@desk";
const DENIED = { code: "SEJF_ACCESS_DENIED" };
const GONE = { code: "SEJF_NOT_FOUND" };

/** Some snapshots of a folder that changes completely, as the account. */
async function backUp(
  server: SealedServer,
  account: string,
  count: number,
): Promise<{ readonly source: SnapshotSource; readonly tree: string }> {
  const [username = "", hostname = ""] = account.split("@");
  const tree = join(server.home, account);
  mkdirSync(tree);
  const source = { username, hostname, path: tree };
  await using client = await server.below(account, `${account}-pw`);
  for (let seed = 1; seed <= count; seed++) {
    writeFileSync(join(tree, "big.bin"), new SeededRandom(seed).bytes(300_000));
    await createSnapshot(client, source);
    await client.flush();
  }
  return { source, tree };
}

async function restored(
  server: SealedServer,
  client: RemoteRepository,
  source: SnapshotSource,
  tree: string,
): Promise<readonly string[]> {
  const root = (await listSnapshots(client, { source })).at(-1)?.rootEntry;
  assert.ok(root !== undefined);
  const target = join(server.home, "restored");
  mkdirSync(target);
  await restoreTree(client, root, target);
  return compareTrees(tree, target).differences;
}

test("a client deletes, and shortens retention: all of it can be brought back by the account, by nobody else", async () => {
  await using server = await SealedServer.start();
  for (const name of [MARY, EVE]) await server.setAccount(name, { password: `${name}-pw` });
  const { source, tree } = await backUp(server, MARY, 3);
  await using client = await server.below(MARY, `${MARY}-pw`);
  const before = await listSnapshots(client, { source });
  // As malware with the account's password would: the newest by hand, the others by a policy.
  await client.manifests.delete(before[2]?.id ?? before[0]?.id ?? ("" as never));
  const labels = { type: "policy", policyType: "path", ...source };
  const none = { keepHourly: 0, keepDaily: 0, keepWeekly: 0, keepMonthly: 0, keepAnnual: 0 };
  await client.manifests.put(labels, { retention: { keepLatest: 1, ...none } });
  await client.flush();
  assert.equal((await client.applyRetention(tree, true)).length, 1);
  await client.flush();
  assert.equal((await listSnapshots(client, { source })).length, 1);
  assert.deepEqual(
    (await client.manifests.find({ type: "snapshot" })).filter((one) => isTrash(one.labels)),
    [],
  );
  const mary = AccountClient.ofManaged(server.https, MARY, `${MARY}-pw`);
  const trash = await mary.trash();
  const deleted = [before[0]?.id, before[2]?.id];
  assert.deepEqual(trash.map(({ id }) => id).toSorted(), deleted.toSorted());
  assert.ok(trash.every((one) => one.source === `${MARY}:${tree}`));
  const eve = AccountClient.ofManaged(server.https, EVE, `${EVE}-pw`);
  assert.deepEqual(await eve.trash(), []);
  for (const { id } of trash) await assert.rejects(eve.undelete(id), GONE);
  for (const password of ["", "wrong"])
    await assert.rejects(AccountClient.ofManaged(server.https, MARY, password).trash(), DENIED);
  for (const [name, password] of [
    ["ui", "ui-pw"],
    ["control", "control-pw"],
  ] as const)
    await assert.rejects(AccountClient.ofManaged(server.https, name, password).trash(), DENIED);
  for (const { id } of trash) await mary.undelete(id);
  const after = await listSnapshots(client, { source });
  assert.deepEqual(
    after.map(({ startTimeNs }) => startTimeNs),
    before.map(({ startTimeNs }) => startTimeNs),
  );
  assert.deepEqual(await mary.trash(), []);
  assert.deepEqual(await restored(server, client, source, tree), []);
  await server.running.stop();
  const audit = await server.written();
  assert.match(audit, /"action":"snapshot\.undelete","who":"mary@home".*"result":"ok"/);
});

test("--trash-window=0: what a managed account deletes is gone", async () => {
  await using server = await SealedServer.start({ trashWindowMs: 0 });
  await server.setAccount(MARY, { password: `${MARY}-pw` });
  const { source } = await backUp(server, MARY, 1);
  await using client = await server.below(MARY, `${MARY}-pw`);
  for (const { id } of await listSnapshots(client, { source })) await client.manifests.delete(id);
  await client.flush();
  assert.deepEqual(await AccountClient.ofManaged(server.https, MARY, `${MARY}-pw`).trash(), []);
});

test("a stock kopia keeps what is in the trash, whatever it expires and collects", {
  skip: KOPIA_SKIP,
}, async () => {
  await using server = await SealedServer.start();
  await server.setAccount(MARY, { password: `${MARY}-pw` });
  const { source, tree } = await backUp(server, MARY, 2);
  {
    await using client = await server.below(MARY, `${MARY}-pw`);
    for (const { id } of await listSnapshots(client, { source })) await client.manifests.delete(id);
    await client.flush();
  }
  await using kopia = await openKopia({ password: SERVER_PASSWORD });
  await kopia.ok(["repository", "connect", "filesystem", `--path=${join(server.home, "repo")}`]);
  await kopia.ok(["policy", "set", "--global", "--keep-latest=1", ...KEEP_NOTHING]);
  await kopia.ok(["snapshot", "expire", "--all", "--delete"]);
  await kopia.ok(["maintenance", "set", "--owner=me"]);
  for (let run = 0; run < 2; run++)
    await kopia.ok(["maintenance", "run", "--full", "--safety=none"]);
  await kopia.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  const listed = await kopia.json<readonly object[]>(["snapshot", "list", "--all", "--json"]);
  assert.equal(listed.length, 2);
  await server.running.refresh();
  const mary = AccountClient.ofManaged(server.https, MARY, `${MARY}-pw`);
  const trash = await mary.trash();
  assert.equal(trash.length, 2);
  for (const { id } of trash) await mary.undelete(id);
  await using client = await server.below(MARY, `${MARY}-pw`);
  assert.deepEqual(await restored(server, client, source, tree), []);
});

const KEEP_NOTHING = ["hourly", "daily", "weekly", "monthly", "annual"].map(
  (name) => `--keep-${name}=0`,
);
