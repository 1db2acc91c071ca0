/** What a server takes in of sealed accounts, and what it refuses, with the reason: each case is one thing wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8ToBytes } from "../../src/bytes/index.ts";
import { certifyDevice, signingPublicKey } from "../../src/sealed/index.ts";
import type { DeviceSecrets } from "../../src/sealing/index.ts";
import {
  type Craft,
  CRAFTED_PATH,
  craftSnapshot,
  lineHash,
} from "../../src/testkit/crafted-snapshot.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { SealedServer } from "../../src/testkit/sealed-server.ts";

const ALICE = "alice@laptop";
const DAY_MS = 86_400_000;
const ABSENT = "0".repeat(64);

type Json = Readonly<Record<string, unknown>>;

/** Each session is another one: a refused snapshot takes all changes of its session with it. */
async function put(
  server: SealedServer,
  secrets: DeviceSecrets,
  token: string,
  craft: Craft,
): Promise<string> {
  await using below = await server.below(secrets.account, token);
  const line = await craftSnapshot(below, secrets, Date.now(), craft);
  await below.flush();
  return line;
}

function entriesOf(listing: Json): Json[] {
  return [...(listing["entries"] as Json[])];
}

test("a right one is taken in; everything that is wrong in one part is refused, with the reason", async () => {
  await using server = await SealedServer.start();
  const alice = await server.newSealed(ALICE);
  const bob = await server.newSealed("bob@desk");
  const { secrets, token = "" } = alice.device;
  await put(server, secrets, token, { path: "/sealed/aaaaaaaaaaaaaaaaaaaa" });
  const other = new SeededRandom(5).bytes(32);
  const foreign = certifyDevice(other, { id: secrets.device.id, key: signingPublicKey(other) });
  const now = Date.now();
  const leafOf =
    (entry: Json) =>
    (leaf: Json): Json => ({ ...leaf, entries: [entry] });
  const cases: readonly [string, Craft, RegExp][] = [
    ["a plaintext path", { path: "/home/alice" }, /stores sealed snapshots only/],
    ["the keyring's place", { path: "/sealed/keyring" }, /a place of their own/],
    ["a short name", { path: "/sealed/short" }, /stores sealed snapshots only/],
    [
      "a description",
      { manifest: (one) => ({ ...one, description: "my taxes" }) },
      /no description/,
    ],
    [
      "tags",
      { manifest: (one) => ({ ...one, tags: { "tag:a": "b" } }) },
      /a sealed snapshot has no/,
    ],
    [
      "statistics",
      { manifest: (one) => ({ ...one, stats: { fileCount: 3 } }) },
      /a sealed snapshot has no/,
    ],
    ["no head", { line: null }, /no signed head/],
    ["a head that is none", { line: "{}\n" }, /head does not count/],
    ["a head signed by a stranger", { seed: other }, /head does not count/],
    [
      "a device that a stranger certified",
      { seed: other, head: { cert: foreign } },
      /head does not count/,
    ],
    [
      "a head of another source",
      { head: { source: `${ALICE}:/sealed/bbbbbbbbbbbbbbbbbbbb` } },
      /another source/,
    ],
    [
      "another list of contents",
      { head: { contents: `k${ABSENT}` } },
      /list of contents is another/,
    ],
    ["another body", { head: { body: ABSENT } }, /body is another/],
    ["another start", { head: { start: "2026-01-01T00:00:00Z" } }, /begins at another time/],
    ["a number that follows nothing", { head: { seq: 2 } }, /does not fit/],
    ["a first one that follows something", { head: { prev: ABSENT } }, /does not fit/],
    ["backdated", { startMs: now - DAY_MS, endMs: now - DAY_MS }, /the snapshot ends at/],
    ["in the future", { startMs: now + DAY_MS, endMs: now + DAY_MS }, /the snapshot ends at/],
    [
      "a checkpoint with a head",
      { manifest: (one) => ({ ...one, incomplete: "checkpoint" }) },
      /a checkpoint has no head/,
    ],
    [
      "one file more in the root",
      {
        root: (root) => ({
          ...root,
          entries: [...entriesOf(root), { ...entriesOf(root)[1], name: "notes.txt" }],
        }),
      },
      /the root has an entry/,
    ],
    [
      "no body",
      {
        root: (root) => ({
          ...root,
          entries: entriesOf(root).filter((one) => one["name"] !== "snapshot.age"),
        }),
      },
      /no snapshot.age/,
    ],
    [
      "a listed file under another name",
      { leaf: (leaf) => leafOf({ ...entriesOf(leaf)[0], name: "taxes.pdf" })(leaf) },
      /not what it should be/,
    ],
    [
      "a listed file with a time",
      { leaf: (leaf) => leafOf({ ...entriesOf(leaf)[0], mtime: "2026-01-01T00:00:00Z" })(leaf) },
      /a field too many/,
    ],
  ];
  for (const [what, craft, why] of cases)
    await assert.rejects(put(server, secrets, token, craft), why, what);
  await assert.rejects(
    put(server, bob.device.secrets, bob.device.token ?? "", {
      head: { source: `bob@desk:${CRAFTED_PATH}`, cert: secrets.device.certificate },
      seed: secrets.device.seed,
    }),
    /head does not count/,
    "a device of another account",
  );
  await put(server, secrets, token, {});
});

test("a chain goes on where it ends, whatever is deleted or sent twice", async () => {
  await using server = await SealedServer.start();
  const alice = await server.newSealed(ALICE);
  const { secrets, token = "" } = alice.device;
  const start = Date.now() - 60_000;
  const first = await put(server, secrets, token, { startMs: start });
  const at = (seq: number, prev: string): Craft => ({
    startMs: start + seq * 1000,
    head: { seq, prev },
  });
  await assert.rejects(put(server, secrets, token, { startMs: start + 500 }), /number 1 is stored/);
  await assert.rejects(put(server, secrets, token, at(2, ABSENT)), /does not follow number 1/);
  await assert.rejects(
    put(server, secrets, token, { ...at(2, lineHash(first)), startMs: start - 1000 }),
    /not after the last one/,
  );
  const second = await put(server, secrets, token, at(2, lineHash(first)));
  await assert.rejects(put(server, secrets, token, at(2, lineHash(first))), /./);
  // Two in one flush follow one another.
  await using below = await server.below(ALICE, token);
  const third = await craftSnapshot(below, secrets, Date.now(), at(3, lineHash(second)));
  await craftSnapshot(below, secrets, Date.now(), at(4, lineHash(third)));
  await below.flush();
  await server.operator(async ({ manifests }) => {
    const found = await manifests.find({ type: "snapshot", username: "alice" });
    assert.equal(found.length, 4);
    for (const { id } of found.slice(-2)) await manifests.delete(id);
  });
  await server.running.refresh();
  // What was deleted leaves a hole: the device knows more than is stored.
  await put(server, secrets, token, at(5, ABSENT));
});

test("everything listed is there and held, in both modes of access to contents", async () => {
  for (const contentAccess of ["holding", "any"] as const) {
    await using server = await SealedServer.start({ contentAccess });
    const alice = await server.newSealed(ALICE);
    const bob = await server.newSealed("bob@desk");
    const { secrets, token = "" } = alice.device;
    await assert.rejects(put(server, secrets, token, { listed: ABSENT }), {
      code: "SEJF_CONTENT_NOT_FOUND",
    });
    const bobs = utf8ToBytes("ciphertext of bob");
    await put(server, bob.device.secrets, bob.device.token ?? "", { data: bobs });
    const listed = await server.operator(
      async ({ contents }) => await contents.write(bobs, { prefix: "" }),
    );
    const isHeld = put(server, secrets, token, { listed });
    if (contentAccess === "any") await isHeld;
    else await assert.rejects(isHeld, { code: "SEJF_CONTENT_NOT_FOUND" });
  }
});

test("a managed account stores nothing below /sealed, and a sealed one nothing else", async () => {
  await using server = await SealedServer.start();
  const alice = await server.newSealed(ALICE);
  const { secrets, token = "" } = alice.device;
  await server.setAccount("mary@home", { password: "mary-pw" });
  const mary = { ...secrets, account: "mary@home" };
  await assert.rejects(put(server, mary, "mary-pw", {}), /belongs to sealed accounts/);
  await using below = await server.below(ALICE, token);
  const policy = { type: "policy", policyType: "path", username: "alice", hostname: "laptop" };
  for (const [labels, json, why] of [
    [{ ...policy, path: "/home/alice" }, {}, /nothing else/],
    [{ type: "policy", policyType: "global" }, {}, /access denied/],
    [
      { ...policy, path: CRAFTED_PATH },
      { files: { ignore: ["secret.txt"] } },
      /does not tell the server/,
    ],
    [{ type: "user", username: ALICE }, { username: ALICE, passwordHash: "AAAA" }, /access denied/],
    [{ type: "sejfAccountLogin", username: ALICE }, {}, /access denied/],
  ] as const)
    await assert.rejects(below.manifests.put(labels, json), why, JSON.stringify(labels));
  // The account's own retention may be said by whoever is logged in, not by a device.
  const retention = { retention: { keepLatest: 1 } };
  await assert.rejects(
    below.manifests.put({ ...policy, path: CRAFTED_PATH }, retention),
    /cannot set retention/,
  );
});

test("a quota counts what an account holds, each content once", async () => {
  await using server = await SealedServer.start();
  const alice = await server.newSealed(ALICE, { quotaBytes: 2_000_000 });
  const { secrets, token = "" } = alice.device;
  const random = new SeededRandom(8);
  const data = random.bytes(1_500_000);
  const start = Date.now() - 60_000;
  const line = await put(server, secrets, token, { data, startMs: start });
  // The same again costs nothing but its head and lists.
  const again = { startMs: start + 1000, head: { seq: 2, prev: lineHash(line) } };
  await put(server, secrets, token, { data, ...again });
  await assert.rejects(
    put(server, secrets, token, { data: random.bytes(600_000), startMs: start + 2000 }),
    /the quota of alice@laptop is used up: \d+ bytes would be held, 2000000 are allowed/,
  );
  await server.setAccount(ALICE, { quotaBytes: null });
  const third = { startMs: start + 3000, head: { seq: 9, prev: ABSENT } };
  await put(server, secrets, token, { data: random.bytes(600_000), ...third });
});
