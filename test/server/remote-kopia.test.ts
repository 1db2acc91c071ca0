/**
 * Our client and a real kopia server: users, contents, manifests and snapshots through the server, which kopia itself
 * then verifies and restores; and a snapshot that kopia made, read through the server by us.
 */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { utf8ToBytes } from "../../src/bytes/index.ts";
import { COMPRESSORS } from "../../src/compress/index.ts";
import { nodeCompressionEngine, nodeCryptoEngine } from "../../src/node/index.ts";
import {
  openRemoteRepository,
  type OpenRemoteOptions,
  type RemoteRepository,
} from "../../src/rpc/index.ts";
import { createSnapshot, listSnapshots, restoreTree } from "../../src/snapshot/index.ts";
import { type CommandClient, KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { type KopiaServer, startKopiaServer } from "../../src/testkit/kopia-server.ts";
import { SeededRandom } from "../../src/testkit/random.ts";

const ALICE = { username: "alice", hostname: "laptop" };
const ALICE_PASSWORD = "alice-pw";

test("a kopia server: wrong passwords, users and certificates are refused", {
  skip: KOPIA_SKIP,
}, async () => {
  await using server = await startKopiaServer({
    [`${ALICE.username}@${ALICE.hostname}`]: ALICE_PASSWORD,
  });
  await assert.rejects(connect(server, { password: "wrong" }), {
    code: "SEJF_ACCESS_DENIED",
    message: "access denied for alice@laptop",
  });
  await assert.rejects(connect(server, { identity: { username: "eve", hostname: "laptop" } }), {
    code: "SEJF_ACCESS_DENIED",
  });
  await assert.rejects(connect(server, { fingerprint: "0".repeat(64) }), {
    code: "SEJF_ACCESS_DENIED",
  });
  await assert.rejects(connect(server, { fingerprint: undefined }), { code: "SEJF_CONNECTION" });
});

test("a kopia server: contents and manifests, written, read and checked by kopia", {
  skip: KOPIA_SKIP,
}, async () => {
  await using server = await startKopiaServer({
    [`${ALICE.username}@${ALICE.hostname}`]: ALICE_PASSWORD,
  });
  await using repository = await connect(server);
  assert.equal(repository.parameters.indexVersion, 2);
  const random = new SeededRandom(1);
  const zstd = COMPRESSORS.find(({ name }) => name === "zstd");
  assert.ok(zstd !== undefined);
  const plain = random.bytes(3_000_000);
  const big = new Uint8Array(19 << 20).fill(5);
  const refs = [
    await repository.contents.write(plain, { prefix: "" }),
    await repository.contents.write(big, { prefix: "", compressor: zstd.id }),
    await repository.contents.write(utf8ToBytes("{}"), { prefix: "k", compressor: 0x1101 }),
    await repository.contents.write(new Uint8Array(0), { prefix: "" }),
  ];
  await assert.rejects(
    repository.contents
      .write(utf8ToBytes("x"), { prefix: "m" })
      .then(async () => await repository.flush()),
    { code: "SEJF_ACCESS_DENIED" },
  );
  await using again = await connect(server);
  for (const [i, data] of [plain, big, utf8ToBytes("{}"), new Uint8Array(0)].entries()) {
    const prefix = i === 2 ? "k" : "";
    assert.equal(
      await again.contents.write(data, { prefix, compressor: i === 1 ? zstd.id : undefined }),
      refs[i],
    );
  }
  const labels = { type: "snapshot", ...ALICE, path: "/data" };
  const id = await again.manifests.put(labels, { note: "a < b" });
  await again.flush();
  assert.deepEqual((await again.manifests.get(id)).data, { note: "a < b" });
  assert.deepEqual(
    (await again.manifests.find(labels)).map((found) => found.id),
    [id],
  );
  await using reader = await connect(server);
  for (const [i, ref] of refs.entries()) {
    const expected = [plain, big, utf8ToBytes("{}"), new Uint8Array(0)][i];
    assert.deepEqual(await reader.contents.read(ref), expected);
    assert.equal((await reader.contents.stat(ref))?.originalLength, expected?.length);
  }
  assert.deepEqual(
    await reader.prefetch([...refs, "00".repeat(16) as (typeof refs)[0] & string], ""),
    refs,
  );
  assert.ok((await reader.capacity()).sizeBytes > 0n);
  await reader.manifests.delete(id);
  await reader.flush();
  await assert.rejects(reader.manifests.get(id), { code: "SEJF_MANIFEST_NOT_FOUND" });
  await server.kopia.ok(["content", "verify", "--full"]);
  for (const ref of refs) await server.kopia.ok(["content", "show", ref]);
});

test("a kopia server: what was not flushed is gone with a closed session", {
  skip: KOPIA_SKIP,
}, async () => {
  await using server = await startKopiaServer({
    [`${ALICE.username}@${ALICE.hostname}`]: ALICE_PASSWORD,
  });
  {
    await using repository = await connect(server);
    await repository.manifests.put({ type: "snapshot", ...ALICE, path: "/lost" }, {});
  }
  await using after = await connect(server);
  await after.flush();
  assert.deepEqual(await after.manifests.find({ type: "snapshot" }), []);
});

test("a kopia server: our snapshot is verified and restored by kopia, kopia's is restored by us", {
  skip: KOPIA_SKIP,
}, async () => {
  await using server = await startKopiaServer({
    [`${ALICE.username}@${ALICE.hostname}`]: ALICE_PASSWORD,
  });
  const { path: home } = server.kopia.home;
  const source = join(home, "source");
  const random = new SeededRandom(2);
  await mkdir(join(source, "sub", "empty"), { recursive: true });
  const files: Record<string, Uint8Array> = {
    "a.txt": utf8ToBytes("hello\n".repeat(1000)),
    "sub/big.bin": random.bytes(9_000_000),
    "sub/empty.txt": new Uint8Array(0),
  };
  for (let i = 0; i < 60; i++) files[`sub/small${i}`] = random.bytes(200 + i);
  for (const [name, data] of Object.entries(files)) await writeFile(join(source, name), data);

  await using repository = await connect(server);
  const { snapshot } = await createSnapshot(repository, { ...ALICE, path: source });
  await repository.flush();
  await repository.applyRetention(source, true);
  await repository.flush();

  await using client = await connectKopia(server);
  const listed = await client.json<{ readonly id: string }[]>([
    "snapshot",
    "list",
    "--json",
    source,
  ]);
  assert.deepEqual(
    listed.map(({ id }) => id),
    [snapshot.id],
  );
  await server.kopia.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  const byKopia = join(home, "by-kopia");
  await client.ok(["restore", snapshot.id, byKopia]);
  await assertTree(byKopia, files);

  await writeFile(join(source, "a.txt"), "changed");
  files["a.txt"] = utf8ToBytes("changed");
  await client.ok(["snapshot", "create", source]);
  await using reader = await connect(server);
  const snapshots = await listSnapshots(reader, { source: { ...ALICE, path: source } });
  assert.equal(snapshots.length, 2);
  const newest = snapshots.at(-1);
  assert.ok(newest?.rootEntry !== undefined);
  const byUs = join(home, "by-us");
  await restoreTree(reader, newest.rootEntry, byUs);
  await assertTree(byUs, files);

  // Nothing changed: our next snapshot on top of kopia's sends no file.
  const unchanged = await createSnapshot(reader, { ...ALICE, path: source });
  await reader.flush();
  assert.equal(unchanged.snapshot.rootEntry?.object, newest.rootEntry.object);
});

test("a kopia server: a restart in the middle is survived", { skip: KOPIA_SKIP }, async () => {
  await using server = await startKopiaServer({
    [`${ALICE.username}@${ALICE.hostname}`]: ALICE_PASSWORD,
  });
  await using repository = await connect(server);
  const [first, second] = [utf8ToBytes("one"), utf8ToBytes("two")];
  const ref = await repository.contents.write(first, { prefix: "" });
  await server.restart();
  const other = await repository.contents.write(second, { prefix: "" });
  await repository.flush();
  await using reader = await connect(server);
  assert.deepEqual(await reader.contents.read(ref), first);
  assert.deepEqual(await reader.contents.read(other), second);
});

async function assertTree(
  root: string,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<void> {
  for (const [name, data] of Object.entries(files))
    assert.deepEqual(await readFile(join(root, name)), Buffer.from(data), name);
}

async function connect(
  server: KopiaServer,
  options: Partial<OpenRemoteOptions> = {},
): Promise<RemoteRepository> {
  return await openRemoteRepository({
    url: server.url,
    fingerprint: server.fingerprint,
    identity: ALICE,
    password: ALICE_PASSWORD,
    engine: nodeCryptoEngine,
    compression: nodeCompressionEngine,
    ...options,
  });
}

/** A second kopia, connected to the server as alice. */
async function connectKopia(server: KopiaServer): Promise<CommandClient> {
  const client = await openKopia({ password: ALICE_PASSWORD });
  await client.ok([
    "repository",
    "connect",
    "server",
    `--url=${server.url}`,
    `--server-cert-fingerprint=${server.fingerprint}`,
    `--override-username=${ALICE.username}`,
    `--override-hostname=${ALICE.hostname}`,
  ]);
  return client;
}
