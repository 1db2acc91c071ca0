import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesToBase64 } from "../../bytes/index.ts";
import type { ManifestStore } from "../../manifest/index.ts";
import { newestOf } from "../../manifest/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import { type MemoryRepository, memoryRepository } from "../../testkit/memory-repository.ts";
import { numRuns } from "../../testkit/property.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { CheapPasswords } from "../../testkit/server-parts.ts";
import { openAccounts } from "./account-book.ts";
import { isAccountName } from "./account-name.ts";
import type { AccountBook } from "./types.ts";

const HASH = bytesToBase64(new SeededRandom(9).bytes(64));

function open(repository: MemoryRepository = memoryRepository()): {
  accounts: AccountBook;
  manifests: ManifestStore;
  clock: FakeClock;
} {
  const clock = new FakeClock();
  const { manifests } = repository;
  const engine = new CheapPasswords().engine;
  const accounts = openAccounts({ manifests, clock, random: new SeededRandom(1), engine });
  return { accounts, manifests, clock };
}

test("set: a profile is Kopia's, labels and members; settings are an item of their own", async () => {
  const { accounts, manifests } = open();
  await accounts.set("alice@laptop", { password: "pw", appendOnly: true, quotaBytes: 5 });
  const [profile] = await manifests.find({ type: "user" });
  assert.ok(profile !== undefined);
  assert.deepEqual(profile.labels, { type: "user", username: "alice@laptop" });
  const { text } = await manifests.get(profile.id);
  assert.match(
    text,
    /^\{"username":"alice@laptop","passwordHashVersion":1,"passwordHash":"[A-Za-z0-9+/]{86}=="\}$/,
  );
  const [settings] = await manifests.find({ type: "sejfAccount" });
  assert.ok(settings !== undefined);
  assert.deepEqual(settings.labels, { type: "sejfAccount", username: "alice@laptop" });
  const account = await accounts.find("alice@laptop");
  assert.deepEqual(
    [account?.username, account?.hostname, account?.appendOnly, account?.quotaBytes],
    ["alice", "laptop", true, 5],
  );
});

test("set: what is left out stays; defaults leave no item behind", async () => {
  const { accounts, manifests } = open();
  await accounts.set("a@b", { password: "pw", appendOnly: true, quotaBytes: 7 });
  const before = (await accounts.find("a@b"))?.password;
  await accounts.set("a@b", { appendOnly: false });
  const account = await accounts.find("a@b");
  assert.deepEqual(account?.password, before);
  assert.equal(account?.appendOnly, false);
  assert.equal(account?.quotaBytes, 7);
  await accounts.set("a@b", { quotaBytes: null });
  assert.deepEqual(await manifests.find({ type: "sejfAccount" }), []);
  assert.equal((await manifests.find({ type: "user" })).length, 1);
});

test("set: passwords of sealed accounts and names that are none are refused before anything is written", async () => {
  const { accounts, manifests } = open();
  const refused = { code: "SEJF_INVALID_ARGUMENT" };
  await assert.rejects(accounts.set("a@b", { password: "pw", encryption: "client" }), refused);
  await assert.rejects(accounts.set("a@b", { password: "sejf-token-of-mine" }), refused);
  for (const name of [
    "a",
    "A@b",
    "a@b@c",
    "a@",
    "@b",
    "",
    "a b@c",
    "a@b\n",
    `${"a".repeat(400)}@b`,
  ])
    await assert.rejects(accounts.set(name, { password: "pw" }), { code: "SEJF_INVALID_ARGUMENT" });
  assert.deepEqual(await manifests.find({}), []);
});

test("find: settings survive a kopia that rewrites the profile", async () => {
  const { accounts, manifests } = open();
  await accounts.set("a@b", { password: "pw", appendOnly: true });
  for (const { id } of await manifests.find({ type: "user" })) await manifests.delete(id);
  await manifests.put({ type: "user", username: "a@b" }, { username: "a@b", passwordHash: HASH });
  accounts.refresh();
  const account = await accounts.find("a@b");
  assert.equal(account?.appendOnly, true);
  assert.equal(account?.password?.version, 1);
});

test("find: of several profiles the newest counts, other labels are no profile", async () => {
  const { accounts, manifests } = open();
  await accounts.set("a@b", { password: "old" });
  await manifests.put(
    { type: "user", username: "a@b" },
    { username: "a@b", passwordHashVersion: 2, passwordHash: HASH },
  );
  await manifests.put(
    { type: "user", username: "a@b", hostname: "b" },
    { username: "a@b", passwordHash: bytesToBase64(new Uint8Array(64)) },
  );
  accounts.refresh();
  assert.equal((await accounts.find("a@b"))?.password?.version, 2);
  assert.deepEqual(
    (await accounts.list()).map(({ name }) => name),
    ["a@b"],
  );
});

test("find: damage closes the account and only this one, and is told", async () => {
  const { accounts, manifests } = open();
  await accounts.set("good@b", { password: "pw" });
  for (const name of ["damaged@b", "hash@b"]) await accounts.set(name, { password: "pw" });
  await manifests.put({ type: "sejfAccount", username: "damaged@b" }, { appendOnly: "perhaps" });
  await manifests.put({ type: "user", username: "hash@b" }, { passwordHash: "AAAA" });
  await manifests.put({ type: "user", username: "odd@b" }, ["no", "profile"]);
  accounts.refresh();
  const all = new Map((await accounts.list()).map((account) => [account.name as string, account]));
  assert.equal(all.get("good@b")?.problem, undefined);
  assert.ok(all.get("good@b")?.password !== undefined);
  for (const name of ["damaged@b", "hash@b", "odd@b"]) {
    assert.ok(all.get(name)?.problem !== undefined, name);
    assert.equal(all.get(name)?.password, undefined, name);
  }
  assert.equal(all.get("damaged@b")?.appendOnly, true);
  await accounts.set("damaged@b", { appendOnly: false });
  assert.equal((await accounts.find("damaged@b"))?.problem, undefined);
});

test("a sealed account has no password, also when a kopia gives it one, and stays sealed", async () => {
  const { accounts, manifests } = open();
  await accounts.set("a@b", { encryption: "client", quotaBytes: 5 });
  await accounts.set("m@b", { password: "pw" });
  await manifests.put({ type: "user", username: "a@b" }, { passwordHash: HASH });
  accounts.refresh();
  const account = await accounts.find("a@b");
  assert.equal(account?.encryption, "client");
  assert.equal(account.password, undefined);
  assert.equal(account.problem, undefined);
  assert.deepEqual(
    (await accounts.list()).map(({ name }) => name as string),
    ["a@b", "m@b"],
  );
  const refused = { code: "SEJF_INVALID_ARGUMENT" };
  await assert.rejects(accounts.set("a@b", { encryption: "server" }), refused);
  await assert.rejects(accounts.set("a@b", { password: "pw" }), refused);
  await assert.rejects(accounts.set("m@b", { encryption: "client" }), refused);
  await accounts.set("a@b", { appendOnly: true });
  assert.equal((await accounts.find("a@b"))?.encryption, "client");
});

test("delete: of a sealed account all that it keeps here goes", async () => {
  const { accounts, manifests } = open();
  await accounts.set("a@b", { encryption: "client" });
  for (const type of ["sejfAccountLogin", "sejfAccountDevice", "sejfAccountDocument"])
    await manifests.put({ type, username: "a@b", device: "x" }, {});
  await manifests.put({ type: "sejfAccountLogin", username: "b@b" }, {});
  assert.equal(await accounts.delete("a@b"), true);
  const left = await manifests.find({});
  assert.deepEqual(
    left.map(({ labels }) => labels["username"]),
    ["b@b"],
  );
});

test("find: what was read counts for 10 s, also when the clock is set back", async () => {
  const { accounts, manifests, clock } = open();
  assert.equal(await accounts.find("a@b"), undefined);
  const id = await manifests.put({ type: "user", username: "a@b" }, { passwordHash: HASH });
  assert.equal(await accounts.find("a@b"), undefined);
  clock.advance(10_000);
  assert.ok((await accounts.find("a@b")) !== undefined);
  await manifests.delete(id);
  clock.set(clock.nowMs() - 86_400_000);
  assert.equal(await accounts.find("a@b"), undefined);
});

test("delete: password and settings go", async () => {
  const { accounts, manifests } = open();
  await accounts.set("a@b", { password: "pw", appendOnly: true });
  assert.equal(await accounts.delete("a@b"), true);
  assert.equal(await accounts.delete("a@b"), false);
  assert.deepEqual(await manifests.find({}), []);
});

/** Kopia's `server user set NAME`: loads the profile by its label, and writes it back under the name in the JSON. */
async function kopiaSet(manifests: ManifestStore, name: string, hash: string): Promise<void> {
  const found = newestOf(await manifests.find({ type: "user", username: name }));
  assert.ok(found !== undefined);
  const profile = (await manifests.get(found.id)).data as { username: string };
  const labels = { type: "user", username: profile.username };
  for (const { id } of await manifests.find(labels)) await manifests.delete(id);
  await manifests.put(labels, { ...profile, passwordHash: hash });
}

test("the operator's password for alice does not become bob's (finding 12.5)", async () => {
  const bobs = bytesToBase64(new SeededRandom(20).bytes(64));
  const planted = async (manifests: ManifestStore): Promise<void> => {
    await manifests.put(
      { type: "user", username: "bob@pc" },
      { username: "bob@pc", passwordHash: bobs },
    );
    await manifests.put(
      { type: "user", username: "alice@pc" },
      { username: "bob@pc", passwordHash: HASH },
    );
  };
  const kopia = open();
  await planted(kopia.manifests);
  await kopiaSet(kopia.manifests, "alice@pc", HASH);
  const hurt = (await kopia.accounts.find("bob@pc"))?.password?.saltAndKey;
  assert.notEqual(
    bytesToBase64(hurt ?? new Uint8Array()),
    bobs,
    "the attack works with Kopia's rule",
  );

  const ours = open();
  await planted(ours.manifests);
  await ours.accounts.set("alice@pc", { password: "new" });
  const unhurt = (await ours.accounts.find("bob@pc"))?.password?.saltAndKey;
  assert.equal(bytesToBase64(unhurt ?? new Uint8Array()), bobs);
  const [profile] = await ours.manifests.find({ type: "user", username: "alice@pc" });
  assert.ok(profile !== undefined);
  const { data } = await ours.manifests.get(profile.id);
  assert.equal((data as { username: string }).username, "alice@pc");
  assert.deepEqual(
    (await ours.accounts.list()).map(({ name }) => name),
    ["alice@pc", "bob@pc"],
  );
});

test("list: any JSON in an item gives accounts, never an error", async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), fc.jsonValue(), async (profile, settings) => {
      const { accounts, manifests } = open();
      await manifests.put({ type: "user", username: "a@b" }, profile);
      await manifests.put({ type: "sejfAccount", username: "a@b" }, settings);
      const [account] = await accounts.list();
      assert.equal(account?.name, "a@b");
      assert.ok(account.password === undefined || account.password.saltAndKey.length === 64);
    }),
    { numRuns: numRuns() },
  );
});

test("isAccountName: as Kopia's pattern", () => {
  for (const good of ["foo@bar", "foo.foo@bar.bar", "foo_f-o@b-a_r.b", "0@0", "-foo@bar-", "..@.."])
    assert.equal(isAccountName(good), true, good);
  for (const bad of ["foo@", "Foo@bar", "foo@Bar", "foo!b@baz", "foo@bar@baz", "@", "@bar", "ą@b"])
    assert.equal(isAccountName(bad), false, bad);
});
