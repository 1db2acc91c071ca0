/** What takes something away from a sealed account: the delete password, proofs for one operation, the trash. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bytesToBase64Url } from "../../src/bytes/index.ts";
import type { ManifestId } from "../../src/manifest/index.ts";
import { nodeCryptoEngine as engine } from "../../src/node/index.ts";
import { authorizeOperation, openHead, type StepUpProof } from "../../src/sealed/index.ts";
import {
  type AccountClient,
  changePassword,
  type Enrolled,
  logIn,
  logInToDelete,
  type OpenSealed,
  revokeDevice,
} from "../../src/sealing/index.ts";
import {
  changePins,
  createSnapshot,
  deleteSnapshot,
  isTrash,
  listSnapshots,
  type SnapshotManifest,
} from "../../src/snapshot/index.ts";
import { FakeClock } from "../../src/testkit/clock.ts";
import { craftSnapshot, CRAFTED_PATH } from "../../src/testkit/crafted-snapshot.ts";
import { DELETE_PASSWORD, SEALED_PASSWORD, SealedServer } from "../../src/testkit/sealed-server.ts";

const ALICE = "alice@laptop";
const DENIED = { code: "SEJF_ACCESS_DENIED" };
const WRONG = { code: "SEJF_INVALID_PASSWORD" };
const GONE = { code: "SEJF_NOT_FOUND" };
const SNAPSHOT = { type: "snapshot", username: "alice", hostname: "laptop" };
const POLICY = { type: "policy", policyType: "user", username: "alice", hostname: "laptop" };

type Who = Parameters<typeof logInToDelete>[0];

function whoIs({ device }: Enrolled): Who {
  const { account, accountKey } = device.secrets;
  return { engine, account, accountKey, opaqueKey: device.opaqueKey };
}

/** A sealed snapshot that lies on the server; its ID. */
async function store(
  server: SealedServer,
  { device }: Enrolled,
  text: string,
  more: Parameters<typeof craftSnapshot>[3] = {},
): Promise<ManifestId> {
  const { account } = device.secrets;
  await using below = await server.below(account, device.token ?? "");
  const [username = ""] = account.split("@");
  const before = await below.manifests.find({ type: "snapshot", username });
  const nowMs = server.tools.clock.nowMs();
  await craftSnapshot(below, device.secrets, nowMs, { data: Buffer.from(text), ...more });
  await below.flush();
  const known = new Set(before.map(({ id }) => id));
  const found = await below.manifests.find({ type: "snapshot", username });
  const made = found.find(({ id }) => !known.has(id));
  assert.ok(made !== undefined);
  return made.id;
}

async function repositoryId(open: OpenSealed): Promise<string> {
  return (await open.unlocked()).keyring.repository.id;
}

test("who has the account's password alone, and a device, takes nothing away", async () => {
  await using server = await SealedServer.start();
  const alice = await server.newSealed(ALICE, {}, { deletePassword: DELETE_PASSWORD });
  const id = await store(server, alice, "precious");
  const who = whoIs(alice);
  const thief = await logIn(who, server.https, SEALED_PASSWORD);
  await using below = await server.below(ALICE, thief.token ?? "");
  await assert.rejects(below.manifests.delete(id), DENIED);
  assert.deepEqual(await below.applyRetention(CRAFTED_PATH, true), []);
  await assert.rejects(thief.deleteSnapshots([id]), DENIED);
  const forged: StepUpProof = {
    stepUpId: "00".repeat(16),
    mac: bytesToBase64Url(new Uint8Array(32)),
  };
  await assert.rejects(thief.deleteSnapshots([id], { stepUp: forged }), DENIED);
  await assert.rejects(thief.revokeDevice(alice.device.secrets.device.id), DENIED);
  const keep = { retention: { keepDaily: 100 } };
  await below.manifests.put(POLICY, keep);
  await below.flush();
  await assert.rejects(below.manifests.put(POLICY, { retention: { keepDaily: 1 } }), DENIED);
  const [stored] = await below.manifests.find(POLICY);
  assert.ok(stored !== undefined);
  await assert.rejects(below.manifests.delete(stored.id), DENIED);
  for (const policy of [null, {}, { retention: { keepDaily: 99, keepAnnual: 500 } }])
    await assert.rejects(thief.setPolicy({ target: ALICE, policy }), DENIED);
  await thief.setPolicy({ target: ALICE, policy: { retention: { keepDaily: 101 } } });
  const pinned = await thief.setPins({ id, pins: ["mine"] });
  await assert.rejects(thief.setPins({ id: pinned, pins: [] }), DENIED);
  await assert.rejects(thief.setPins({ id: pinned, pins: ["other"] }), DENIED);
  {
    const open = await server.openDevice(alice, "full");
    await using _sealed = open.repository;
    const change = {
      tools: server.tools,
      account: ALICE,
      unlocked: await open.unlocked(),
      documents: open.documents,
      heads: open.device.heads,
    };
    const passwords = { password: SEALED_PASSWORD, deletePassword: "the thief's own" };
    await assert.rejects(changePassword(change, passwords), DENIED);
  }
  const left = await below.manifests.find(SNAPSHOT);
  assert.deepEqual(
    left.map((one) => one.id),
    [pinned],
  );
  await server.running.stop();
  const audit = await server.written();
  for (const action of ["snapshot.delete", "device.revoke", "policy.set", "snapshot.unpin"])
    assert.match(audit, new RegExp(`"action":"${action}","who":"${ALICE}".*"denied"`), action);
});

test("a proof counts once, in its minute, for its operation, of its account", async () => {
  const clock = new FakeClock(Date.now());
  await using server = await SealedServer.start({ clock });
  const deletePassword = DELETE_PASSWORD;
  const alice = await server.newSealed(ALICE, {}, { deletePassword });
  const bob = await server.newSealed("bob@desk", {}, { deletePassword });
  const one = await store(server, alice, "one");
  clock.advance(60_000);
  const two = await store(server, alice, "two", { head: { seq: 3, prev: "ab".repeat(32) } });
  const who = whoIs(alice);
  const client = await logIn(who, server.https, SEALED_PASSWORD);
  const bobs = await logIn(whoIs(bob), server.https, SEALED_PASSWORD);
  const open = await server.openDevice(alice, "full");
  const repository = await repositoryId(open);
  await open.repository[Symbol.asyncDispose]();
  const sorted = [one, two].toSorted();
  const prove = async (
    change: Readonly<Record<string, unknown>> = {},
    whose: Who = who,
  ): Promise<StepUpProof> => {
    const login = await logInToDelete(whose, server.https, DELETE_PASSWORD);
    const { stepUpId, nonce, expires, sessionKey } = login;
    const right = { account: ALICE, expires, nonce, params: {}, repository, targets: sorted };
    const operation = { ...right, verb: "snapshot.delete" as const, ...change };
    return { stepUpId, mac: bytesToBase64Url(authorizeOperation(engine, sessionKey, operation)) };
  };
  const refused = async (stepUp: StepUpProof, what: string): Promise<void> => {
    await assert.rejects(client.deleteSnapshots(sorted, { stepUp }), DENIED, what);
  };
  await refused(await prove({ verb: "snapshot.unpin" }), "another verb");
  await refused(await prove({ targets: sorted.toReversed() }), "another order");
  await refused(await prove({ targets: [one] }), "other targets");
  await refused(await prove({ params: { all: true } }), "other params");
  await refused(await prove({ repository: "00".repeat(32) }), "another repository");
  await refused(await prove({ nonce: "AAAAAAAAAAAAAAAAAAAAAA" }), "another nonce");
  await refused(await prove({ account: "bob@desk" }), "another account");
  await refused(await prove({}, whoIs(bob)), "another account's login");
  const altered = await prove();
  const mac = altered.mac.replace(/^./, (letter) => (letter === "A" ? "B" : "A"));
  await refused({ ...altered, mac }, "an altered MAC");
  await refused(altered, "one that was used up by a try");
  const late = await prove();
  clock.advance(60_000);
  await refused(late, "one that is over");
  await assert.rejects(bobs.deleteSnapshots(sorted, { stepUp: await prove() }), DENIED);
  const unsorted = sorted.toReversed();
  const stepUp = await prove({ targets: unsorted });
  await assert.rejects(client.deleteSnapshots(unsorted, { stepUp }), {
    code: "SEJF_INVALID_ARGUMENT",
  });
  const right = await prove();
  await client.deleteSnapshots(sorted, { stepUp: right });
  await assert.rejects(client.deleteSnapshots(sorted, { stepUp: right }), DENIED);
  await using below = await server.below(ALICE, client.token ?? "");
  assert.deepEqual(await below.manifests.find(SNAPSHOT), []);
});

test("wrong delete passwords make the next try wait, and nothing else", async () => {
  await using server = await SealedServer.start();
  const alice = await server.newSealed(ALICE, {}, { deletePassword: DELETE_PASSWORD });
  const who = whoIs(alice);
  let failure: unknown;
  for (let guess = 0; guess < 8 && failure === undefined; guess++)
    await logInToDelete(who, server.https, `guess ${guess}`).catch((error: unknown) => {
      if ((error as { readonly code: string }).code === "SEJF_LOCKED") failure = error;
      else assert.equal((error as { readonly code: string }).code, WRONG.code);
    });
  assert.ok(failure !== undefined, "never had to wait");
  await logIn(who, server.https, SEALED_PASSWORD);
  await server.running.stop();
  assert.match(await server.written(), /"login\.delete","who":"alice@laptop".*"denied"/);
});

test("an owner deletes, unpins, shortens, revokes; what was deleted comes back", async () => {
  await using server = await SealedServer.start();
  const alice = await server.newSealed(ALICE, {}, { deletePassword: DELETE_PASSWORD });
  const tree = join(server.home, "tree");
  mkdirSync(tree);
  const source = { username: "alice", hostname: "laptop", path: tree };
  for (const text of ["first", "second", "third"]) {
    writeFileSync(join(tree, "file.txt"), text);
    const { repository } = await server.openDevice(alice);
    await using sealed = repository;
    await createSnapshot(sealed, source);
    await sealed.flush();
  }
  const full = async (deletePassword?: string): Promise<OpenSealed> =>
    await server.openDevice(alice, "full", SEALED_PASSWORD, deletePassword);
  const list = async (open: OpenSealed): Promise<readonly SnapshotManifest[]> =>
    await listSnapshots(open.repository, { source });
  {
    const open = await full("not this one");
    await using sealed = open.repository;
    const last = (await list(open)).at(-1);
    assert.ok(last !== undefined);
    await assert.rejects(deleteSnapshot(sealed, last.id), WRONG);
  }
  const open = await full(DELETE_PASSWORD);
  await using sealed = open.repository;
  const [first, second, third] = await list(open);
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  const pinned = await changePins(sealed, second, ["keep"], []);
  assert.ok(pinned !== undefined);
  const unpinned = await changePins(sealed, pinned, [], ["keep"]);
  assert.ok(unpinned !== undefined);
  assert.deepEqual(
    (await list(open)).map(({ pins }) => pins),
    [[], [], []],
  );
  await deleteSnapshot(sealed, third.id);
  await deleteSnapshot(sealed, first.id);
  assert.deepEqual(
    (await list(open)).map(({ id }) => id),
    [unpinned.id],
  );
  await sealed.flush();
  const { client } = await open.unlocked();
  assert.ok(client !== undefined);
  const trash = await client.trash();
  assert.deepEqual(trash.map(({ id }) => id).toSorted(), [first.id, third.id].toSorted());
  assert.match(trash[0]?.source ?? "", /^alice@laptop:\/sealed\/[a-z2-7]{20}$/);
  await client.undelete(third.id);
  await assert.rejects(client.undelete(third.id), GONE);
  {
    const again = await full();
    await using _other = again.repository;
    const found = await list(again);
    assert.equal(found.length, 2);
    assert.deepEqual(
      found.map(({ startTimeNs }) => startTimeNs).toSorted(),
      [second.startTimeNs, third.startTimeNs].toSorted(),
    );
  }
  const { secrets } = alice.device;
  const { login } = await open.guard();
  const { id } = secrets.device;
  const revoke = async (): Promise<void> => {
    const stepUp = await login.authorize("device.revoke", [id]);
    await client.revokeDevice(id, { stepUp });
  };
  await revoke();
  await assert.rejects(server.below(ALICE, alice.device.token ?? ""), DENIED);
  const { tools } = server;
  const { documents, device } = open;
  const unlocked = await open.unlocked();
  const change = { tools, account: ALICE, unlocked, documents, heads: device.heads };
  const keyring = await revokeDevice(change, id, revoke);
  const revoked = keyring.devices[0]?.revoked;
  assert.deepEqual(Object.values(revoked ?? {}), [3], "a second try ends what a first one began");
  const [chain = ""] = device.heads.chains();
  device.heads.advance(chain, { seq: 4, sha256: "ab".repeat(32) });
  const again = { ...change, unlocked: { ...unlocked, keyring } };
  assert.deepEqual((await revokeDevice(again, id, revoke)).devices[0]?.revoked, revoked);
});

test("another delete password needs the present one, and ends its proofs", async () => {
  await using server = await SealedServer.start();
  const alice = await server.newSealed(ALICE, {}, { deletePassword: DELETE_PASSWORD });
  const open = await server.openDevice(alice, "full", SEALED_PASSWORD, DELETE_PASSWORD);
  await using _sealed = open.repository;
  const who = whoIs(alice);
  const early = await logInToDelete(who, server.https, DELETE_PASSWORD);
  const change = {
    tools: server.tools,
    account: ALICE,
    unlocked: await open.unlocked(),
    documents: open.documents,
    heads: open.device.heads,
    guard: async () => await open.guard(),
  };
  const passwords = { password: "another password", deletePassword: "another to delete" };
  for (const deletePassword of ["short", passwords.password])
    await assert.rejects(changePassword(change, { ...passwords, deletePassword }), {
      code: "SEJF_INVALID_ARGUMENT",
    });
  await changePassword(change, passwords);
  await assert.rejects(logInToDelete(who, server.https, DELETE_PASSWORD), WRONG);
  await logInToDelete(who, server.https, "another to delete");
  const client = await logIn(who, server.https, "another password");
  const repository = await repositoryId(open);
  const { device } = alice.device.secrets;
  const { stepUpId, nonce, expires, sessionKey } = early;
  const operation = {
    account: ALICE,
    expires,
    nonce,
    params: {},
    repository,
    targets: [device.id],
  };
  const mac = authorizeOperation(engine, sessionKey, { ...operation, verb: "device.revoke" });
  const stepUp = { stepUpId, mac: bytesToBase64Url(mac) };
  await assert.rejects(client.revokeDevice(device.id, { stepUp }), DENIED);
});

test("an account without a delete password, and an append-only one, delete nothing", async () => {
  await using server = await SealedServer.start();
  const alice = await server.newSealed(ALICE);
  const id = await store(server, alice, "precious");
  const client = await logIn(whoIs(alice), server.https, SEALED_PASSWORD);
  await assert.rejects(client.deleteSnapshots([id]), /no delete password/);
  await assert.rejects(logInToDelete(whoIs(alice), server.https, "any"), WRONG);
  const bob = await server.newSealed(
    "bob@desk",
    { appendOnly: true },
    { deletePassword: DELETE_PASSWORD },
  );
  const bobs = await store(server, bob, "precious too");
  const open = await server.openDevice(bob, "full", SEALED_PASSWORD, DELETE_PASSWORD);
  await using _sealed = open.repository;
  const guard = await open.guard();
  const stepUp = await guard.login.authorize("snapshot.delete", [bobs]);
  await assert.rejects(guard.client.deleteSnapshots([bobs], { stepUp }), DENIED);
  await assert.rejects(guard.client.setPolicy({ target: "bob@desk", policy: null }), DENIED);
});

test("a chain that got an old end back from the trash goes on where it ended", async () => {
  const clock = new FakeClock(Date.now());
  await using server = await SealedServer.start({ clock });
  const alice = await server.newSealed(ALICE, {}, { deletePassword: DELETE_PASSWORD });
  const first = await store(server, alice, "first");
  clock.advance(60_000);
  const follows = (seq: number): Parameters<typeof store>[3] => ({
    head: { seq, prev: "ab".repeat(32) },
  });
  await store(server, alice, "third", follows(3));
  const open = await server.openDevice(alice, "full", SEALED_PASSWORD, DELETE_PASSWORD);
  await using _sealed = open.repository;
  const { client, login } = await open.guard();
  const stepUp = await login.authorize("snapshot.delete", [first]);
  await client.deleteSnapshots([first], { stepUp });
  clock.advance(2 * 3_600_000);
  await client.undelete(first);
  await assert.rejects(store(server, alice, "second", follows(2)), /number 3 is stored already/);
  const [head] = await client.heads();
  assert.equal(
    openHead(engine, alice.device.secrets.accountSigningKey, head?.head ?? "").head.seq,
    3,
  );
  await store(server, alice, "fourth", follows(5));
});

/** Its operator's view. */
async function inTrash(server: SealedServer): Promise<number> {
  return await server.operator(async ({ manifests }) => {
    const found = await manifests.find({ type: "snapshot" });
    return found.filter(({ labels }) => isTrash(labels)).length;
  });
}

test("deletions of a sealed account lie in the trash, where nobody else and no session finds them", async () => {
  await using server = await SealedServer.start();
  const alice = await server.newSealed(ALICE, {}, { deletePassword: DELETE_PASSWORD });
  const bob = await server.newSealed("bob@desk");
  const id = await store(server, alice, "precious");
  const open = await server.openDevice(alice, "full", SEALED_PASSWORD, DELETE_PASSWORD);
  await using _sealed = open.repository;
  const { client, login } = await open.guard();
  await client.deleteSnapshots([id], { stepUp: await login.authorize("snapshot.delete", [id]) });
  assert.equal(await inTrash(server), 1);
  await using below = await server.below(ALICE, client.token ?? "");
  assert.deepEqual(await below.manifests.find({ type: "snapshot" }), []);
  const trashed = await server.operator(async ({ manifests }) => {
    const found = await manifests.find({ type: "snapshot", username: "trash" });
    return found[0]?.id;
  });
  assert.ok(trashed !== undefined);
  await assert.rejects(below.manifests.get(trashed), { code: "SEJF_MANIFEST_NOT_FOUND" });
  await assert.rejects(
    client.deleteSnapshots([trashed], {
      stepUp: await login.authorize("snapshot.delete", [trashed]),
    }),
    GONE,
  );
  const others: AccountClient = await logIn(whoIs(bob), server.https, SEALED_PASSWORD);
  assert.deepEqual(await others.trash(), []);
  await assert.rejects(others.undelete(id), GONE);
  const device = await server.openDevice(alice);
  await assert.rejects(device.client?.trash() ?? Promise.resolve(), DENIED);
  await device.repository[Symbol.asyncDispose]();
  const newId = await client.undelete(id);
  assert.deepEqual(
    (await below.manifests.find(SNAPSHOT)).map((one) => one.id),
    [newId],
  );
  assert.equal(await inTrash(server), 0);
});
