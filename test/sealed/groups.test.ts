/** Dedup groups through a real server of ours: what is shared, who may probe, who comes in, and what a lying server is refused. */
import assert from "node:assert/strict";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees } from "../../scripts/compare-trees.ts";
import { bytesToBase64Url, systemClock } from "../../src/bytes/index.ts";
import type { ContentRef } from "../../src/format/index.ts";
import { nodeCryptoEngine as engine, nodeRandom } from "../../src/node/index.ts";
import {
  type Group,
  INVITE_LABEL,
  inviteId,
  joinMac,
  type OpenedGroup,
  parseCode,
  parseReference,
  type StoredGroup,
  type StoredJoin,
  writeGroup,
} from "../../src/sealed/index.ts";
import { type AccountGroups, type Enrolled, needsSejfServer } from "../../src/sealing/index.ts";
import { createSnapshot, listSnapshots, restoreTree } from "../../src/snapshot/index.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { Person, refusal } from "../../src/testkit/sealed-groups.ts";
import { SealedServer } from "../../src/testkit/sealed-server.ts";
import { filesBelow } from "../../src/testkit/temp.ts";

const ALICE = "alice@laptop";
const BOB = "bob@desk";
const CAROL = "carol@phone";
const HOUR_MS = 3_600_000;
const BIG_BYTES = 12_000_000;

function makeTree(root: string): string {
  const random = new SeededRandom(3);
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, "big.bin"), random.bytes(BIG_BYTES));
  writeFileSync(join(root, "text.txt"), "the same line in every copy\n".repeat(30_000));
  writeFileSync(join(root, "one-chunk.bin"), oneChunk());
  writeFileSync(join(root, "small.txt"), "smaller than what is shared");
  return root;
}

/** Shorter than any cut. */
function oneChunk(): Uint8Array {
  return new SeededRandom(4).bytes(100_000);
}

function bytesBelow(folder: string): number {
  return filesBelow(folder).reduce((sum, path) => sum + statSync(path).size, 0);
}

/** What the last session of an account sent, as the server's log says. */
async function sentBytes(server: SealedServer, account: string): Promise<number> {
  const lines = (await server.written()).split("\n");
  const ended = lines.filter(
    (line) => line.includes('"session ended"') && line.includes(`"${account}"`),
  );
  const { writtenBytes } = JSON.parse(ended.at(-1) ?? "{}") as { readonly writtenBytes: number };
  return writtenBytes;
}

interface BackedUp {
  readonly stored: number;
  readonly sent: number;
}

async function backUp(person: Person, tree: string): Promise<BackedUp> {
  const { server, enrolled, account } = person;
  const repositoryFolder = join(server.home, "repo");
  const before = bytesBelow(repositoryFolder);
  const [username = "", hostname = ""] = account.split("@");
  {
    const { repository } = await server.openDevice(enrolled);
    await using sealed = repository;
    await createSnapshot(sealed, { username, hostname, path: tree });
    await sealed.flush();
  }
  const stored = bytesBelow(repositoryFolder) - before;
  return { stored, sent: await sentBytes(server, account) };
}

async function restores(person: Person, tree: string): Promise<void> {
  const { server, enrolled, account } = person;
  const [username = "", hostname = ""] = account.split("@");
  const { repository } = await server.openDevice(enrolled, "full");
  await using sealed = repository;
  const [snapshot] = await listSnapshots(sealed, { source: { username, hostname, path: tree } });
  assert.ok(snapshot?.rootEntry !== undefined);
  const target = join(server.home, `restored-${username}`);
  mkdirSync(target);
  await restoreTree(sealed, snapshot.rootEntry, target);
  assert.deepEqual(compareTrees(tree, target).differences, []);
}

/** A group of alice's that bob is in. */
async function pair(
  server: SealedServer,
  probe: "group" | "own" = "group",
): Promise<readonly [Person, Person]> {
  const alice = await Person.of(server, ALICE);
  const bob = await Person.of(server, BOB);
  const { code } = await alice.inGroups(async (groups) => {
    await groups.create("family", { probe });
    return await groups.invite("family", { lifeMs: HOUR_MS });
  });
  await bob.inGroups(async (groups) => await groups.join(code, "us"));
  await alice.groups();
  await bob.groups();
  return [alice, bob];
}

async function addCarol(server: SealedServer, alice: Person): Promise<Person> {
  const carol = await Person.of(server, CAROL);
  const { code } = await alice.inGroups(
    async (groups) => await groups.invite("family", { lifeMs: HOUR_MS }),
  );
  await carol.inGroups(async (groups) => await groups.join(code));
  await alice.groups();
  await carol.groups();
  return carol;
}

test("a second member adds next to nothing, and restores its own", async () => {
  await using server = await SealedServer.start();
  const [alice, bob] = await pair(server);
  assert.deepEqual(alice.told, [`${BOB} is a member of the group family now.`]);
  const state = (await bob.groups()).find("us");
  assert.deepEqual(
    state.opened?.group.members.map(({ account }) => account),
    [ALICE, BOB],
  );
  assert.equal(state.pin.pending, undefined);
  assert.equal(state.isAdmin, false);
  const tree = makeTree(join(server.home, "tree"));
  const first = await backUp(alice, tree);
  assert.ok(first.stored > BIG_BYTES && first.sent > BIG_BYTES, JSON.stringify(first));
  const second = await backUp(bob, makeTree(join(server.home, "copy")));
  assert.ok(second.stored < first.stored / 100, `${second.stored} bytes more are stored`);
  assert.ok(second.sent < first.sent / 100, `${second.sent} bytes were sent`);
  await restores(bob, join(server.home, "copy"));
});

test("probe = own: the second member sends everything, stores next to nothing, and finds out nothing", async () => {
  await using server = await SealedServer.start();
  const [alice, bob] = await pair(server, "own");
  const tree = makeTree(join(server.home, "tree"));
  const id = await contentOf(alice, tree);
  assert.equal(await canSee(bob, id), false, "before bob has it");
  assert.equal(await canSee(alice, id), true);
  const first = await sentBytes(server, ALICE);
  const second = await backUp(bob, makeTree(join(server.home, "copy")));
  assert.ok(second.sent > BIG_BYTES, `${second.sent} of ${first} bytes were sent`);
  assert.ok(second.stored < BIG_BYTES / 100, `${second.stored} bytes more are stored`);
  assert.equal(await canSee(bob, id), true, "he sent it himself");
});

test("probe = group: members see what others sent, and nobody else does", async () => {
  await using server = await SealedServer.start();
  const [alice, bob] = await pair(server);
  const carol = await Person.of(server, CAROL);
  const id = await contentOf(alice, makeTree(join(server.home, "tree")));
  assert.equal(await canSee(bob, id), true);
  assert.equal(await canSee(carol, id), false);
  await alice.inGroups(async (groups) => await groups.remove("family", BOB));
  assert.equal(await canSee(bob, id), false, "a former member");
});

/** Backs up; the ID of the content that `one-chunk.bin` is. */
async function contentOf(person: Person, tree: string): Promise<string> {
  await backUp(person, tree);
  const { server, enrolled } = person;
  const { repository } = await server.openDevice(enrolled);
  await using sealed = repository;
  const reference = await sealed.contents.write(oneChunk(), { prefix: "" });
  await sealed.flush();
  return parseReference(reference).id;
}

async function canSee(person: Person, id: string): Promise<boolean> {
  const { server, enrolled, account } = person;
  await using below = await server.below(account, enrolled.device.token ?? "");
  return (await below.contents.stat(id as ContentRef)) !== undefined;
}

test("who was removed gets no further secret; those who stay follow at their next login", async () => {
  await using server = await SealedServer.start();
  const [alice, bob] = await pair(server);
  const carol = await addCarol(server, alice);
  const before = alice.enrolled.device.secrets.group;
  assert.equal(before?.epoch, 3);
  assert.deepEqual(
    bob.enrolled.device.secrets.group?.secret,
    before.secret,
    "joining renews nothing",
  );
  await alice.inGroups(async (groups) => await groups.remove("family", BOB));
  const after = alice.enrolled.device.secrets.group;
  assert.equal(after?.epoch, 4);
  assert.notDeepEqual(after?.secret, before?.secret);
  await carol.groups();
  assert.deepEqual(carol.enrolled.device.secrets.group, after);
  const groups = await bob.groups();
  assert.match(bob.told.at(-1) ?? "", /no member of the group us any more/);
  assert.equal(groups.find("us").opened, undefined);
  assert.equal(bob.enrolled.device.secrets.group?.epoch, 2, "what he knows does not change");
  // Even when the server hands him the file.
  const { stored } = await current(alice);
  const deceived = await bob.deceived(() => ({ group: async () => await Promise.resolve(stored) }));
  assert.match(await refusal(deceived.follow()), /^SEJF_(CORRUPT|INVALID_PASSWORD) /);
});

test("a rotation gives a new secret to all, and open invitations count no more", async () => {
  await using server = await SealedServer.start();
  const [alice, bob] = await pair(server);
  const before = alice.enrolled.device.secrets.group;
  const { code } = await alice.inGroups(
    async (groups) => await groups.invite("family", { lifeMs: HOUR_MS }),
  );
  await alice.inGroups(async (groups) => await groups.rotate("family"));
  await bob.groups();
  const after = bob.enrolled.device.secrets.group;
  assert.notDeepEqual(after?.secret, before?.secret);
  const carol = await Person.of(server, CAROL);
  const groups = await carol.groups();
  assert.match(await refusal(groups.join(code)), /^SEJF_NOT_FOUND the server has no invitation/);
});

test("a group that is not used any more seals nothing, on no device", async () => {
  await using server = await SealedServer.start();
  const [alice] = await pair(server);
  const epoch = (): number | undefined => alice.enrolled.device.secrets.group?.epoch;
  await alice.inGroups(async (groups) => await groups.use(undefined));
  assert.equal(epoch(), undefined);
  await alice.groups();
  assert.equal(epoch(), undefined, "also after the next login");
  await alice.inGroups(async (groups) => await groups.use("family"));
  assert.equal(epoch(), 2);
});

test("codes: wrong, of another kind, expired, used, repeated by the server", async () => {
  let laterMs = 0;
  const nowMs = (): number => systemClock.nowMs() + laterMs;
  await using server = await SealedServer.start({ clock: { nowMs } });
  const alice = await Person.of(server, ALICE);
  const bob = await Person.of(server, BOB);
  const invite = async (): Promise<string> =>
    await alice.inGroups(
      async (groups) => (await groups.invite("family", { lifeMs: HOUR_MS })).code,
    );
  await alice.inGroups(async (groups) => await groups.create("family", {}));
  const join = async (code: string): Promise<string> =>
    await refusal(bob.inGroups(async (groups) => await groups.join(code)));
  const code = await invite();
  assert.match(await join("not a code"), /^SEJF_INVALID_ARGUMENT this is no invite/);
  assert.match(
    await join(code.replace(/^./, (first) => (first === "7" ? "a" : "7"))),
    /^SEJF_INVALID_ARGUMENT/,
  );
  laterMs = 2 * HOUR_MS;
  assert.match(await join(code), /^SEJF_NOT_FOUND the server has no invitation/);
  const used = await invite();
  await bob.inGroups(async (groups) => await groups.join(used, "us"));
  const joins = [requestOf(bob.enrolled, used)];
  await alice.groups();
  assert.deepEqual(alice.told, [`${BOB} is a member of the group family now.`]);
  // The server repeats the request of one who was removed.
  await alice.inGroups(async (groups) => await groups.remove("family", BOB));
  const deceived = await alice.deceived(() => ({
    joins: async () => await Promise.resolve(joins),
  }));
  await invite();
  await deceived.follow();
  assert.deepEqual(await deceived.accept("family"), []);
  assert.match(await refusal(deceived.accept("family", BOB)), /no code that is kept here proves/);
  // Whoever finds the code later opens nothing with it.
  const carol = await Person.of(server, CAROL);
  assert.match(
    await refusal(carol.inGroups(async (groups) => await groups.join(used))),
    /^SEJF_NOT_FOUND/,
  );
});

/** As the server has it of whoever joined with this code. */
function requestOf({ device }: Enrolled, printed: string): StoredJoin {
  const { account, recipient } = device.secrets;
  const code = parseCode(engine, INVITE_LABEL, printed);
  const mac = bytesToBase64Url(joinMac(engine, code, { account, recipient }));
  return { inviteId: inviteId(engine, code), account, recipient, mac };
}

test("an admin lets in nobody of whom there is doubt, and this one on demand", async () => {
  await using server = await SealedServer.start();
  const alice = await Person.of(server, ALICE);
  const bob = await Person.of(server, BOB);
  const carol = await Person.of(server, CAROL);
  const [open, bound] = await alice.inGroups(async (groups) => {
    await groups.create("family", {});
    return [
      (await groups.invite("family", { lifeMs: HOUR_MS })).code,
      (await groups.invite("family", { lifeMs: HOUR_MS, account: BOB })).code,
    ];
  });
  assert.ok(open !== undefined && bound !== undefined);
  // Two with one code: somebody has seen it. One with a code for another.
  for (const person of [bob, carol])
    await person.inGroups(async (groups) => await groups.join(open));
  const members = async (): Promise<readonly string[] | undefined> =>
    (await alice.groups()).find("family").opened?.group.members.map(({ account }) => account);
  assert.deepEqual(await members(), [ALICE]);
  assert.match(alice.told.at(-1) ?? "", /others ask with the same code/);
  const dave = await Person.of(server, "dave@tablet");
  await dave.inGroups(async (groups) => await groups.join(bound));
  assert.deepEqual(await members(), [ALICE]);
  assert.match(alice.told.at(-1) ?? "", /the invitation was for bob@desk/);
  await alice.inGroups(async (groups) => await groups.accept("family", BOB));
  assert.deepEqual(await members(), [ALICE, BOB]);
  // The code was used: carol's request proves nothing any more.
  const again = alice.inGroups(async (groups) => await groups.accept("family", CAROL));
  assert.match(await refusal(again), /no code that is kept here proves a request of carol/);
});

test("a member invites, and an admin who is given the code lets in", async () => {
  await using server = await SealedServer.start();
  const [alice, bob] = await pair(server);
  const { code, isForAdmin } = await bob.inGroups(
    async (groups) => await groups.invite("us", { lifeMs: HOUR_MS }),
  );
  assert.equal(isForAdmin, true);
  const carol = await Person.of(server, CAROL);
  await carol.inGroups(async (groups) => await groups.join(code));
  const accepted = async (printed?: string): Promise<readonly string[]> =>
    await alice.inGroups(async (groups) => await groups.accept("family", undefined, printed));
  assert.deepEqual(await accepted(), []);
  assert.deepEqual(await accepted(code), [CAROL]);
});

test("what only admins may is refused to members, by the program and by the server", async () => {
  await using server = await SealedServer.start();
  const [, bob] = await pair(server);
  const groups = await bob.groups();
  for (const act of [groups.rotate("us"), groups.remove("us", ALICE), groups.accept("us")])
    assert.match(await refusal(act), /^SEJF_ACCESS_DENIED only an admin of us can do this/);
  const { stored } = await current(bob);
  const { client } = groups.unlocked;
  assert.ok(client !== undefined);
  const next = { ...stored, epoch: stored.epoch + 1 };
  assert.match(await refusal(client.putGroup(next)), /^SEJF_ACCESS_DENIED .*is no admin/);
  const carol = await Person.of(server, CAROL);
  const foreign = (await carol.groups()).unlocked.client;
  assert.ok(foreign !== undefined);
  for (const act of [foreign.group(stored.id), foreign.joins(stored.id), foreign.putGroup(next)])
    assert.match(await refusal(act), /^SEJF_NOT_FOUND/, "strangers are not told that there is one");
});

interface Shown {
  readonly stored: StoredGroup;
  readonly opened: OpenedGroup;
  readonly groups: AccountGroups;
}

/** The only group of an account, as it and the server have it now. */
async function current(person: Person): Promise<Shown> {
  const groups = await person.groups();
  const [state] = groups.list();
  assert.ok(state?.opened !== undefined);
  const stored = await groups.unlocked.client?.group(state.pin.id);
  assert.ok(stored !== undefined);
  return { stored, opened: state.opened, groups };
}

/** As an admin's or a member's program would write it. */
async function forged(by: Shown, changes: Partial<Group>): Promise<StoredGroup> {
  const { group, sha256 } = by.opened;
  const next = { ...group, epoch: group.epoch + 1, prev: sha256, ...changes };
  const { file } = await writeGroup(engine, by.groups.unlocked.keys.signingSeed, next);
  return { ...by.stored, id: group.id, epoch: next.epoch, file: bytesToBase64Url(file) };
}

test("a lying server: each document that no admin meant is refused", async () => {
  await using server = await SealedServer.start();
  const [alice, bob] = await pair(server);
  const older = (await current(alice)).stored;
  const carol = await addCarol(server, alice);
  const known = await current(bob);
  const [admin, member] = [await current(alice), await current(carol)];
  const { stored } = known;
  const other = "00".repeat(16);
  const lies: readonly (readonly [string, StoredGroup, RegExp])[] = [
    ["an older epoch", older, /went back to epoch 2/],
    ["signed by a member", await forged(member, {}), /sign/],
    [
      "a member's with other parameters",
      await forged(member, { params: { ...admin.opened.group.params, minSize: 0 } }),
      /sign/,
    ],
    ["another past", await forged(admin, { prev: "11".repeat(32) }), /does not follow/],
    [
      "a second one of this epoch",
      await forged(admin, { epoch: stored.epoch, secret: nodeRandom.bytes(32) }),
      /another document of the same epoch/,
    ],
    ["another group's", await forged(admin, { id: other }), /the document of group 0000/],
    [
      "somebody added beside the document",
      { ...stored, members: [...stored.members, "mallory@server"] },
      /other members than its admin signed/,
    ],
    ["another probe scope", { ...stored, probe: "own" }, /the probe scope "own"/],
    ["another number", { ...stored, epoch: 9 }, /the epoch 9/],
    ["no document", { ...stored, file: bytesToBase64Url(nodeRandom.bytes(300)) }, /./],
  ];
  for (const [what, lie, reason] of lies) {
    const groups = await bob.deceived(() => ({ group: async () => await Promise.resolve(lie) }));
    assert.match(await refusal(groups.follow()), reason, what);
    assert.equal(groups.device?.epoch, known.stored.epoch, what);
  }
  // After a restore of the server its user says so; a stranger's document is none all the same.
  const back = await bob.deceived(
    () => ({ group: async () => await Promise.resolve(older) }),
    true,
  );
  await back.follow();
  assert.equal(back.device?.epoch, 2);
  const strange = await forged(member, {});
  const still = await bob.deceived(
    () => ({ group: async () => await Promise.resolve(strange) }),
    true,
  );
  assert.match(await refusal(still.follow()), /sign/);
});

test("a lying server: invitations that it made up or exchanged are refused", async () => {
  await using server = await SealedServer.start();
  const alice = await Person.of(server, ALICE);
  const [one, two] = await alice.inGroups(async (groups) => {
    await groups.create("family", {});
    await groups.create("work", {});
    const codes = [
      await groups.invite("family", { lifeMs: HOUR_MS }),
      await groups.invite("work", { lifeMs: HOUR_MS }),
    ];
    return codes.map(({ code }) => code);
  });
  assert.ok(one !== undefined && two !== undefined);
  const bob = await Person.of(server, BOB);
  const idOf = (code: string): string => inviteId(engine, parseCode(engine, INVITE_LABEL, code));
  const exchanged = await bob.deceived((honest) => ({
    invite: async () => ({ ...(await honest.invite(idOf(two))), id: idOf(one) }),
  }));
  assert.match(await refusal(exchanged.join(one)), /^SEJF_CORRUPT/);
  const renamed = await bob.deceived((honest) => ({
    invite: async (id) => ({ ...(await honest.invite(id)), group: "22".repeat(16) }),
  }));
  assert.match(await refusal(renamed.join(one)), /the document of another group/);
  // A code for one group lets nobody into another.
  await bob.inGroups(async (groups) => await groups.join(one));
  const [request] = [requestOf(bob.enrolled, one)];
  const deceived = await alice.deceived(() => ({
    joins: async () => await Promise.resolve([request]),
  }));
  await deceived.follow();
  assert.deepEqual(
    deceived.find("work").opened?.group.members.map(({ account }) => account),
    [ALICE],
  );
});

test("the keyring of another device knows the groups, and its first login follows them", async () => {
  await using server = await SealedServer.start();
  const [alice] = await pair(server);
  const { device } = alice.enrolled;
  const { group: _group, ...secrets } = device.secrets;
  const second = new Person(server, { ...alice.enrolled, device: { ...device, secrets } });
  await second.groups();
  assert.deepEqual(second.enrolled.device.secrets.group, device.secrets.group);
});

test("parameters that cannot be are refused before anything is made", async () => {
  await using server = await SealedServer.start();
  const alice = await Person.of(server, ALICE);
  const groups = await alice.groups();
  assert.match(await refusal(groups.create("a", { splitter: "MAGIC" })), /^SEJF_UNSUPPORTED/);
  assert.match(await refusal(groups.create("a", { compression: "lz5" })), /^SEJF_UNSUPPORTED/);
  assert.match(await refusal(groups.create("", {})), /^SEJF_INVALID_ARGUMENT/);
  assert.deepEqual(groups.list(), []);
  assert.equal(needsSejfServer("a group").code, "SEJF_UNSUPPORTED");
});
