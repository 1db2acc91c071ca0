/** A server that lies to a sealed client in whatever it says; groups and invitations are in groups.test.ts. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { utf8ToBytes } from "../../src/bytes/index.ts";
import type { ContentRef } from "../../src/format/index.ts";
import type { Labels } from "../../src/manifest/index.ts";
import { nodeCryptoEngine as engine } from "../../src/node/index.ts";
import {
  certifyDevice,
  deriveAccountKeys,
  openSealed,
  parseReference,
  sealSnapshotBody,
  sealTo,
  signingPublicKey,
} from "../../src/sealed/index.ts";
import { openAccounts } from "../../src/server/index.ts";
import { listSnapshots, restoreTree } from "../../src/snapshot/index.ts";
import { type Craft, craftSnapshot } from "../../src/testkit/crafted-snapshot.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { Person } from "../../src/testkit/sealed-groups.ts";
import { SealedServer } from "../../src/testkit/sealed-server.ts";
import { temporaryDirectory } from "../../src/testkit/temp.ts";
import {
  ALICE,
  backUp,
  everythingStored,
  makeTree,
  MARKER,
  oneChunk,
  openDeceived,
  readingOther,
  restore,
  sourceOf,
} from "./adversary-support.ts";

const CORRUPT = { code: "SEJF_CORRUPT" };
type Json = Readonly<Record<string, unknown>>;

const SNAPSHOT = { type: "snapshot", username: "alice", hostname: "laptop" };

test("contents that are altered, cut, exchanged or another's are no contents; nothing of them is restored", async () => {
  await using server = await SealedServer.start();
  const { device } = await server.newSealed(ALICE, {}, { rememberKey: true });
  const tree = makeTree(join(server.home, "tree"));
  await backUp(server, device, tree);
  const [one, two] = await (async () => {
    await using sealed = await openDeceived(server, device, "write");
    const refs = [oneChunk(1), oneChunk(2)].map(
      async (chunk) => await sealed.contents.write(chunk, { prefix: "" }),
    );
    return await Promise.all(refs);
  })();
  assert.ok(one !== undefined && two !== undefined);
  const other = await server.operator(
    async ({ contents }) => await contents.read(parseReference(two).id as string as ContentRef),
  );
  const changed = (at: number, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
    bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
  const lies: readonly (readonly [
    string,
    (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
  ])[] = [
    ["the first bit", (bytes) => changed(0, bytes)],
    ["the last bit", (bytes) => changed(bytes.length - 1, bytes)],
    ["cut", (bytes) => bytes.slice(0, -1)],
    ["longer", (bytes) => new Uint8Array([...bytes, 0])],
    ["empty", () => new Uint8Array()],
    ["another content of the account, of the same length", () => other],
  ];
  for (const [what, lie] of lies) {
    await using sealed = await openDeceived(server, device, "full", {
      lies: (honest) =>
        readingOther(honest, (ref, bytes) =>
          (ref as string) === parseReference(one).id ? lie(bytes) : bytes,
        ),
    });
    await assert.rejects(sealed.contents.read(one), CORRUPT, what);
    const [snapshot] = await listSnapshots(sealed, { source: sourceOf(device, tree) });
    assert.ok(snapshot?.rootEntry !== undefined);
    await using target = await temporaryDirectory("lied");
    await assert.rejects(restoreTree(sealed, snapshot.rootEntry, target.path), what);
    const whole = join(target.path, "secret-folder", "one.bin");
    assert.throws(() => readFileSync(whole), { code: "ENOENT" }, what);
  }
  await restore(server, device, tree);
});

test("snapshots that the operator makes, alters, moves or hides are a loud error", async () => {
  await using server = await SealedServer.start();
  const { device } = await server.newSealed(ALICE, {}, { rememberKey: true });
  const { secrets } = device;
  const tree = makeTree(join(server.home, "tree"));
  const second = makeTree(join(server.home, "second"));
  writeFileSync(join(second, "secret-more.bin"), oneChunk(3));
  await backUp(server, device, tree);
  await backUp(server, device, second);
  const stored = await server.operator(async ({ manifests }) => {
    const found = await manifests.find(SNAPSHOT);
    return await Promise.all(found.map(async ({ id }) => await manifests.get(id)));
  });
  const [first, other] = stored;
  assert.ok(first !== undefined && other !== undefined);
  const { path = "" } = first.labels;
  const stranger = new SeededRandom(5).bytes(32);
  const foreign = certifyDevice(stranger, {
    id: secrets.device.id,
    key: signingPublicKey(stranger),
  });
  /** What is there afterwards instead of `first`, and is taken away again. */
  const shown = async (labels: Labels, data: unknown): Promise<void> => {
    const put = await server.operator(async ({ manifests }) => await manifests.put(labels, data));
    await server.running.refresh();
    try {
      await listed();
    } finally {
      await server.operator(async ({ manifests }) => await manifests.delete(put));
      await server.running.refresh();
    }
  };
  const listed = async (): Promise<void> => {
    await using sealed = await openDeceived(server, device, "full");
    for (const one of [tree, second])
      await listSnapshots(sealed, { source: sourceOf(device, one) });
  };
  const crafted = async (craft: Craft): Promise<void> => {
    let made: readonly [Labels, unknown] | undefined;
    await server.operator(async ({ contents }) => {
      const manifests = {
        put: async (labels: Labels, data: unknown): Promise<never> => {
          made = [labels, data];
          return await Promise.resolve("" as never);
        },
      };
      const forger = { contents, manifests } as unknown as Parameters<typeof craftSnapshot>[0];
      await craftSnapshot(forger, secrets, Date.now(), { path, ...craft });
    });
    assert.ok(made !== undefined);
    await shown(...made);
  };
  const lies: readonly (readonly [string, Craft, RegExp])[] = [
    ["no head", { line: null }, /has no signed head/],
    ["signed by the operator", { seed: stranger }, /sign/],
    ["by a device of his making", { seed: stranger, head: { cert: foreign } }, /sign/],
    ["a head that is none", { line: "{}\n" }, /./],
  ];
  for (const [what, craft, reason] of lies) {
    await assert.rejects(crafted(craft), { ...CORRUPT, message: reason }, what);
  }
  const moved = { ...(first.data as object), rootEntry: rootOf(other.data) };
  await assert.rejects(
    shown(first.labels, moved),
    { ...CORRUPT, message: /has the head of alice@laptop:\/sealed\// },
    "another source's",
  );
  const bodies = sealTo([secrets.recipient], utf8ToBytes('{"v":1}'));
  for (const [name, bytes, reason] of [
    ["snapshot.age", await bodies, /another body than its head says/],
    ["contents", undefined, /another list of contents than its head says/],
  ] as const) {
    const exchanged = await withEntry(server, first.data, name, bytes ?? rootOf(other.data).obj);
    await assert.rejects(shown(first.labels, exchanged), { ...CORRUPT, message: reason }, name);
  }
  await listed();
  await server.operator(async ({ manifests }) => await manifests.delete(other.id));
  await server.running.refresh();
  await assert.rejects(listed(), { ...CORRUPT, message: /the repository went back/ });
});

interface Root {
  readonly obj: string;
}

interface OuterRoot {
  readonly entries: readonly (Root & { readonly name: string })[];
}

function rootOf(data: unknown): Root {
  return (data as { readonly rootEntry: Root }).rootEntry;
}

/**
 * The same manifest over a root in which one entry is another content, or the one of this name in another root; without
 * one of this name.
 */
async function withEntry(
  server: SealedServer,
  data: unknown,
  name: string,
  other: Uint8Array | string,
  without?: string,
): Promise<object> {
  return await server.operator(async ({ contents }) => {
    const read = async (ref: string): Promise<OuterRoot> =>
      JSON.parse(Buffer.from(await contents.read(ref as ContentRef)).toString()) as OuterRoot;
    const root = await read(rootOf(data).obj);
    const obj =
      typeof other === "string"
        ? (await read(other)).entries.find((one) => one.name === name)?.obj
        : await contents.write(other, { prefix: "" });
    const size = typeof other === "string" ? undefined : { size: other.length };
    const kept = root.entries.filter((one) => one.name !== without);
    const entries = kept.map((one) => (one.name === name ? { ...one, ...size, obj } : one));
    const bytes = utf8ToBytes(`${JSON.stringify({ ...root, entries })}\n`);
    const made = await contents.write(bytes, { prefix: "k" });
    return { ...(data as object), rootEntry: { ...rootOf(data), obj: made } };
  });
}

test("a checkpoint, which nobody signs, passes for no snapshot, and no backup takes anything of it over", async () => {
  await using server = await SealedServer.start({ contentAccess: "any" });
  const { device } = await server.newSealed(ALICE, {}, { rememberKey: true });
  const mallory = (await server.newSealed("mallory@server", {}, { rememberKey: true })).device;
  const tree = join(server.home, "tree");
  mkdirSync(tree);
  await backUp(server, device, tree);
  // He guesses the path, and everything of a new file but its bytes.
  const evil = join(server.home, "evil");
  mkdirSync(evil);
  for (const [folder, seed] of [
    [tree, 1],
    [evil, 2],
  ] as const) {
    writeFileSync(join(folder, "one.bin"), oneChunk(seed));
    utimesSync(join(folder, "one.bin"), 1_700_000_000, 1_700_000_000);
  }
  await backUp(server, mallory, evil);
  const plain = await (async () => {
    await using sealed = await openDeceived(server, mallory, "full");
    const [one] = await sealed.manifests.find({ type: "snapshot" });
    assert.ok(one !== undefined);
    return (await sealed.manifests.get(one.id)).data as object;
  })();
  const [his, hers, format] = await server.operator(async ({ manifests, access }) => {
    const [one] = await manifests.find({ ...SNAPSHOT, username: "mallory", hostname: "server" });
    const [other] = await manifests.find(SNAPSHOT);
    assert.ok(one !== undefined && other !== undefined);
    return [await manifests.get(one.id), await manifests.get(other.id), access.format];
  });
  const source = { userName: "alice", host: "laptop", path: tree };
  const body = await sealSnapshotBody([device.secrets.recipient], {
    manifest: { ...plain, source },
    hash: { name: format.hash, secret: format.secret },
  });
  const exchanged = await withEntry(server, his.data, "snapshot.age", body, "head.json");
  const forged = { ...exchanged, source: (hers.data as Json)["source"], incomplete: "checkpoint" };
  await server.operator(async ({ manifests }) => await manifests.put(hers.labels, forged));
  await server.running.refresh();
  {
    await using sealed = await openDeceived(server, device, "full");
    const listed = await listSnapshots(sealed, { source: sourceOf(device, tree) });
    assert.deepEqual(
      listed.map(({ incomplete, rootEntry }) => [incomplete, rootEntry !== undefined]),
      [
        [undefined, true],
        ["checkpoint", false],
      ],
    );
  }
  await backUp(server, device, tree);
  await restore(server, device, tree);
});

test("a keyring that went back, of another account or of the server's making opens nothing", async () => {
  await using server = await SealedServer.start();
  const alice = await Person.of(server, ALICE);
  const bob = await server.newSealed("bob@desk");
  const labels = { type: "sejfAccountDocument", username: ALICE, name: "keyring" };
  const current = async (): Promise<{ readonly labels: Labels; readonly text: string }> =>
    await server.operator(async ({ manifests }) => {
      const [id] = (await manifests.find(labels)).slice(-1).map((one) => one.id);
      assert.ok(id !== undefined);
      const found = await manifests.get(id);
      return { labels: found.labels, text: found.text };
    });
  const older = await current();
  await alice.inGroups(async (groups) => await groups.create("family", {}));
  const newest = await current();
  assert.notEqual(newest.text, older.text);
  const bobs = await server.operator(async ({ manifests }) => {
    const [one] = await manifests.find({ ...labels, username: bob.device.secrets.account });
    assert.ok(one !== undefined);
    return (await manifests.get(one.id)).text;
  });
  const { device } = alice.enrolled;
  let version = Number(newest.labels["version"]);
  for (const [what, text, error] of [
    ["an older one", older.text, { ...CORRUPT, message: /the keyring went back/ }],
    ["another account's", bobs, { code: "SEJF_INVALID_PASSWORD" }],
  ] as const) {
    version++;
    await server.operator(async ({ manifests }) => {
      await manifests.put({ ...newest.labels, version: String(version) }, JSON.parse(text));
    });
    await server.running.refresh();
    await assert.rejects(openDeceived(server, device, "full"), error, what);
  }
});

test("the server says who else may read: nobody believes it", async () => {
  await using server = await SealedServer.start();
  const { device } = await server.newSealed(ALICE, {}, { rememberKey: true });
  const operator = await deriveAccountKeys(engine, new SeededRandom(9).bytes(32));
  await server.operator(async ({ manifests }) => {
    const [record] = await manifests.find({ type: "sejfAccountLogin", username: ALICE });
    assert.ok(record !== undefined);
    const { data, labels } = await manifests.get(record.id);
    const recipient = operator.recipient;
    await manifests.put(labels, { ...(data as object), recipient, escrow: ["0".repeat(16)] });
    await manifests.delete(record.id);
  });
  await server.running.refresh();
  const tree = makeTree(join(server.home, "tree"));
  await backUp(server, device, tree);
  await restore(server, device, tree);
  const body = await server.operator(async ({ contents, manifests }) => {
    const [one] = await manifests.find(SNAPSHOT);
    assert.ok(one !== undefined);
    const root = rootOf((await manifests.get(one.id)).data).obj;
    const text = Buffer.from(await contents.read(root as ContentRef)).toString();
    const { entries } = JSON.parse(text) as { entries: { name: string; obj: string }[] };
    const obj = entries.find(({ name }) => name === "snapshot.age")?.obj;
    return await contents.read(obj as ContentRef);
  });
  const header = Buffer.from(body).toString("latin1").split("\n---")[0] ?? "";
  assert.equal(header.match(/^-> /gm)?.length, 1, header);
  await assert.rejects(openSealed([operator.identity], "the body", body), CORRUPT);
  const own = await openSealed([String(device.identity)], "the body", body);
  assert.match(Buffer.from(own).toString(), /"manifest"/);
});

test("an account that the server makes a managed one sends no plaintext, whatever it is let do", async () => {
  await using server = await SealedServer.start();
  const { device } = await server.newSealed(ALICE, {}, { rememberKey: true });
  const tree = makeTree(join(server.home, "tree"));
  await server.operator(async ({ manifests }) => {
    const accounts = openAccounts({ manifests, ...server.tools });
    await accounts.delete(ALICE);
    await accounts.set(ALICE, { password: "the server's" });
  });
  await server.running.refresh();
  await assert.rejects(backUp(server, device, tree), { code: "SEJF_ACCESS_DENIED" });
  // Even with the password of the managed account.
  await assert.rejects(backUp(server, device, tree, { password: "the server's" }));
  const seen = await everythingStored(server);
  for (const hidden of [MARKER, "secret-", tree])
    assert.equal(seen.includes(hidden), false, hidden);
});

test("a repository of other parameters is another one: not a byte is sent", async () => {
  await using server = await SealedServer.start();
  const { device } = await server.newSealed(ALICE, {}, { rememberKey: true });
  const refused = {
    ...CORRUPT,
    message: /another repository than the account alice@laptop was made/,
  };
  const tree = makeTree(join(server.home, "tree"));
  const before = await everythingStored(server);
  await assert.rejects(
    backUp(server, device, tree, { contentSecret: (secret) => secret.map((byte) => byte ^ 1) }),
    refused,
  );
  for (const hash of ["BLAKE2B-256-128", "HMAC-SHA256-128"])
    await assert.rejects(
      backUp(server, device, tree, {
        lies: ({ parameters }) => ({ parameters: { ...parameters, hash } as typeof parameters }),
      }),
      refused,
      hash,
    );
  assert.ok(before === (await everythingStored(server)), "something was stored");
  await backUp(server, device, tree);
});

test("a server that went back is told to the device, which then sends again what is gone", async () => {
  await using server = await SealedServer.start();
  const { device } = await server.newSealed(ALICE, {}, { rememberKey: true });
  const tree = makeTree(join(server.home, "tree"));
  const repository = join(server.home, "repo");
  const old = join(server.home, "old");
  cpSync(repository, old, { recursive: true, preserveTimestamps: true });
  await backUp(server, device, tree);
  rmSync(repository, { recursive: true });
  cpSync(old, repository, { recursive: true, preserveTimestamps: true });
  await server.running.refresh();
  const wentBack = { ...CORRUPT, message: /the repository went back/ };
  await assert.rejects(backUp(server, device, tree), wentBack);
  await backUp(server, device, tree, { isRollbackAccepted: true });
  await restore(server, device, tree);
});
