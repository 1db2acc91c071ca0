/** Sealed accounts on a real server of ours: enrollment, logins, tokens, snapshots, documents, groups. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { compareTrees } from "../../scripts/compare-trees.ts";
import { bytesToBase64Url, bytesToHex, systemClock, utf8ToBytes } from "../../src/bytes/index.ts";
import { type ContentRef, parseContentId } from "../../src/format/index.ts";
import { nodeCryptoEngine as engine } from "../../src/node/index.ts";
import {
  encodeKeyring,
  inviteId,
  joinMac,
  lockKeyring,
  newGroupId,
  RESET_LABEL,
  RESET_START_LABEL,
  sealTo,
  signLine,
  type StoredGroup,
  type StoredInvite,
  writeInvite,
} from "../../src/sealed/index.ts";
import {
  AccountClient,
  loadDevice,
  logIn,
  logInToDelete,
  unlockAccount,
} from "../../src/sealing/index.ts";
import { startRegistration } from "../../src/sealing/opaque-client.ts";
import { parseAccountName, sealedAccountInfo } from "../../src/server/index.ts";
import { createSnapshot, listSnapshots, restoreTree } from "../../src/snapshot/index.ts";
import { FakeClock } from "../../src/testkit/clock.ts";
import { craftSnapshot, CRAFTED_PATH } from "../../src/testkit/crafted-snapshot.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { DELETE_PASSWORD, SEALED_PASSWORD, SealedServer } from "../../src/testkit/sealed-server.ts";

const ALICE = "alice@laptop";
const BOB = "bob@desk";
const DENIED = { code: "SEJF_ACCESS_DENIED" };
const INVALID = { code: "SEJF_INVALID_ARGUMENT" };

function makeTree(root: string, seed: number): void {
  const random = new SeededRandom(seed);
  mkdirSync(join(root, "secret-folder"), { recursive: true });
  writeFileSync(join(root, "secret-name.txt"), "PLAINTEXT-MARKER\n".repeat(100));
  writeFileSync(join(root, "secret-folder", "big.bin"), random.bytes(600_000));
}

test("enroll, back up with the device's token, log in, restore", async () => {
  await using server = await SealedServer.start();
  const code = await server.addSealed(ALICE);
  const alice = await server.enroll(ALICE, code);
  await assert.rejects(server.enroll(ALICE, code), DENIED);
  const tree = join(server.home, "tree");
  makeTree(tree, 1);
  const source = { username: "alice", hostname: "laptop", path: tree };
  {
    const { repository } = await server.openDevice(alice);
    await using sealed = repository;
    await createSnapshot(sealed, source);
    await sealed.flush();
    await createSnapshot(sealed, source);
    await sealed.flush();
  }
  {
    const configFile = join(server.home, `${ALICE}-${alice.device.secrets.device.id}.config`);
    const device = await loadDevice(configFile);
    assert.ok(device !== undefined);
    const opened = [await server.openDevice(alice), await server.openDevice({ device })];
    await using first = opened[0]?.repository;
    await using second = opened[1]?.repository;
    assert.ok(first !== undefined && second !== undefined);
    await createSnapshot(first, source);
    const overlapping = createSnapshot(second, source);
    await first.flush();
    await overlapping;
    await second.flush();
  }
  const { repository } = await server.openDevice(alice, "full");
  await using sealed = repository;
  const snapshots = await listSnapshots(sealed, { source });
  assert.equal(snapshots.length, 4, "also of two programs of one device at once");
  const target = join(server.home, "restored");
  mkdirSync(target);
  const root = snapshots[0]?.rootEntry;
  assert.ok(root !== undefined);
  await restoreTree(sealed, root, target);
  assert.deepEqual(compareTrees(tree, target).differences, []);
});

test("whoever runs the server sees whether an account was enrolled, with which devices and escrow", async () => {
  await using server = await SealedServer.start();
  await server.addSealed(BOB);
  const { device } = await server.newSealed(ALICE, {}, { deletePassword: DELETE_PASSWORD });
  const { id } = device.secrets.device;
  await server.operator(async (repository) => {
    const none = { enrolled: undefined, escrow: [], hasDeletePassword: false, devices: [] };
    const [alice, bob] = [parseAccountName(ALICE), parseAccountName(BOB)];
    assert.deepEqual(await sealedAccountInfo(repository, bob, systemClock), none);
    const { enrolled, devices, ...rest } = await sealedAccountInfo(repository, alice, systemClock);
    assert.match(enrolled ?? "", /^\d{4}-/);
    assert.deepEqual(rest, { escrow: [], hasDeletePassword: true });
    assert.deepEqual(
      devices.map((one) => [one.device, one.name, one.scope, one.revoked]),
      [[id, "first device", "device", undefined]],
    );
  });
});

test("a code counts once, for its account, and for a time; nobody learns why it does not", async () => {
  const clock = new FakeClock(Date.now());
  await using server = await SealedServer.start({ clock });
  await server.setAccount("mary@home", { password: "mary-pw" });
  const [alices, bobs] = [await server.addSealed(ALICE), await server.addSealed(BOB)];
  const client = new AccountClient(server.https);
  const who = { engine, account: ALICE, accountKey: new Uint8Array(16) };
  const { request } = await startRegistration(who, "login", SEALED_PASSWORD);
  const refusals = new Set<string>();
  for (const [account, code] of [
    [ALICE, bobs],
    [BOB, alices],
    ["mary@home", alices],
    ["nobody@home", alices],
    [ALICE, alices.replace(/^./, (letter) => (letter === "a" ? "b" : "a"))],
    ["no account", "no code"],
  ] as const) {
    const refused = client.startEnrollment({ account, code, login: request });
    await refused.then(
      () => assert.fail(`${account} with ${code}`),
      (error: Error & { readonly code: string }) => {
        assert.equal(error.code, "SEJF_ACCESS_DENIED");
        refusals.add(error.message);
      },
    );
  }
  assert.equal(refusals.size, 1, [...refusals].join("\n"));
  const alice = await server.enroll(ALICE, alices.toUpperCase().replaceAll("-", " "));
  assert.match(alice.device.token ?? "", /^sejf-token-/);
  await assert.rejects(
    client.startEnrollment({ account: ALICE, code: alices, login: request }),
    DENIED,
  );
  clock.advance(3_600_001);
  await assert.rejects(server.enroll(BOB, bobs), DENIED);
  await server.enroll(BOB, await server.addSealed(BOB));
});

test("logins: a wrong password, an unknown account and one that is not enrolled are the same from outside, and throttled", async () => {
  await using server = await SealedServer.start();
  const { device } = await server.newSealed(ALICE, {}, { deletePassword: DELETE_PASSWORD });
  await server.addSealed(BOB);
  await server.setAccount("mary@home", { password: "mary-pw" });
  const { accountKey } = device.secrets;
  const opaqueKey = device.opaqueKey;
  const wrong = { code: "SEJF_INVALID_PASSWORD" };
  for (const account of [ALICE, BOB, "mary@home", "nobody@home"])
    await assert.rejects(
      logIn({ engine, account, accountKey, opaqueKey }, server.https, "a wrong password"),
      wrong,
      account,
    );
  const who = { engine, account: ALICE, accountKey, opaqueKey };
  const session = await logIn(who, server.https, SEALED_PASSWORD);
  assert.equal((await session.document("keyring"))?.version, 1);
  const { stepUpId, nonce, sessionKey } = await logInToDelete(who, server.https, DELETE_PASSWORD);
  assert.match(stepUpId, /^[0-9a-f]{32}$/);
  assert.match(nonce, /^[A-Za-z0-9_-]{22}$/);
  assert.equal(sessionKey.length, 64);
  await assert.rejects(logInToDelete(who, server.https, SEALED_PASSWORD), wrong);
  // A login that nobody ends is a guess: its sender knows the answer.
  const client = new AccountClient(server.https);
  const { request } = await startRegistration(who, "login", "x");
  const beginnings = async (account: string): Promise<number> => {
    for (let count = 0; count < 20; count++) {
      try {
        // Begins like a login request, which has more behind it: refused, and counted.
        await client.startLogin({ account, purpose: "login", startLoginRequest: request });
      } catch (error) {
        const { code } = error as { readonly code: string };
        if (code === "SEJF_LOCKED") return count;
        assert.equal(code, "SEJF_INVALID_ARGUMENT");
      }
    }
    return Number.POSITIVE_INFINITY;
  };
  assert.equal(await beginnings("ghost@home"), 5);
  assert.equal(await beginnings("nobody@home"), 4);
  await server.running.stop();
  assert.match(
    await server.written(),
    /"login\.login","who":"ghost@home".*"denied".*too many tries/,
  );
});

test("tokens: a device adds and reads nothing, a reader reads, a session does what the account may", async () => {
  await using server = await SealedServer.start();
  const alice = await server.newSealed(ALICE);
  const { secrets, token = "", opaqueKey } = alice.device;
  await assert.rejects(server.below(BOB, token), DENIED);
  await assert.rejects(server.below(ALICE, `${token.slice(0, -1)}x`), DENIED);
  const data = utf8ToBytes("ciphertext, as far as anybody can tell");
  await using device = await server.below(ALICE, token);
  const line = await craftSnapshot(device, secrets, Date.now(), { data });
  await device.flush();
  const [found] = await device.manifests.find({ type: "snapshot", username: "alice" });
  assert.ok(found !== undefined);
  const ref = (await device.contents.write(data, { prefix: "" })) as string as ContentRef;
  await using other = await server.below(ALICE, token);
  assert.equal((await other.contents.stat(ref))?.originalLength, data.length);
  await assert.rejects(other.contents.read(ref), DENIED);
  const { rootEntry } = (await other.manifests.get(found.id)).data as {
    readonly rootEntry: { readonly obj: string };
  };
  const root = parseContentId(rootEntry.obj) as string as ContentRef;
  assert.match(
    Buffer.from(await other.contents.read(root)).toString(),
    /^\{"stream":"kopia:directory"/,
  );
  await assert.rejects(other.manifests.delete(found.id), DENIED);
  assert.deepEqual(await other.applyRetention(CRAFTED_PATH, true), []);
  const client = new AccountClient(server.https, token);
  assert.deepEqual(await client.heads(), [
    { manifestId: found.id, source: `${ALICE}:${CRAFTED_PATH}`, head: line },
  ]);
  await assert.rejects(client.document("keyring"), DENIED);
  assert.equal(await client.document("policies"), undefined);
  await assert.rejects(client.putDocument("policies", { version: 1, text: "x" }), DENIED);
  await assert.rejects(client.renameDevice(secrets.device.id, "mine now"), DENIED);

  const who = { engine, account: ALICE, accountKey: secrets.accountKey, opaqueKey };
  const session = await logIn(who, server.https, SEALED_PASSWORD);
  await session.renameDevice(secrets.device.id, "the old laptop");
  const [listed] = await session.devices();
  assert.deepEqual(
    [listed?.id, listed?.name, listed?.certificate],
    [secrets.device.id, "the old laptop", secrets.device.certificate],
  );
  assert.ok(listed?.lastSeen !== undefined);
  await using full = await server.below(ALICE, session.token ?? "");
  assert.deepEqual(await full.contents.read(ref), data);
  await assert.rejects(full.manifests.delete(found.id), DENIED);

  const bob = await server.newSealed(BOB, {}, { rememberKey: true });
  await using reader = await server.below(BOB, bob.device.token ?? "");
  await craftSnapshot(reader, bob.device.secrets, Date.now(), { data });
  await reader.flush();
  await using again = await server.below(BOB, bob.device.token ?? "");
  assert.deepEqual(await again.contents.read(ref), data);
  const [bobs] = await again.manifests.find({ type: "snapshot", username: "bob" });
  assert.ok(bobs !== undefined);
  await assert.rejects(again.manifests.delete(bobs.id), DENIED);
});

test("documents never go back; another password ends sessions; the kit resets without one", async () => {
  await using server = await SealedServer.start();
  const { device, keys } = await server.newSealed(ALICE, {}, { deletePassword: DELETE_PASSWORD });
  const { accountKey } = device.secrets;
  const who = { engine, account: ALICE, accountKey, opaqueKey: device.opaqueKey };
  const unlock = {
    ...who,
    ...server.tools,
    server: server.https,
    documents: undefined,
    keyringVersion: 1,
  };
  const { keyring, client } = await unlockAccount(unlock, SEALED_PASSWORD);
  assert.ok(client !== undefined);
  await client.putDocument("policies", { version: 1, text: "one" });
  const conflict = { code: "SEJF_ALREADY_EXISTS" };
  for (const version of [0, 1, 3])
    await assert.rejects(client.putDocument("policies", { version, text: "again" }), conflict);
  await client.putDocument("policies", { version: 2, text: "two" });
  assert.deepEqual(await client.document("policies"), { version: 2, text: "two" });
  await assert.rejects(client.putDocument("keyring", { version: 2, text: "{}" }), INVALID);

  const locked = async (password: string, version: number): Promise<string> =>
    await lockKeyring(
      { ...server.tools, account: ALICE, accountKey, password },
      encodeKeyring({ ...keyring, version }),
      server.tools.random,
    );
  const changed = await startRegistration(who, "login", "another password");
  const started = await client.startPassword({ account: ALICE, code: "", login: changed.request });
  const second = { version: 2, text: await locked("another password", 2) };
  const { record } = changed.finish(started.login);
  await assert.rejects(
    client.finishPassword({ login: record, delete: record, keyring: second }),
    DENIED,
  );
  await client.finishPassword({ login: record, keyring: second });
  await assert.rejects(client.document("keyring"), DENIED);
  await assert.rejects(unlockAccount(unlock, SEALED_PASSWORD), { code: "SEJF_INVALID_PASSWORD" });
  assert.equal((await unlockAccount(unlock, "another password")).keyring.version, 2);

  const anybody = new AccountClient(server.https);
  const time = new Date().toISOString();
  const forgotten = await startRegistration(who, "login", "a third password");
  const sign = (label: string, payload: object, seed = keys.signingSeed): string =>
    signLine(label, seed, utf8ToBytes(JSON.stringify({ v: 1, account: ALICE, time, ...payload })));
  const asked = { login: forgotten.request };
  await assert.rejects(
    anybody.startReset({
      account: ALICE,
      signed: sign(RESET_START_LABEL, asked, new Uint8Array(32)),
    }),
    DENIED,
  );
  const answer = await anybody.startReset({
    account: ALICE,
    signed: sign(RESET_START_LABEL, asked),
  });
  const third = { version: 3, text: await locked("a third password", 3) };
  const payload = {
    login: forgotten.finish(answer.login).record,
    keyringSha256: bytesToHex(engine.sha256(utf8ToBytes(third.text))),
  };
  const reset = { account: ALICE, signed: sign(RESET_LABEL, payload), keyring: third };
  await assert.rejects(anybody.reset({ ...reset, keyring: second }), INVALID);
  const old = sign(RESET_LABEL, {
    ...payload,
    time: new Date(Date.now() - 3_600_000).toISOString(),
  });
  await assert.rejects(anybody.reset({ ...reset, signed: old }), DENIED);
  await anybody.reset(reset);
  await assert.rejects(anybody.reset({ ...reset, keyring: { ...third, version: 4 } }), DENIED);
  assert.equal((await unlockAccount(unlock, "a third password")).keyring.version, 3);
});

test("groups: epochs grow, members read, admins write, invitations lead in; what members hold is held where presence is no secret", async () => {
  await using server = await SealedServer.start();
  const people = new Map<string, { client: AccountClient; below: string; recipient: string }>();
  for (const name of [ALICE, BOB, "carol@tower"]) {
    const { device } = await server.newSealed(name);
    const { accountKey } = device.secrets;
    const who = { engine, account: name, accountKey, opaqueKey: device.opaqueKey };
    const client = await logIn(who, server.https, SEALED_PASSWORD);
    people.set(name, { client, below: device.token ?? "", recipient: device.secrets.recipient });
  }
  const [alice, bob, carol] = [...people.values()];
  assert.ok(alice !== undefined && bob !== undefined && carol !== undefined);
  const { random } = server.tools;
  const id = newGroupId(random);
  const open = newGroupId(random);
  const group = async (
    epoch: number,
    members: string[],
    probe: StoredGroup["probe"],
    of = id,
  ): Promise<StoredGroup> => ({
    id: of,
    epoch,
    file: bytesToBase64Url(await sealTo([alice.recipient], utf8ToBytes(`epoch ${epoch}`))),
    members,
    admins: [ALICE],
    probe,
  });
  const clear = {
    ...(await group(1, [ALICE], "own")),
    file: bytesToBase64Url(utf8ToBytes("a secret")),
  };
  await assert.rejects(alice.client.putGroup(clear), INVALID);
  await assert.rejects(bob.client.putGroup(await group(1, [ALICE], "own")), INVALID);
  await alice.client.putGroup(await group(1, [ALICE], "own"));
  const [code, otherCode] = [random.bytes(16), random.bytes(16)];
  const invitation = (of: string, secret: Uint8Array): StoredInvite => {
    const opened = { group: { id: of, epoch: 1 }, line: "the signed line", sha256: "" };
    const expires = new Date(Date.now() + 60_000).toISOString();
    const record = writeInvite(engine, secret, opened as never, expires, random);
    const { nonce, ct } = record;
    return { ...record, nonce: bytesToBase64Url(nonce), ct: bytesToBase64Url(ct) };
  };
  const invite = invitation(id, code);
  const absent = { code: "SEJF_NOT_FOUND" };
  await assert.rejects(bob.client.putInvite(invite), absent);
  await alice.client.putInvite(invite);
  await assert.rejects(bob.client.group(id), absent);
  await assert.rejects(bob.client.invite("0".repeat(32)), absent);
  assert.deepEqual(await bob.client.invite(invite.id), invite);
  const mac = bytesToBase64Url(joinMac(engine, code, { account: BOB, recipient: bob.recipient }));
  const join = { inviteId: invite.id, account: BOB, recipient: bob.recipient, mac };
  await assert.rejects(carol.client.join(join), INVALID);
  await assert.rejects(alice.client.putGroup(await group(2, [ALICE, BOB], "own")), DENIED);
  await assert.rejects(new AccountClient(server.https, bob.below).join(join), DENIED);
  await bob.client.join(join);
  await assert.rejects(bob.client.joins(id), absent);
  assert.deepEqual(await alice.client.joins(id), [join]);
  await assert.rejects(alice.client.putGroup(await group(3, [ALICE, BOB], "own")), {
    code: "SEJF_ALREADY_EXISTS",
  });
  await alice.client.putGroup(await group(2, [ALICE, BOB], "own"));
  assert.deepEqual(await alice.client.joins(id), []);
  await assert.rejects(bob.client.putGroup(await group(3, [ALICE, BOB], "group")), DENIED);
  assert.deepEqual(
    (await bob.client.groups()).map((one) => [one.id, one.epoch, one.members]),
    [[id, 2, [ALICE, BOB]]],
  );
  assert.deepEqual(await carol.client.groups(), []);

  await using writes = await server.below(ALICE, alice.below);
  const data = utf8ToBytes("a chunk that others have too");
  const shared = await writes.contents.write(data, { prefix: "" });
  const listing = await writes.contents.write(data, { prefix: "k" });
  await writes.flush();
  const sees = async (name: string): Promise<boolean[]> => {
    await using below = await server.below(name, people.get(name)?.below ?? "");
    const seen: boolean[] = [];
    for (const ref of [shared, listing]) seen.push((await below.contents.stat(ref)) !== undefined);
    return seen;
  };
  assert.deepEqual(await sees(BOB), [false, false]);
  await assert.rejects(alice.client.putGroup(await group(3, [ALICE, BOB], "group")), DENIED);
  await assert.rejects(alice.client.putGroup(await group(1, [ALICE, BOB], "group", open)), DENIED);
  await alice.client.putGroup(await group(1, [ALICE], "group", open));
  await alice.client.putInvite(invitation(open, otherCode));
  await bob.client.join({ ...join, inviteId: inviteId(engine, otherCode) });
  await alice.client.putGroup(await group(2, [ALICE, BOB], "group", open));
  assert.deepEqual(await sees(BOB), [true, false]);
  assert.deepEqual(await sees("carol@tower"), [false, false]);
});

test("a restart and a second server on the same repository: nothing is anywhere else", async () => {
  await using server = await SealedServer.start();
  const alice = await server.newSealed(ALICE);
  const { secrets, token = "", opaqueKey } = alice.device;
  await using second = await SealedServer.start({ beside: server });
  const who = { engine, account: ALICE, accountKey: secrets.accountKey, opaqueKey };
  const session = await logIn(who, second.https, SEALED_PASSWORD);
  await session.putDocument("policies", { version: 1, text: "by the second" });
  // For unknown tokens a server looks at what others have stored four times a second.
  await wait(300);
  const here = new AccountClient(server.https, session.token);
  assert.equal((await here.document("policies"))?.text, "by the second");
  await using below = await second.below(ALICE, token);
  await craftSnapshot(below, secrets, Date.now());
  await below.flush();
  await using first = await server.below(ALICE, token);
  await craftSnapshot(first, secrets, Date.now() + 2000);
  await assert.rejects(first.flush(), /number 1 is stored already/);
  const code = await server.addSealed(BOB);
  const bob = await second.enroll(BOB, code);
  await assert.rejects(server.enroll(BOB, code), DENIED);
  await using bobs = await server.below(BOB, bob.device.token ?? "");
  assert.deepEqual(await bobs.manifests.find({ type: "snapshot", username: "bob" }), []);
});

test("no secret of anybody in a log; who can read is said per account", async () => {
  await using server = await SealedServer.start();
  const code = await server.addSealed(ALICE);
  const escrow = (await server.newSealed(BOB)).keys.recipient;
  const alice = await server.enroll(ALICE, code, {
    escrow: [escrow],
    deletePassword: DELETE_PASSWORD,
    name: "the-name-of-the-device",
  });
  const { secrets, token = "", opaqueKey } = alice.device;
  await using below = await server.below(ALICE, token);
  await craftSnapshot(below, secrets, Date.now());
  await below.flush();
  const who = { engine, account: ALICE, accountKey: secrets.accountKey, opaqueKey };
  const session = await logIn(who, server.https, SEALED_PASSWORD);
  const keyring = await session.document("keyring");
  await assert.rejects(logIn(who, server.https, "a wrong guess"), {
    code: "SEJF_INVALID_PASSWORD",
  });
  await assert.rejects(new AccountClient(server.https, `${token}x`).heads(), DENIED);
  const trust = (await server.running.trust()).join("\n");
  assert.match(
    trust,
    /alice@laptop is sealed: its user, and .* whoever has the keys of [0-9a-f]{32}; 1 device\./,
  );
  assert.match(trust, /bob@desk is sealed: its user alone; 1 device\./);
  assert.match(trust, /What this server sees of sealed accounts/);
  await server.running.stop();
  const written = await server.written();
  assert.ok(written.includes("account.enroll"), "the audit log is read");
  for (const [what, secret] of Object.entries({
    code,
    plainCode: code.replaceAll("-", ""),
    token,
    session: session.token ?? "",
    password: SEALED_PASSWORD,
    wrongPassword: "a wrong guess",
    deletePassword: DELETE_PASSWORD,
    keyring: (JSON.parse(keyring?.text ?? "{}") as { readonly ct: string }).ct,
    path: CRAFTED_PATH,
    device: "the-name-of-the-device",
    recipient: secrets.recipient,
  })) {
    assert.ok(secret.length > 5, what);
    assert.equal(written.includes(secret), false, what);
  }
});

test("an account of Kopia's kind on the same server is as it was", async () => {
  await using server = await SealedServer.start();
  const { device } = await server.newSealed(ALICE);
  await server.setAccount("mary@home", { password: "mary-pw" });
  await assert.rejects(server.below("mary@home", device.token ?? ""), DENIED);
  const tree = join(server.home, "tree");
  makeTree(tree, 3);
  await using repository = await server.below("mary@home", "mary-pw");
  const source = { username: "mary", hostname: "home", path: tree };
  await createSnapshot(repository, source);
  await repository.flush();
  const [snapshot] = await listSnapshots(repository, { source });
  const target = join(server.home, "restored");
  mkdirSync(target);
  assert.ok(snapshot?.rootEntry !== undefined);
  await restoreTree(repository, snapshot.rootEntry, target);
  assert.deepEqual(compareTrees(tree, target).differences, []);
  const client = new AccountClient(server.https, "mary-pw");
  await assert.rejects(client.heads(), DENIED);
});
