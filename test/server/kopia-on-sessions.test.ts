/** An unmodified kopia as the client of our server: everything that its command line does through a server. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { utf8ToBytes } from "../../src/bytes/index.ts";
import { AccountServer } from "../../src/testkit/account-server.ts";
import { type CommandClient, KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { SeededRandom } from "../../src/testkit/random.ts";

interface ListedSnapshot {
  readonly id: string;
  readonly pins?: readonly string[];
}

test("a kopia client on our server: the whole life of snapshots", {
  skip: KOPIA_SKIP,
}, async () => {
  await using server = await AccountServer.start({ format: { hash: "BLAKE2B-256-128" } });
  await using kopia = await connectKopia(server, "alice@laptop");
  const source = join(kopia.home.path, "source");
  const files = await makeFiles(source);
  await kopia.ok(["snapshot", "create", source]);
  const afterFirst = server.repository.contents.statistics().writtenContents;
  assert.ok(afterFirst > 40);
  await kopia.ok(["snapshot", "create", source]);
  const { writtenBytes } = server.registry.totals();
  assert.ok(writtenBytes < 12_000_000, "nothing is sent twice");
  await writeFile(join(source, "a.txt"), "changed");
  files["a.txt"] = utf8ToBytes("changed");
  await kopia.ok(["snapshot", "create", source]);
  const listed = await list(kopia);
  assert.equal(listed.length, 3);
  const last = listed.at(-1)?.id ?? "";
  await kopia.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  const target = join(kopia.home.path, "target");
  await kopia.ok(["cache", "clear"]);
  await kopia.ok(["restore", last, target]);
  for (const [name, data] of Object.entries(files))
    assert.deepEqual(await readFile(join(target, name)), Buffer.from(data), name);
  await kopia.ok(["snapshot", "pin", last, "--add=keep"]);
  const [pinned] = (await list(kopia)).filter(({ pins }) => pins?.includes("keep"));
  assert.ok(pinned !== undefined);
  await kopia.ok(["snapshot", "delete", listed[0]?.id ?? "", "--delete"]);
  assert.equal((await list(kopia)).length, 2);
  await kopia.ok(["repository", "status"]);
});

test("a kopia client on our server: policies, retention, manifests", {
  skip: KOPIA_SKIP,
}, async () => {
  await using server = await AccountServer.start();
  await using kopia = await connectKopia(server, "alice@laptop");
  const source = join(kopia.home.path, "source");
  await makeFiles(source);
  await kopia.ok(["policy", "set", source, "--keep-latest=3", "--compression=zstd"]);
  assert.match((await kopia.ok(["policy", "show", source])).stdout, /Latest snapshots:\s+3/i);
  await kopia.ok([
    "policy",
    "set",
    source,
    "--keep-latest=2",
    "--keep-hourly=0",
    "--keep-daily=0",
    "--keep-weekly=0",
    "--keep-monthly=0",
    "--keep-annual=0",
  ]);
  for (let i = 0; i < 4; i++) {
    await writeFile(join(source, "a.txt"), `version ${i}`);
    await kopia.ok(["snapshot", "create", source]);
  }
  assert.equal((await list(kopia)).length, 2, "retention counts the snapshot that was just made");
  await kopia.ok(["policy", "set", source, "--keep-latest=1"]);
  await kopia.ok(["snapshot", "expire", source, "--delete"]);
  assert.equal((await list(kopia)).length, 1);
  const manifests = await kopia.json<{ readonly labels: Record<string, string> }[]>([
    "manifest",
    "list",
    "--json",
  ]);
  assert.deepEqual(manifests.map(({ labels }) => labels["type"]).toSorted(), [
    "policy",
    "policy",
    "snapshot",
  ]);
  await kopia.ok(["policy", "delete", source]);
  assert.doesNotMatch((await kopia.ok(["policy", "list"])).stdout, /source/);
  await kopia.ok(["snapshot", "delete", (await list(kopia))[0]?.id ?? "", "--delete"]);
  assert.deepEqual(await list(kopia), []);
});

test("a kopia client on our server: another account sees nothing of it", {
  skip: KOPIA_SKIP,
}, async () => {
  await using server = await AccountServer.start();
  await using alice = await connectKopia(server, "alice@laptop");
  await using bob = await connectKopia(server, "bob@desk");
  const source = join(alice.home.path, "source");
  await makeFiles(source);
  await alice.ok(["snapshot", "create", source]);
  const [snapshot] = await list(alice);
  const root = await alice.ok(["snapshot", "list", "--json"]);
  const rootId = /"obj":\s*"(k[0-9a-f]+)"/.exec(root.stdout)?.[1] ?? "";
  assert.notEqual(rootId, "");
  assert.deepEqual(await list(bob, ["--all"]), []);
  for (const id of [snapshot?.id ?? "", rootId]) {
    const target = join(bob.home.path, "stolen");
    assert.notEqual((await bob.run(["restore", id, target])).exitCode, 0);
  }
  await alice.ok(["ls", rootId]);
});

async function list(
  kopia: CommandClient,
  more: readonly string[] = [],
): Promise<readonly ListedSnapshot[]> {
  return (await kopia.json<ListedSnapshot[]>(["snapshot", "list", "--json", ...more])) ?? [];
}

async function makeFiles(source: string): Promise<Record<string, Uint8Array>> {
  await mkdir(join(source, "sub"), { recursive: true });
  const random = new SeededRandom(1);
  const files: Record<string, Uint8Array> = {
    "a.txt": utf8ToBytes("hello"),
    empty: new Uint8Array(0),
    "sub/big.bin": random.bytes(9_000_000),
    "sub/wordy.txt": utf8ToBytes("many words ".repeat(50_000)),
  };
  for (let i = 0; i < 40; i++) files[`sub/f${i}`] = random.bytes(300 + i);
  for (const [name, data] of Object.entries(files)) await writeFile(join(source, name), data);
  return files;
}

async function connectKopia(server: AccountServer, name: string): Promise<CommandClient> {
  const [username = "", hostname = ""] = name.split("@");
  const kopia = await openKopia({ password: server.accounts.get(name)?.password });
  await kopia.ok([
    "repository",
    "connect",
    "server",
    `--url=${server.url}`,
    `--server-cert-fingerprint=${server.fingerprint}`,
    `--override-username=${username}`,
    `--override-hostname=${hostname}`,
  ]);
  return kopia;
}
