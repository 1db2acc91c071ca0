/** Groups with several admins: how one becomes one, what each may do to the others, and whom a lying server cannot make one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesToBase64Url } from "../../src/bytes/index.ts";
import { nodeCryptoEngine as engine, nodeRandom } from "../../src/node/index.ts";
import {
  adminsIn,
  INVITE_LABEL,
  inviteId,
  joinKeyMac,
  joinMac,
  parseCode,
  signingPublicKey,
  type StoredJoin,
} from "../../src/sealed/index.ts";
import { Person, refusal } from "../../src/testkit/sealed-groups.ts";
import { SealedServer } from "../../src/testkit/sealed-server.ts";

const ALICE = "alice@laptop";
const BOB = "bob@desk";
const CAROL = "carol@phone";
const HOUR_MS = 3_600_000;
const NAME = "family";

async function invited(by: Person, account: string, admin = false): Promise<string> {
  const wishes = { lifeMs: HOUR_MS, account, admin };
  return await by.inGroups(async (groups) => (await groups.invite(NAME, wishes)).code);
}

async function joins(by: Person, person: Person, admin = false): Promise<void> {
  const code = await invited(by, person.account, admin);
  await person.inGroups(async (groups) => await groups.join(code, NAME));
  await by.groups();
  await person.groups();
}

async function adminsOf(person: Person): Promise<readonly string[]> {
  const { opened } = (await person.groups()).find(NAME);
  assert.ok(opened !== undefined);
  assert.equal(opened.group.admins.length, adminsIn(opened.group).length);
  return adminsIn(opened.group)
    .map(({ account }) => account)
    .toSorted();
}

/** Alice and bob are admins, carol is a member. */
async function three(server: SealedServer): Promise<readonly [Person, Person, Person]> {
  const alice = await Person.of(server, ALICE);
  const bob = await Person.of(server, BOB);
  const carol = await Person.of(server, CAROL);
  await alice.inGroups(async (groups) => await groups.create(NAME, {}));
  await joins(alice, carol);
  await joins(alice, bob, true);
  return [alice, bob, carol];
}

/** The server hides the earlier documents of groups. */
async function takeKept(server: SealedServer): Promise<{ putBack(): Promise<void> }> {
  const taken = await server.operator(async ({ manifests }) => {
    const found = await manifests.find({ type: "sejfGroup" });
    const all = await Promise.all(found.map(async ({ id }) => await manifests.get(id)));
    const kept = all.filter(({ data }) => (data as { readonly keep?: boolean }).keep === true);
    const newest = Math.max(...all.map(({ labels }) => Number(labels["epoch"])));
    const gone = kept.filter(({ labels }) => labels["epoch"] !== String(newest));
    assert.notEqual(gone.length, 0);
    for (const { id } of gone) await manifests.delete(id);
    return gone;
  });
  await server.running.refresh();
  return {
    async putBack() {
      await server.operator(async ({ manifests }) => {
        for (const { labels, data } of taken) await manifests.put(labels, data);
      });
      await server.running.refresh();
    },
  };
}

test("a code makes an admin, also of a member; both let in, and the secret stays", async () => {
  await using server = await SealedServer.start();
  const [alice, bob, carol] = await three(server);
  const secret = alice.enrolled.device.secrets.group?.secret;
  assert.deepEqual(await adminsOf(carol), [ALICE, BOB]);
  await joins(bob, carol, true);
  assert.match(bob.told.at(-1) ?? "", /carol@phone is an admin of the group family now/);
  assert.deepEqual(await adminsOf(alice), [ALICE, BOB, CAROL]);
  assert.deepEqual(alice.enrolled.device.secrets.group?.secret, secret);
  const dave = await Person.of(server, "dave@tablet");
  await joins(carol, dave);
  assert.deepEqual(await adminsOf(dave), [ALICE, BOB, CAROL]);
});

test("an admin is demoted, removed, leaves; the last one cannot", async () => {
  await using server = await SealedServer.start();
  const [alice, bob, carol] = await three(server);
  await bob.inGroups(async (groups) => await groups.demote(NAME, ALICE));
  assert.deepEqual(await adminsOf(alice), [BOB]);
  const plain = await alice.groups();
  assert.match(await refusal(plain.rotate(NAME)), /^SEJF_ACCESS_DENIED only an admin/);
  const last = await bob.groups();
  const refused = /^SEJF_INVALID_ARGUMENT bob@desk is the last admin of the group family/;
  assert.match(await refusal(last.demote(NAME, BOB)), refused);
  assert.match(await refusal(last.leave(NAME)), refused);
  assert.match(await refusal(last.remove(NAME, BOB)), /^SEJF_INVALID_ARGUMENT .*is this account/);
  assert.match(await refusal(last.demote(NAME, CAROL)), /carol@phone is no admin/);
  await joins(bob, alice, true);
  const before = alice.enrolled.device.secrets.group;
  await alice.inGroups(async (groups) => await groups.remove(NAME, BOB));
  assert.deepEqual(await adminsOf(carol), [ALICE]);
  assert.notDeepEqual(carol.enrolled.device.secrets.group?.secret, before?.secret);
  assert.equal((await bob.groups()).find(NAME).opened, undefined);
  await joins(alice, carol, true);
  await alice.inGroups(async (groups) => await groups.leave(NAME));
  assert.deepEqual((await alice.groups()).list(), []);
  assert.equal(alice.enrolled.device.secrets.group, undefined);
  assert.deepEqual(await adminsOf(carol), [CAROL]);
  await carol.inGroups(async (groups) => await groups.leave(NAME));
  assert.deepEqual((await carol.groups()).list(), [], "the last one of all may go");
});

test("a member who was away follows from admin to admin, and a document that leads nowhere is refused", async () => {
  await using server = await SealedServer.start();
  const [alice, bob, carol] = await three(server);
  const known = carol.enrolled.device.secrets.group;
  // All admins that carol knows of are gone when she looks again.
  const dave = await Person.of(server, "dave@tablet");
  await joins(bob, dave, true);
  await dave.inGroups(async (groups) => await groups.remove(NAME, ALICE));
  await dave.inGroups(async (groups) => await groups.remove(NAME, BOB));
  await dave.inGroups(async (groups) => await groups.rotate(NAME));
  const kept = await takeKept(server);
  assert.match(await refusal(carol.groups()), /signed by nobody who may sign it/);
  assert.equal(carol.enrolled.device.secrets.group?.epoch, known?.epoch);
  await kept.putBack();
  assert.deepEqual(await adminsOf(carol), ["dave@tablet"]);
  assert.equal(carol.enrolled.device.secrets.group?.epoch, 7);
  assert.equal((await alice.groups()).find(NAME).opened, undefined);
});

test("nobody becomes an admin whom no admin meant: by a member's code, a plain code, or another key", async () => {
  await using server = await SealedServer.start();
  const [alice, , carol] = await three(server);
  const members = await carol.groups();
  assert.match(
    await refusal(members.invite(NAME, { lifeMs: HOUR_MS, admin: true })),
    /^SEJF_ACCESS_DENIED only an admin/,
  );
  // A code that makes members makes no admin, whatever key is offered with it.
  const plain = await invited(alice, CAROL);
  await carol.inGroups(async (groups) => await groups.join(plain));
  assert.equal((await adminsOf(alice)).includes(CAROL), false);
  assert.match(alice.told.at(-1) ?? "", /is a member already, and the code makes no admin/);
  // The server puts a key of its own in place of carol's, or none.
  const printed = await invited(alice, CAROL, true);
  const code = parseCode(engine, INVITE_LABEL, printed);
  const { recipient } = carol.enrolled.device.secrets;
  const key = signingPublicKey(nodeRandom.bytes(32));
  const right: StoredJoin = {
    inviteId: inviteId(engine, code),
    account: CAROL,
    recipient,
    mac: bytesToBase64Url(joinMac(engine, code, { account: CAROL, recipient })),
  };
  const guessed = joinKeyMac(engine, nodeRandom.bytes(16), { account: CAROL, recipient, key });
  for (const lie of [
    right,
    { ...right, key: bytesToBase64Url(key), keyMac: right.mac },
    { ...right, key: bytesToBase64Url(key), keyMac: bytesToBase64Url(guessed) },
    { ...right, key: "?", keyMac: "?" },
  ]) {
    const deceived = await alice.deceived(() => ({
      joins: async () => await Promise.resolve([lie]),
    }));
    await deceived.follow();
    const { opened } = deceived.find(NAME);
    assert.equal(opened?.group.admins.length, 2);
  }
  // The right answer, at last.
  await carol.inGroups(async (groups) => await groups.join(printed));
  assert.deepEqual(await adminsOf(alice), [ALICE, BOB, CAROL]);
});

test("the server says other admins than signed it: refused", async () => {
  await using server = await SealedServer.start();
  const [, bob] = await three(server);
  const deceived = await bob.deceived((honest) => ({
    group: async (id) => ({ ...(await honest.group(id)), admins: [ALICE, CAROL] }),
  }));
  assert.match(await refusal(deceived.follow()), /other admins than signed it/);
});
