/** Groups as their users type them, in processes of their own, on a server of ours. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { SealedServer } from "../../src/testkit/sealed-server.ts";
import { openSources, type SourcesClient } from "../cli/support.ts";
import { ACCOUNT_PASSWORD, ALICE, makeTree } from "./command-support.ts";

const BOB = "bob@desk";

async function connected(
  t: TestContext,
  server: SealedServer,
  account: string,
  kit = "--no-recovery-kit",
): Promise<SourcesClient> {
  const client = await openSources({ SEJF_PASSWORD: ACCOUNT_PASSWORD });
  t.after(async () => await client[Symbol.asyncDispose]());
  const { url, fingerprint = "" } = server.https;
  const place = [`--url=${url}`, `--server-cert-fingerprint=${fingerprint}`];
  await client.ok(["repository", "connect", "server", ...place, `--account=${account}`, kit], {
    env: { SEJF_ENROLLMENT_CODE: await server.addSealed(account) },
  });
  return client;
}

interface ListedGroup {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly used: boolean;
  readonly epoch: number;
  readonly members: readonly string[] | null;
}

async function groupOf(client: SourcesClient): Promise<ListedGroup | undefined> {
  return (await client.json<readonly ListedGroup[]>(["group", "list", "--json"])).at(0);
}

test("create, invite, join, back up, make an admin and unmake him, remove, rotate, leave", async (t) => {
  await using server = await SealedServer.start({ forPrograms: true });
  const alice = await connected(t, server, ALICE);
  const bob = await connected(t, server, BOB);
  await alice.ok(["group", "create", "family", "--probe=group", "--min-size=16KiB"]);
  const { code } = await alice.json<{ readonly code: string }>([
    "group",
    "invite",
    "family",
    "--json",
    "--expires=2d",
    `--for=${BOB}`,
  ]);
  assert.match(code, /^([a-z2-7]{4}-){7}[a-z2-7]{4}$/);
  await bob.ok(["group", "join", code, "--name=us"]);
  assert.deepEqual(await groupOf(bob).then((group) => group?.role), "pending");
  const accepted = await alice.ok(["group", "list"]);
  assert.match(accepted.stderr, /bob@desk is a member of the group family now/);
  const mine = await groupOf(bob);
  assert.deepEqual(
    { ...mine, id: undefined },
    {
      name: "us",
      id: undefined,
      epoch: 2,
      role: "member",
      used: true,
      members: [ALICE, BOB],
      admins: [ALICE],
    },
  );
  await alice.ok(["snapshot", "create", makeTree(join(alice.home, "tree"))]);
  await bob.ok(["snapshot", "create", makeTree(join(bob.home, "tree"))], {
    env: { SEJF_PASSWORD: "" },
  });
  const refused = await bob.run(["group", "rotate", "us"]);
  assert.equal(refused.exitCode, 1);
  assert.match(refused.stderr, /only an admin of us can do this/);
  const stranded = await alice.run(["group", "leave", "family"]);
  assert.match(stranded.stderr, /alice@laptop is the last admin .*\n.*group invite family --admin/);
  const admin = ["group", "invite", "family", "--admin"];
  assert.match((await alice.run(admin)).stderr, /--admin needs --for/);
  const promotion = await alice.json<{ readonly code: string }>([
    ...admin,
    `--for=${BOB}`,
    "--json",
  ]);
  assert.match((await bob.ok(["group", "join", promotion.code])).stderr, /Asked to be an admin/);
  const roles = async (): Promise<readonly string[]> =>
    (await alice.json<readonly { role: string }[]>(["group", "members", "family", "--json"])).map(
      ({ role }) => role,
    );
  assert.deepEqual(await roles(), ["admin", "admin"]);
  await bob.ok(["group", "demote", "us", BOB]);
  assert.deepEqual(await roles(), ["admin", "member"]);
  await alice.ok(["group", "remove", "family", BOB]);
  await alice.ok(["group", "rotate", "family"]);
  assert.equal((await groupOf(alice))?.epoch, 6);
  assert.equal((await groupOf(bob))?.role, "none");
  await bob.ok(["group", "use", "--none"]);
  assert.equal((await groupOf(bob))?.used, false);
  await bob.ok(["group", "leave", "us"]);
  assert.match((await bob.ok(["group", "list"])).stderr, /This account is in no group/);
});

test("recover brings the groups back: a member is one again, and an admin too", async (t) => {
  await using server = await SealedServer.start({ forPrograms: true });
  const kitOf = (account: string): string => join(server.home, `${account}.kit`);
  const alice = await connected(t, server, ALICE, `--recovery-kit=${kitOf(ALICE)}`);
  const bob = await connected(t, server, BOB, `--recovery-kit=${kitOf(BOB)}`);
  await alice.ok(["group", "create", "family"]);
  const invite = ["group", "invite", "family", "--json"];
  const { code } = await alice.json<{ readonly code: string }>(invite);
  await bob.ok(["group", "join", code, "--name=us"]);
  await alice.ok(["group", "list"]);
  const before = [await groupOf(alice), await groupOf(bob)];
  const after: (ListedGroup | undefined)[] = [];
  for (const account of [ALICE, BOB]) {
    const client = await openSources({ SEJF_PASSWORD: "a new password" });
    t.after(async () => await client[Symbol.asyncDispose]());
    const { stderr } = await client.ok(["recover", `--recovery-kit=${kitOf(account)}`], {
      env: { SEJF_NEW_PASSWORD: "a new password" },
    });
    assert.doesNotMatch(stderr, /did not come back/);
    // Sealed for the group at once, as on the device that is lost.
    const device = readFileSync(`${client.configFile}.sejf-sealed`, "utf8");
    assert.match(device, new RegExp(`"id": "${before[0]?.id}"`));
    after.push(await groupOf(client));
  }
  assert.deepEqual(after, before);
  assert.deepEqual(
    after.map((group) => group?.role),
    ["admin", "member"],
  );
});

test("after new keys an admin's groups know them, and a member is invited again", async (t) => {
  await using server = await SealedServer.start({ forPrograms: true });
  const alice = await connected(t, server, ALICE);
  const bob = await connected(t, server, BOB);
  const joined = async (): Promise<void> => {
    const invite = ["group", "invite", "family", "--json"];
    const { code } = await alice.json<{ readonly code: string }>(invite);
    await bob.ok(["group", "join", code]);
  };
  await alice.ok(["group", "create", "family"]);
  await joined();
  await alice.ok(["group", "list"]);
  for (const client of [alice, bob])
    await client.ok(["account", "rekey", `--recovery-kit=${join(client.home, "new-kit")}`]);
  const mine = await groupOf(alice);
  assert.deepEqual([mine?.epoch, mine?.role], [3, "admin"]);
  const { stderr } = await bob.ok(["group", "list"]);
  assert.match(stderr, /knows a former key of this account/);
  await joined();
  const doubtful = await alice.ok(["group", "list"]);
  assert.match(doubtful.stderr, /bob@desk asks to join .* is a member already, with another key/);
  await alice.ok(["group", "accept", "family", BOB]);
  const after = await bob.ok(["group", "list", "--json"]);
  assert.match(after.stdout, /"epoch":4,"role":"member"/);
  assert.doesNotMatch(after.stderr, /former key/);
});

test("a group needs a sejf server", async (t) => {
  const client = await openSources({
    SEJF_PASSWORD: "repository-pw",
    SEJF_ACCOUNT_PASSWORD: ACCOUNT_PASSWORD,
  });
  t.after(async () => await client[Symbol.asyncDispose]());
  const path = join(client.home, "folder");
  await client.ok(["repository", "create", "filesystem", `--path=${path}`]);
  await client.ok(["repository", "disconnect"]);
  const sealed = [`--path=${path}`, `--sealed=${ALICE}`, "--no-recovery-kit"];
  await client.ok(["repository", "connect", "filesystem", ...sealed]);
  const { exitCode, stderr } = await client.run(["group", "create", "family"]);
  assert.equal(exitCode, 1);
  assert.match(stderr, /a group needs a sejf server/);
});
