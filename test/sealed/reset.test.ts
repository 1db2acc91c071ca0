/** A lost password: what the recovery kit brings back beside the data, and what a lying server can make of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/bytes/index.ts";
import { nodeCryptoEngine as engine } from "../../src/node/index.ts";
import {
  deriveAccountKeys,
  type Keyring,
  keyringCopyIn,
  openKeyringCopy,
  sealTo,
  writeKeyringCopy,
} from "../../src/sealed/index.ts";
import {
  changeKeyring,
  type DocumentStore,
  documentsIn,
  enrollInRepository,
  resetInRepository,
  resetOnServer,
  unlockAccount,
} from "../../src/sealing/index.ts";
import { memoryRepository } from "../../src/testkit/memory-repository.ts";
import { Person, refusal } from "../../src/testkit/sealed-groups.ts";
import { SEALED_PASSWORD, SealedServer } from "../../src/testkit/sealed-server.ts";

const ALICE = "alice@laptop";
const BOB = "bob@desk";
const HOUR_MS = 3_600_000;
const PASSWORD = "another one, and long";
const COMPANY = await deriveAccountKeys(engine, engine.sha256(new Uint8Array([9])));

function kitOf({ enrolled }: Person): { readonly identity: string; readonly former: [] } {
  return { identity: enrolled.keys.identity, former: [] };
}

/** Alice, with an escrow recipient, and bob, in a group of hers. */
async function pair(server: SealedServer): Promise<readonly [Person, Person]> {
  const alice = new Person(
    server,
    await server.newSealed(ALICE, {}, { escrow: [COMPANY.recipient] }),
  );
  const bob = await Person.of(server, BOB);
  const { code } = await alice.inGroups(async (groups) => {
    await groups.create("family", {});
    return await groups.invite("family", { lifeMs: HOUR_MS });
  });
  await bob.inGroups(async (groups) => await groups.join(code, "us"));
  await alice.groups();
  await bob.groups();
  return [alice, bob];
}

/** The stored keyring's file with another copy. */
async function withCopy(server: SealedServer, account: string, copy: string): Promise<void> {
  await server.operator(async ({ manifests }) => {
    const labels = { type: "sejfAccountDocument", username: account, name: "keyring" };
    for (const { id, labels: all } of await manifests.find(labels)) {
      const { text } = (await manifests.get(id)).data as { readonly text: string };
      const file = JSON.parse(text) as object;
      await manifests.put(all, { v: 1, text: JSON.stringify({ ...file, copy }) });
      await manifests.delete(id);
    }
  });
  await server.running.refresh();
}

test("the kit brings groups, escrow and devices back: an admin stays one, a member's group is used", async () => {
  await using server = await SealedServer.start();
  const [alice, bob] = await pair(server);
  for (const person of [alice, bob]) {
    const before = (await person.groups()).unlocked.keyring;
    const { unlocked, lost } = await resetOnServer(
      server.tools,
      server.https,
      person.account,
      kitOf(person),
      { password: PASSWORD },
    );
    assert.equal(lost, undefined);
    const { version: _version, ...rest } = unlocked.keyring;
    const { version: _before, ...expected } = before;
    assert.deepEqual(rest, expected);
    assert.deepEqual(
      rest.groups.map(({ used }) => used),
      [true],
    );
  }
});

test("a copy that the account did not sign brings nothing back, and one of another repository stops all", async () => {
  let laterMs = 0;
  const nowMs = (): number => systemClock.nowMs() + laterMs;
  await using server = await SealedServer.start({ clock: { nowMs } });
  const [alice] = await pair(server);
  const { keys } = alice.enrolled;
  const { keyring } = (await alice.groups()).unlocked;
  const mallory = await deriveAccountKeys(engine, engine.sha256(new Uint8Array([7])));
  const evil: Keyring = { ...keyring, escrow: [mallory.recipient] };
  // Anybody can seal to the account, and sign with a key of his own.
  const forged = await writeKeyringCopy({ ...keys, signingSeed: mallory.signingSeed }, ALICE, evil);
  const unsigned = Buffer.from(await sealTo([keys.recipient], Buffer.from("{}"))).toString(
    "base64url",
  );
  const others = await writeKeyringCopy(keys, BOB, evil);
  const reset = async (): ReturnType<typeof resetOnServer> => {
    laterMs += 1000; // a signed request counts once, and says its second
    return await resetOnServer(server.tools, server.https, ALICE, kitOf(alice), {
      password: PASSWORD,
    });
  };
  for (const copy of [forged, unsigned, others, "no base64url!", ""]) {
    await withCopy(server, ALICE, copy);
    const { unlocked, lost } = await reset();
    assert.notEqual(lost, undefined, copy.slice(0, 20));
    assert.deepEqual([unlocked.keyring.escrow, unlocked.keyring.groups], [[], []]);
  }
  const elsewhere = { ...keyring, repository: { ...keyring.repository, id: "00".repeat(16) } };
  await withCopy(server, ALICE, await writeKeyringCopy(keys, ALICE, elsewhere));
  assert.match(await refusal(reset()), /^SEJF_CORRUPT this server has another repository/);
});

test("a copy holds no present identity, and opens with the kit alone", async () => {
  await using server = await SealedServer.start();
  const [alice, bob] = await pair(server);
  const file = (await (await alice.groups()).unlocked.client?.document("keyring"))?.text ?? "";
  const copy = keyringCopyIn(file) ?? "";
  const { keys } = alice.enrolled;
  const opened = await openKeyringCopy(keys, ALICE, copy);
  assert.equal(JSON.stringify(opened).includes(keys.identity), false);
  assert.equal(opened.groups[0]?.name, "family");
  assert.match(
    await refusal(openKeyringCopy(bob.enrolled.keys, ALICE, copy)),
    /^SEJF_CORRUPT the keyring's copy does not open/,
  );
});

test("in a repository: the kit brings back what the keyring knew, and no device overwrites another one's change", async () => {
  await using server = await SealedServer.start();
  const { tools } = server;
  const repository = memoryRepository();
  const documents = documentsIn(repository, ALICE);
  const pins = { id: "", hash: repository.parameters.hash, secretSha256: "00".repeat(32) };
  const { keys } = await enrollInRepository(tools, documents, pins, {
    account: ALICE,
    name: "first",
    password: SEALED_PASSWORD,
    escrow: [COMPANY.recipient],
    rememberKey: false,
  });
  const unlock = async (password: string): ReturnType<typeof unlockAccount> =>
    await unlockAccount(
      {
        ...tools,
        account: ALICE,
        accountKey: keys.accountKey,
        server: undefined,
        opaqueKey: undefined,
        documents,
        keyringVersion: 0,
      },
      password,
    );
  const adding =
    (name: string) =>
    (keyring: Keyring): Keyring => ({
      ...keyring,
      devices: [
        ...keyring.devices.filter((device) => device.name !== name),
        { id: "00".repeat(8), name, key: "", added: "" },
      ],
    });
  // Both have read the same version; one of them stores while the other one does too.
  const [one, two] = [await unlock(SEALED_PASSWORD), await unlock(SEALED_PASSWORD)];
  let raced = false;
  const racing: DocumentStore = {
    load: async (name) => await documents.load(name),
    async save(name, text) {
      await documents.save(name, text);
      if (raced) return;
      raced = true;
      await changeKeyring({ tools, account: ALICE, documents }, two, adding("two"));
    },
  };
  await changeKeyring({ tools, account: ALICE, documents: racing }, one, adding("one"));
  const names = (await unlock(SEALED_PASSWORD)).keyring.devices.map(({ name }) => name);
  assert.deepEqual(names.toSorted(), ["first", "one", "two"]);
  const kit = { identity: keys.identity, former: [] };
  const known = { repository: pins, heads: [], knownVersion: 1 };
  const { lost } = await resetInRepository(tools, documents, ALICE, kit, known, PASSWORD);
  assert.equal(lost, undefined);
  const { keyring } = await unlock(PASSWORD);
  assert.deepEqual(keyring.escrow, [COMPANY.recipient]);
  assert.equal(keyring.devices.length, 3);
});
