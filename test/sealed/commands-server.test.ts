/** A sealed account that a sejf server keeps, typed as a user types. */
import assert from "node:assert/strict";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { AccountClient } from "../../src/sealing/index.ts";
import { refusal } from "../../src/testkit/sealed-groups.ts";
import { SealedServer } from "../../src/testkit/sealed-server.ts";
import { openSources, type SourcesClient } from "../cli/support.ts";
import {
  ACCOUNT_PASSWORD,
  accountKeyOf,
  ALICE,
  identityOf,
  listed,
  makeTree,
  restoredDifferences,
} from "./command-support.ts";

interface Home {
  readonly server: SealedServer;
  readonly alice: SourcesClient;
  readonly kit: string;
  readonly tree: string;
}

async function openClient(t: TestContext): Promise<SourcesClient> {
  const client = await openSources({ SEJF_PASSWORD: ACCOUNT_PASSWORD });
  t.after(async () => await client[Symbol.asyncDispose]());
  return client;
}

function connect({ https }: SealedServer): readonly string[] {
  return [
    "repository",
    "connect",
    "server",
    `--url=${https.url}`,
    `--server-cert-fingerprint=${https.fingerprint}`,
    `--account=${ALICE}`,
  ];
}

async function openHome(t: TestContext): Promise<Home> {
  const server = await SealedServer.start({ forPrograms: true });
  t.after(async () => await server[Symbol.asyncDispose]());
  const alice = await openClient(t);
  const kit = join(alice.home, "kit.txt");
  const env = { SEJF_ENROLLMENT_CODE: await server.addSealed(ALICE) };
  await alice.ok([...connect(server), `--recovery-kit=${kit}`], { env });
  return { server, alice, kit, tree: makeTree(join(alice.home, "tree")) };
}

const WITHOUT_PASSWORD = { env: { SEJF_PASSWORD: "" } };

test("enroll, back up without a password, list, restore; nothing that reads lies on the device", async (t) => {
  const { server, alice, kit, tree } = await openHome(t);
  const deviceFile = `${alice.configFile}.sejf-sealed`;
  assert.equal(statSync(deviceFile).mode & 0o777, 0o600);
  assert.throws(() => statSync(`${alice.configFile}.kopia-password`));
  for (const secret of [identityOf(kit), ACCOUNT_PASSWORD])
    assert.equal(readFileSync(deviceFile, "utf8").includes(secret), false);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  const stats = async (): Promise<number> =>
    (
      await alice.json<{ stats: { cachedFiles: number } }>(
        ["snapshot", "create", tree, "--json", "--json-verbose"],
        WITHOUT_PASSWORD,
      )
    ).stats.cachedFiles;
  assert.equal(await stats(), 7);
  const forget = (path: string): void => rmSync(path, { recursive: true });
  forget(join(alice.home, "cache"));
  assert.equal(await stats(), 7, "what the device keeps is no cache");
  forget(join(alice.home, "cache"));
  forget(`${alice.configFile}.sejf-kept`);
  assert.equal(await stats(), 0, "without the kept listings every file is read");
  assert.equal(await stats(), 7);
  const needs = await alice.run(["snapshot", "list"], WITHOUT_PASSWORD);
  assert.match(needs.stderr, /the account's password was not given/);
  const snapshots = await listed(alice);
  assert.equal(snapshots.length, 5);
  assert.deepEqual(await restoredDifferences(alice, String(snapshots[0]?.id), tree), []);
  await alice.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  const status = await alice.json<{ sealed: { keptBy: string } }>([
    "repository",
    "status",
    "--json",
  ]);
  assert.equal(status.sealed.keptBy, "server");
  const written = await server.written();
  for (const hidden of [tree, "secret-", ACCOUNT_PASSWORD])
    assert.equal(written.includes(hidden), false, hidden);
});

test("a second device, a policy, a deletion, another password; the kit makes a new one and a new device", async (t) => {
  const { server, alice, kit, tree } = await openHome(t);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  const managed = await (await openClient(t)).run(connect(server).slice(0, -1));
  assert.match(managed.stderr, /a sealed account connects with --enroll/);
  const desk = await openClient(t);
  await desk.ok([...connect(server), "--device-name=desk"], {
    env: { SEJF_ACCOUNT_KEY: accountKeyOf(kit) },
  });
  await desk.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  await alice.ok(["policy", "set", tree, "--add-ignore=*.bin"]);
  await desk.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  const snapshots = await listed(desk);
  assert.equal(snapshots.length, 3);
  assert.doesNotMatch((await desk.ok(["ls", "-r", String(snapshots[2]?.id)])).stdout, /big\.bin/);
  await alice.ok(["account", "password"], { env: { SEJF_NEW_PASSWORD: "a better password" } });
  assert.match((await desk.run(["snapshot", "list"])).stderr, /wrong password/);
  const recovered = await openClient(t);
  await recovered.ok(["recover", `--recovery-kit=${kit}`], {
    env: { SEJF_NEW_PASSWORD: "a third password" },
  });
  const third = { env: { SEJF_PASSWORD: "a third password" } };
  const list = await recovered.json<readonly { id: string }[]>(
    ["snapshot", "list", "--all", "--json"],
    third,
  );
  assert.equal(list.length, 3);
  await desk.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  const devices = await recovered.json<readonly object[]>(["device", "list", "--json"], third);
  assert.equal(devices.length, 3);
});

test("a device that keeps the key reads, and sets policies that keep no less, without a password", async (t) => {
  const { server, alice, kit, tree } = await openHome(t);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  const box = await openClient(t);
  await box.ok([...connect(server), "--remember-key"], {
    env: { SEJF_ACCOUNT_KEY: accountKeyOf(kit) },
  });
  const set = ["policy", "set", tree];
  await box.ok([...set, "--add-ignore=*.bin", "--keep-latest=77"], WITHOUT_PASSWORD);
  await box.ok([...set, "--keep-latest=78", "--compression=zstd"], WITHOUT_PASSWORD);
  const shown = await box.ok(["policy", "show", tree], WITHOUT_PASSWORD);
  assert.match(shown.stdout, /\*\.bin/);
  assert.match(shown.stdout, /78/);
  await box.ok(["policy", "list"], WITHOUT_PASSWORD);
  await box.ok(["snapshot", "list", "--all"], WITHOUT_PASSWORD);
  // What takes something away asks, for both passwords.
  const less = await box.run([...set, "--keep-latest=2"], WITHOUT_PASSWORD);
  assert.match(less.stderr, /password was not given/);
  assert.notEqual(less.exitCode, 0);
  // A device that only writes changes nothing by itself.
  const blind = await alice.run([...set, "--add-ignore=*.tmp"], WITHOUT_PASSWORD);
  assert.match(blind.stderr, /password was not given/);
  const { token = "" } = JSON.parse(readFileSync(`${alice.configFile}.sejf-sealed`, "utf8")) as {
    readonly token?: string;
  };
  const device = new AccountClient(server.https, token);
  for (const act of [
    device.putDocument("policies", { version: 3, text: "{}" }),
    device.setPolicy({ target: ALICE, policy: null }),
  ])
    assert.match(await refusal(act), /^SEJF_ACCESS_DENIED .*a device that keeps the key/);
});

test("new keys: this device goes on, the other one's token is dead, old snapshots stay readable", async (t) => {
  const { server, alice, kit, tree } = await openHome(t);
  const desk = await openClient(t);
  await desk.ok(connect(server), { env: { SEJF_ACCOUNT_KEY: accountKeyOf(kit) } });
  await alice.ok(["policy", "set", tree, "--add-ignore=*.tmp", "--keep-latest=7"]);
  await desk.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  const newKit = join(alice.home, "new-kit.txt");
  await alice.ok(["account", "rekey", `--recovery-kit=${newKit}`]);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  const snapshots = await listed(alice);
  assert.equal(snapshots.length, 3);
  for (const one of [snapshots[0], snapshots[2]])
    assert.deepEqual(await restoredDifferences(alice, String(one?.id), tree), []);
  assert.equal((await desk.run(["snapshot", "create", tree], WITHOUT_PASSWORD)).exitCode, 1);
  const recovered = await openClient(t);
  const third = { env: { SEJF_NEW_PASSWORD: "a third password" } };
  const old = await recovered.run(["recover", `--recovery-kit=${kit}`], third);
  assert.match(old.stderr, /access denied/);
  const audit = await alice.json<{ missing: []; problems: [] }>(["repository", "audit", "--json"]);
  assert.deepEqual([audit.missing, audit.problems], [[], []]);
});

test("a server that moved: the device is told where, and stays the one that it is; another repository is refused", async (t) => {
  const { server, alice, tree } = await openHome(t);
  await using moved = await SealedServer.start({ beside: server, forPrograms: true });
  await server.running.stop();
  const setClient = (url: string): readonly string[] => [
    "repository",
    "set-client",
    `--url=${url}`,
  ];
  await alice.ok(setClient(moved.https.url), WITHOUT_PASSWORD);
  await alice.ok(["snapshot", "create", tree], WITHOUT_PASSWORD);
  assert.equal((await alice.json<readonly object[]>(["device", "list", "--json"])).length, 1);
  await using other = await SealedServer.start({ forPrograms: true });
  await other.newSealed(ALICE);
  await alice.ok(setClient(other.https.url), WITHOUT_PASSWORD);
  const { exitCode, stderr } = await alice.run(["snapshot", "list"]);
  assert.equal(exitCode, 1);
  assert.match(stderr, /another key than at enrollment|wrong password|another repository/);
});

test("a delete password is typed on a terminal or not at all; a code counts once", async (t) => {
  const server = await SealedServer.start({ forPrograms: true });
  t.after(async () => await server[Symbol.asyncDispose]());
  const client = await openClient(t);
  const env = { SEJF_ENROLLMENT_CODE: await server.addSealed(ALICE) };
  const enroll = [...connect(server), "--no-recovery-kit"];
  const piped = await client.run([...enroll, "--delete-password"], {
    env: { ...env, SEJF_DELETE_PASSWORD: "delete everything" },
    input: "delete everything\ndelete everything\n",
  });
  assert.equal(piped.exitCode, 2);
  assert.match(piped.stderr, /the delete password is typed on a terminal/);
  await client.ok(enroll, { env });
  const tree = makeTree(join(client.home, "tree"));
  await client.ok(["snapshot", "create", tree]);
  const [made] = await listed(client);
  assert.ok(made !== undefined);
  await client.ok(["snapshot", "pin", made.id, "--add=keep"]);
  const [pinned] = await listed(client);
  assert.ok(pinned !== undefined && pinned.id !== made.id);
  for (const command of [
    ["snapshot", "delete", pinned.id, "--delete"],
    ["snapshot", "pin", pinned.id, "--remove=keep"],
  ]) {
    const refused = await client.run(command, {
      env: { SEJF_DELETE_PASSWORD: "delete everything" },
      input: "delete everything\n",
    });
    assert.match(refused.stderr, /the delete password is typed on a terminal/);
  }
  assert.deepEqual(await listed(client), [pinned]);
  assert.deepEqual(await client.json(["snapshot", "list", "--trash", "--json"]), []);
  const absent = await client.run(["snapshot", "undelete", pinned.id]);
  assert.match(absent.stderr, /is in the trash/);
  const again = await (await openClient(t)).run(enroll, { env });
  assert.match(again.stderr, /enrollment code does not count/);
  writeFileSync(`${client.configFile}.sejf-sealed`, "{}");
  assert.match((await client.run(["snapshot", "list"])).stderr, /cannot be understood/);
});
