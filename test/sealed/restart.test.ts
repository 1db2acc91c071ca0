/** A server that is stopped and started again, and that expires snapshots which it cannot read. */
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees } from "../../scripts/compare-trees.ts";
import { nodeCryptoEngine as engine } from "../../src/node/index.ts";
import { type AccountClient, type Enrolled, logIn } from "../../src/sealing/index.ts";
import { createAccountRetention } from "../../src/server/retention/index.ts";
import { Trash } from "../../src/server/trash/index.ts";
import {
  createSnapshot,
  decodePolicy,
  GLOBAL_TARGET,
  isTrash,
  listSnapshots,
  restoreTree,
  setPolicy,
  type SnapshotManifest,
} from "../../src/snapshot/index.ts";
import { FakeClock } from "../../src/testkit/clock.ts";
import { accountOf } from "../../src/testkit/held-repository.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { Person, refusal } from "../../src/testkit/sealed-groups.ts";
import { MemoryAudit } from "../../src/testkit/server-parts.ts";
import { DELETE_PASSWORD, SEALED_PASSWORD, SealedServer } from "../../src/testkit/sealed-server.ts";

const ALICE = "alice@laptop";
const BOB = "bob@desk";
const DAY_MS = 24 * 3_600_000;
const HOUR_MS = 3_600_000;
const SOURCE = { username: "alice", hostname: "laptop" };

function makeTree(root: string): string {
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, "one.bin"), new SeededRandom(5).bytes(1_200_000));
  writeFileSync(join(root, "two.txt"), "a line that changes\n");
  return root;
}

async function backUp(server: SealedServer, enrolled: Enrolled, path: string): Promise<void> {
  const { repository } = await server.openDevice(enrolled);
  await using sealed = repository;
  await createSnapshot(sealed, { ...SOURCE, path });
  await sealed.flush();
}

async function listed(
  server: SealedServer,
  enrolled: Enrolled,
  path: string,
): Promise<readonly SnapshotManifest[]> {
  const { repository } = await server.openDevice(enrolled, "full");
  await using sealed = repository;
  return await listSnapshots(sealed, { source: { ...SOURCE, path } });
}

/** A policy that the server cannot read. */
async function ignore(
  server: SealedServer,
  enrolled: Enrolled,
  path: string,
  pattern: string,
): Promise<void> {
  const { repository } = await server.openDevice(enrolled, "full");
  await using sealed = repository;
  const policy = decodePolicy({ files: { ignore: [pattern] } }, "policy");
  await setPolicy(sealed.manifests, { ...SOURCE, path }, policy);
  await sealed.flush();
}

async function session(server: SealedServer, { device }: Enrolled): Promise<AccountClient> {
  const { account, accountKey } = device.secrets;
  const who = { engine, account, accountKey, opaqueKey: device.opaqueKey };
  return await logIn(who, server.https, SEALED_PASSWORD);
}

test("a server that starts again knows accounts, devices, groups, codes, quotas, chains and versions as before", async () => {
  await using first = await SealedServer.start();
  const alice = new Person(first, await first.newSealed(ALICE, { quotaBytes: 3_000_000 }));
  const bob = await Person.of(first, BOB);
  const { code } = await alice.inGroups(async (groups) => {
    await groups.create("family", { probe: "own" });
    return await groups.invite("family", { lifeMs: HOUR_MS });
  });
  const tree = makeTree(join(first.home, "tree"));
  await backUp(first, alice.enrolled, tree);
  await ignore(first, alice.enrolled, tree, "*.tmp");
  const enrollment = await first.addSealed("carol@phone");
  await first.running.stop();

  await using again = await SealedServer.start({ beside: first });
  assert.notEqual(again.https.url, first.https.url);
  const now = await session(again, alice.enrolled);
  const policies = await now.document("policies");
  assert.equal(policies?.version, 1);
  assert.match(
    await refusal(now.putDocument("policies", policies)),
    /^SEJF_ALREADY_EXISTS .* has the version 1 here, so the next one is 2/,
  );
  await ignore(again, alice.enrolled, tree, "*.bak");
  assert.equal((await now.document("policies"))?.version, 2);
  // The device goes on in its chain, without a password.
  appendFileSync(join(tree, "two.txt"), "another\n");
  await backUp(again, alice.enrolled, tree);
  const snapshots = await listed(again, alice.enrolled, tree);
  assert.equal(snapshots.length, 2);
  const target = join(again.home, "restored");
  mkdirSync(target);
  {
    const { repository } = await again.openDevice(alice.enrolled, "full");
    await using sealed = repository;
    const root = snapshots.at(-1)?.rootEntry;
    assert.ok(root !== undefined);
    await restoreTree(sealed, root, target);
  }
  assert.deepEqual(compareTrees(tree, target).differences, []);
  // What was held counts: the same again has room, as much once more has not.
  writeFileSync(join(tree, "three.bin"), new SeededRandom(6).bytes(2_000_000));
  await assert.rejects(backUp(again, alice.enrolled, tree), /the quota of alice@laptop is used up/);
  // Codes and groups are where they were.
  const carol = await again.enroll("carol@phone", enrollment);
  assert.equal(carol.device.secrets.account, "carol@phone");
  const bobs = new Person(again, bob.enrolled);
  await bobs.inGroups(async (groups) => await groups.join(code, "us"));
  const alices = new Person(again, alice.enrolled);
  const { opened } = (await alices.groups()).find("family");
  assert.deepEqual(
    opened?.group.members.map(({ account }) => account),
    [ALICE, BOB],
  );
  await bobs.groups();
  assert.deepEqual(
    bobs.enrolled.device.secrets.group?.secret,
    alices.enrolled.device.secrets.group?.secret,
  );
});

/** What the server's schedule does, by the same parts, with time under the test's control. */
async function retain(server: SealedServer, clock: FakeClock): Promise<number> {
  return await server.operator(async (repository) => {
    const audit = new MemoryAudit();
    const flush = {
      flush: async (stage?: () => Promise<void>): Promise<void> => {
        await stage?.();
        await repository.flush();
      },
    };
    const { manifests: store, contents } = repository;
    const trash = new Trash({ manifests: store, flush, clock, audit, onChange: () => {} });
    const quiet = (): void => {};
    const retention = createAccountRetention({
      repository: {
        manifests: trash.manifests,
        contents,
        flush: async () => await repository.flush(),
      },
      findAccount: async () =>
        await Promise.resolve(accountOf(ALICE, { encryption: "client" as const })),
      mayDelete: async ({ encryption }) => await Promise.resolve(encryption === "server"),
      clock,
      monotonicMs: () => clock.nowMs(),
      audit,
      log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    });
    const { expired, refused } = await retention.run();
    assert.equal(refused, undefined);
    await trash.empty();
    return expired.length;
  });
}

async function inTrash(server: SealedServer): Promise<number> {
  return await server.operator(async ({ manifests }) => {
    const found = await manifests.find({ type: "snapshot" });
    return found.filter(({ labels }) => isTrash(labels)).length;
  });
}

test("sealed snapshots expire by the policy that the server knows, lie in the trash, come back, and are gone after it", async () => {
  // Long before the files of the repository are written: nothing of them contradicts this clock.
  const clock = new FakeClock(Date.now() - 900 * DAY_MS);
  await using server = await SealedServer.start({ clock });
  const alice = await server.newSealed(ALICE, {}, { deletePassword: DELETE_PASSWORD });
  const tree = makeTree(join(server.home, "tree"));
  const none = { keepHourly: 0, keepDaily: 0, keepWeekly: 0, keepMonthly: 0, keepAnnual: 0 };
  await server.operator(async ({ manifests }) => {
    const retention = { keepLatest: 1, ...none };
    await setPolicy(manifests, GLOBAL_TARGET, decodePolicy({ retention }, "policy"));
  });
  // The account's own policy for the folder, which the server knows by a blinded path.
  {
    const open = await server.openDevice(alice, "full", SEALED_PASSWORD, DELETE_PASSWORD);
    await using sealed = open.repository;
    const retention = { keepLatest: 2, ...none };
    await setPolicy(
      sealed.manifests,
      { ...SOURCE, path: tree },
      decodePolicy({ retention }, "policy"),
    );
    await sealed.flush();
  }
  for (let day = 0; day < 4; day++) {
    appendFileSync(join(tree, "two.txt"), `day ${day}\n`);
    await backUp(server, alice, tree);
    clock.advance(DAY_MS);
  }
  assert.equal(await retain(server, clock), 0, "nothing younger than 30 days goes");
  clock.advance(40 * DAY_MS);
  for (let day = 0; day < 2; day++) {
    appendFileSync(join(tree, "two.txt"), `later ${day}\n`);
    await backUp(server, alice, tree);
    clock.advance(DAY_MS);
  }
  // The latest two stay, and the two that were the latest 30 days ago.
  assert.equal(await retain(server, clock), 2);
  assert.equal(await inTrash(server), 2);
  await server.running.refresh();
  assert.equal((await listed(server, alice, tree)).length, 4, "no alarm on the device");
  const client = await session(server, alice);
  const trashed = await client.trash();
  assert.equal(trashed.length, 2);
  assert.match(trashed[0]?.source ?? "", /^alice@laptop:\/sealed\/[a-z2-7]{20}$/);
  await client.undelete(trashed[0]?.id ?? "");
  assert.equal((await listed(server, alice, tree)).length, 5);
  clock.advance(2 * DAY_MS);
  await backUp(server, alice, tree);
  clock.advance(29 * DAY_MS);
  await backUp(server, alice, tree);
  await retain(server, clock);
  await server.running.refresh();
  const left = (await (await session(server, alice)).trash()).map(({ id }) => id);
  assert.equal(left.includes(trashed[1]?.id ?? ""), false, "after the window it is gone");
});
