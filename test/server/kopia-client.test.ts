/** An unmodified kopia as the client of our end of the protocol; behind it a server in memory, without any policy. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { utf8ToBytes } from "../../src/bytes/index.ts";
import { type CommandClient, KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { TEST_CREDENTIALS, TestSessionServer } from "../../src/testkit/session-server.ts";

test("a kopia client: connects, writes, lists, restores, verifies, deletes", {
  skip: KOPIA_SKIP,
}, async () => {
  await using server = await TestSessionServer.start();
  await using kopia = await connectKopia(server);
  const source = join(kopia.home.path, "source");
  await mkdir(join(source, "sub"), { recursive: true });
  const random = new SeededRandom(1);
  const files: Record<string, Uint8Array> = {
    "a.txt": utf8ToBytes("hello"),
    empty: new Uint8Array(0),
    "sub/big.bin": random.bytes(30_000_000),
  };
  for (let i = 0; i < 40; i++) files[`sub/f${i}`] = random.bytes(300 + i);
  for (const [name, data] of Object.entries(files)) await writeFile(join(source, name), data);
  await kopia.ok(["snapshot", "create", source]);
  assert.ok(server.durable.contents.size > 100);
  assert.ok(server.purposes.includes("cli:snapshot create"));
  const [snapshot] = await kopia.json<readonly { readonly id: string }[]>([
    "snapshot",
    "list",
    "--json",
  ]);
  assert.ok(snapshot !== undefined);
  await kopia.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  const target = join(kopia.home.path, "target");
  await kopia.ok(["restore", snapshot.id, target]);
  for (const [name, data] of Object.entries(files))
    assert.deepEqual(await readFile(join(target, name)), Buffer.from(data), name);
  await kopia.ok(["policy", "set", source, "--keep-latest=3"]);
  assert.match((await kopia.ok(["policy", "show", source])).stdout, /Latest snapshots:\s+3/i);
  await kopia.ok(["policy", "delete", source]);
  await kopia.ok(["snapshot", "delete", snapshot.id, "--delete"]);
  assert.deepEqual(
    [...server.durable.manifests.values()].filter(
      (one) => one.metadata.labels["type"] === "snapshot",
    ),
    [],
  );
  // The command line ends its sessions by cancelling; nothing counts but what it flushed.
  assert.equal(server.endedInOrder, 0);
});

test("a kopia client: a wrong password is told as such", { skip: KOPIA_SKIP }, async () => {
  await using server = await TestSessionServer.start();
  await assert.rejects(connectKopia(server, "wrong"), /access denied for alice@laptop/);
});

async function connectKopia(
  server: TestSessionServer,
  password = TEST_CREDENTIALS.password,
): Promise<CommandClient> {
  const kopia = await openKopia({ password });
  try {
    await kopia.ok([
      "repository",
      "connect",
      "server",
      `--url=${server.url}`,
      `--server-cert-fingerprint=${server.fingerprint}`,
      `--override-username=${TEST_CREDENTIALS.username}`,
      `--override-hostname=${TEST_CREDENTIALS.hostname}`,
    ]);
    return kopia;
  } catch (error) {
    await kopia[Symbol.asyncDispose]();
    throw error;
  }
}
