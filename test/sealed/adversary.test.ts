/**
 * What an operator, a thief of a device and a member of a group get, alone and together. Lies of a server are in
 * lying-server.test.ts and groups.test.ts, what it takes in in admission.test.ts, deletions in deletes.test.ts.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { test } from "node:test";
import { isSejfError } from "../../src/errors/index.ts";
import type { ContentRef } from "../../src/format/index.ts";
import {
  nodeCompressionEngine as compression,
  nodeCryptoEngine as engine,
} from "../../src/node/index.ts";
import {
  ContentSealer,
  openContent,
  parseReference,
  type SealedReference,
  unlockKeyring,
} from "../../src/sealed/index.ts";
import { type DeviceState, deviceFileOf, logIn, nodeArgon2id } from "../../src/sealing/index.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { Person } from "../../src/testkit/sealed-groups.ts";
import { SEALED_PASSWORD, SealedServer } from "../../src/testkit/sealed-server.ts";
import { filesBelow } from "../../src/testkit/temp.ts";
import { openSources } from "../cli/support.ts";
import {
  ALICE,
  backUp,
  everythingStored,
  makeTree,
  MARKER,
  oneChunk,
  openDeceived,
  restore,
  smallChunk,
} from "./adversary-support.ts";
import { ACCOUNT_PASSWORD, identityOf } from "./command-support.ts";

const BOB = "bob@desk";
const INVITE_MS = 3_600_000;

test("the operator searches all that he has, and a thief what the client keeps", async (t) => {
  await using server = await SealedServer.start({ forPrograms: true });
  const tree = makeTree(join(server.home, "secret-tree"));
  const { url, fingerprint = "" } = server.https;
  const place = ["repository", "connect", "server", `--url=${url}`];
  place.push(`--server-cert-fingerprint=${fingerprint}`);
  const client = async (): ReturnType<typeof openSources> => {
    const made = await openSources({ SEJF_PASSWORD: ACCOUNT_PASSWORD });
    t.after(async () => await made[Symbol.asyncDispose]());
    return made;
  };
  const alice = await client();
  const kit = join(server.home, "kit.txt");
  const env = { SEJF_ENROLLMENT_CODE: await server.addSealed(ALICE) };
  await alice.ok([...place, `--account=${ALICE}`, `--recovery-kit=${kit}`], { env });
  const words = ["snapshot", "create", tree, "--description=secret-description"];
  await alice.ok([...words, "--tags=kind:secret-tag"], { env: { SEJF_PASSWORD: "" } });
  await alice.ok(["restore", tree, join(server.home, "restored")]);
  await alice.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  const metrics = await metricsOf(server);
  assert.match(metrics, /^sejf_/m);
  const operator = {
    "all contents and manifests": await everythingStored(server),
    "the blobs": bytesBelow(join(server.home, "repo")),
    "log, audit log and console": await server.written(),
    metrics,
  };
  const hidden = [MARKER, "secret-", tree, ACCOUNT_PASSWORD, identityOf(kit)];
  for (const [what, text] of Object.entries(operator))
    for (const one of hidden) assert.equal(text.includes(one), false, `${one} in ${what}`);
  // Names in logs and in the device's file are the user's own; data and keys are nowhere.
  const kept = bytesBelow(alice.home);
  assert.ok(kept.includes("age1pq1"), "the device's file was read");
  for (const one of [MARKER, ACCOUNT_PASSWORD, identityOf(kit)])
    assert.equal(kept.includes(one), false, `${one} on the client`);
  // The same search finds a managed account's.
  await server.setAccount("mary@home", { password: ACCOUNT_PASSWORD });
  const mary = await client();
  const named = ["--override-username=mary", "--override-hostname=home"];
  await mary.ok([...place, ...named]);
  await mary.ok(words);
  const managed = await everythingStored(server);
  for (const one of [MARKER, "secret-", tree]) assert.ok(managed.includes(one), one);
});

function bytesBelow(folder: string): string {
  return filesBelow(folder)
    .map((path) => readFileSync(path, "latin1"))
    .join("\n");
}

async function metricsOf(server: SealedServer): Promise<string> {
  const options = { rejectUnauthorized: false, auth: "ui:ui-pw" };
  return await new Promise((resolve, reject) => {
    const call = request(new URL("/metrics", server.https.url), options, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.on("end", () => resolve(Buffer.concat(parts).toString()));
    });
    call.on("error", reject);
    call.end();
  });
}

test("a dictionary needs the account key: the right password with another one neither logs in nor opens the keyring", async () => {
  await using server = await SealedServer.start({ forPrograms: true });
  const { device } = await server.newSealed(ALICE);
  const { accountKey } = device.secrets;
  // The operator has the keyring, and runs logins against his own record as often as he likes.
  const keyring = await server.operator(async ({ manifests }) => {
    const [one] = await manifests.find({ type: "sejfAccountDocument", username: ALICE });
    assert.ok(one !== undefined);
    return (JSON.parse((await manifests.get(one.id)).text) as { readonly text: string }).text;
  });
  const tries = async (key: Uint8Array, password: string): Promise<readonly boolean[]> => {
    const who = { engine, account: ALICE, accountKey: key, opaqueKey: device.opaqueKey };
    const lock = { engine, argon2id: nodeArgon2id, account: ALICE, accountKey: key, password };
    const done = await Promise.allSettled([
      logIn(who, server.https, password),
      unlockKeyring(lock, keyring),
    ]);
    for (const one of done)
      if (one.status === "rejected") assert.ok(isSejfError(one.reason, "SEJF_INVALID_PASSWORD"));
    return done.map(({ status }) => status === "fulfilled");
  };
  const other = accountKey.map((byte, index) => (index === 15 ? byte ^ 1 : byte));
  assert.deepEqual(await tries(other, SEALED_PASSWORD), [false, false]);
  assert.deepEqual(await tries(new Uint8Array(16), SEALED_PASSWORD), [false, false]);
  assert.deepEqual(await tries(accountKey, "another password"), [false, false]);
  assert.deepEqual(await tries(accountKey, SEALED_PASSWORD), [true, true]);
});

test("a stolen device and the server: the last snapshot of the folder opens, what was in the one before does not", async () => {
  await using server = await SealedServer.start({ forPrograms: true });
  const { device, keys } = await server.newSealed(ALICE);
  const tree = makeTree(join(server.home, "tree"));
  await backUp(server, device, tree);
  const [gone, stays] = await referencesOf(server, device, [oneChunk(1), oneChunk(2)]);
  writeFileSync(join(tree, "secret-folder", "one.bin"), oneChunk(3));
  await backUp(server, device, tree);
  const [fresh] = await referencesOf(server, device, [oneChunk(3)]);
  const configFile = join(server.home, `${ALICE}-${device.secrets.device.id}.config`);
  const stolen = readFileSync(deviceFileOf(configFile), "utf8");
  assert.equal(stolen.includes(keys.identity), false);
  assert.doesNotMatch(stolen, /AGE-SECRET-KEY/i);
  const opened = await server.operator(async ({ contents, access }) => {
    const idHash = engine.contentHash(access.format.hash, access.format.secret);
    const found = new Set<string>();
    const pending = [stolen];
    for (let text = pending.pop(); text !== undefined; text = pending.pop())
      for (const reference of referencesIn(text)) {
        if (found.has(reference.id)) continue;
        const sealed = await contents.read(reference.id as string as ContentRef);
        found.add(reference.id);
        const plain = openContent(engine, compression, idHash, reference, sealed);
        pending.push(Buffer.from(plain).toString("latin1"));
      }
    return found;
  });
  assert.ok(gone !== undefined && stays !== undefined && fresh !== undefined);
  assert.deepEqual(
    [gone, stays, fresh].map(({ id }) => opened.has(id)),
    [false, true, true],
  );
});

/** Of chunks of its data, as the device seals them. */
async function referencesOf(
  server: SealedServer,
  device: DeviceState,
  chunks: readonly Uint8Array[],
): Promise<readonly SealedReference[]> {
  await using sealed = await openDeceived(server, device, "write");
  const made: SealedReference[] = [];
  for (const chunk of chunks)
    made.push(parseReference(await sealed.contents.write(chunk, { prefix: "" })));
  return made;
}

function referencesIn(text: string): readonly SealedReference[] {
  return [...text.matchAll(/[kx]?[0-9a-f]{64}~[A-Za-z0-9_-]{43}/g)].map(([reference]) =>
    parseReference(reference as ContentRef),
  );
}

/** A group of alice's that bob is in. */
async function pair(server: SealedServer): Promise<readonly [Person, Person]> {
  const alice = await Person.of(server, ALICE);
  const bob = await Person.of(server, BOB);
  const { code } = await alice.inGroups(async (groups) => {
    await groups.create("family", {});
    return await groups.invite("family", { lifeMs: INVITE_MS });
  });
  await bob.inGroups(async (groups) => await groups.join(code));
  await alice.groups();
  await bob.groups();
  return [alice, bob];
}

test("a member poisons nothing: what he sends is named by what it is; with the server he confirms guesses of whole shared chunks, and of nothing else", async () => {
  await using server = await SealedServer.start({ forPrograms: true });
  const [alice, bob] = await pair(server);
  const { device } = alice.enrolled;
  const { secrets, token = "" } = bob.enrolled.device;
  assert.ok(secrets.group !== undefined);
  const tree = makeTree(join(server.home, "tree"));
  const format = await server.operator(async ({ access }) => await Promise.resolve(access.format));
  const idHash = engine.contentHash(format.hash, format.secret);
  const guess = (chunk: Uint8Array, secret: Uint8Array): ReturnType<ContentSealer["seal"]> =>
    new ContentSealer(engine, compression, secret, idHash).seal(chunk, { prefix: "" });
  const areStored = async (...ids: readonly string[]): Promise<readonly boolean[]> =>
    await server.operator(async ({ contents }) => {
      const found = ids.map(async (id) => await contents.stat(id as ContentRef));
      return (await Promise.all(found)).map((stat) => stat !== undefined);
    });
  const chunk = oneChunk(1);
  const { reference, ciphertext } = guess(chunk, secrets.group.secret);
  {
    await using below = await server.below(BOB, token);
    const poisoned = ciphertext.map((byte, index) => (index === 0 ? byte ^ 1 : byte));
    const named = await below.contents.write(poisoned, { prefix: "" });
    await below.flush();
    // Before alice has it.
    assert.deepEqual(await areStored(named, reference.id), [true, false]);
  }
  await backUp(server, device, tree);
  await restore(server, device, tree);
  const almost = chunk.map((byte, index) => (index === 0 ? byte ^ 1 : byte));
  const stranger = new SeededRandom(7).bytes(32);
  const { secret } = secrets.group;
  const guesses: readonly (readonly [string, boolean, Uint8Array, Uint8Array])[] = [
    ["a whole chunk", true, chunk, secret],
    ["alice's own guess of a small one", true, smallChunk(), device.secrets.privateSecret],
    ["almost right", false, almost, secret],
    ["a chunk below the group's size", false, smallChunk(), secret],
    ["the server without the member", false, chunk, stranger],
    ["the member's private secret", false, chunk, secrets.privateSecret],
  ];
  const found = await areStored(...guesses.map(([, , of, by]) => guess(of, by).reference.id));
  assert.deepEqual(
    guesses.map(([what], index) => [what, found[index]]),
    guesses.map(([what, isRight]) => [what, isRight]),
  );
});
