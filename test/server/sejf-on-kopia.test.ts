/**
 * The command line of sejf and of kopia as clients of one real kopia server: each reads what the other wrote, and each
 * goes on with the other's connection.
 */
import assert from "node:assert/strict";
import { copyFile, lutimes, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees } from "../../scripts/compare-trees.ts";
import { type CommandClient, KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { type KopiaServer, startKopiaServer } from "../../src/testkit/kopia-server.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { temporaryDirectory } from "../../src/testkit/temp.ts";
import { openSources, type SourcesClient } from "../cli/support.ts";

const USER = "alice@laptop";
const PASSWORD = "alice-pw";

interface Listed {
  readonly id: string;
  readonly pins?: readonly string[];
  readonly rootEntry: { readonly obj: string };
}

test("a connection that was made to a server of ours goes on when a kopia server takes its place", {
  skip: KOPIA_SKIP,
}, async () => {
  await using server = await startKopiaServer({ [USER]: PASSWORD });
  await using sejf = await connectSejf(server);
  const config = JSON.parse(await readFile(sejf.configFile, "utf8")) as {
    readonly apiServer: Readonly<Record<string, unknown>>;
  };
  assert.equal(config.apiServer["sejfUpgrades"], undefined, "kopia gives no such connections");
  const apiServer = { ...config.apiServer, sejfUpgrades: true };
  await writeFile(sejf.configFile, JSON.stringify({ ...config, apiServer }));
  await using folder = await temporaryDirectory("tree");
  const source = await makeTree(folder.path);
  const { id } = await sejf.json<Listed>(["snapshot", "create", source, "--json"]);
  await sejf.ok(["restore", id, join(folder.path, "restored")]);
  assert.deepEqual(compareTrees(source, join(folder.path, "restored")).differences, []);
});

test("sejf as a client of a kopia server: everything that kopia allows through one", {
  skip: KOPIA_SKIP,
}, async () => {
  await using server = await startKopiaServer({ [USER]: PASSWORD });
  await using sejf = await connectSejf(server);
  await using kopia = await connectKopia(server);
  await using folder = await temporaryDirectory("tree");
  const source = await makeTree(folder.path);
  const first = await sejf.json<Listed>(["snapshot", "create", source, "--json"]);
  const same = await kopia.json<Listed>(["snapshot", "create", source, "--json"]);
  assert.equal(same.rootEntry.obj, first.rootEntry.obj);
  for (const client of [sejf, kopia]) {
    const listed = await client.json<readonly Listed[]>(["snapshot", "list", "--json"]);
    assert.deepEqual(
      listed.map(({ id }) => id),
      [first.id, same.id],
    );
    const target = join(folder.path, client === sejf ? "by-sejf" : "by-kopia");
    const id = client === sejf ? same.id : first.id;
    await client.ok(["restore", id, target]);
    assert.deepEqual(compareTrees(source, target).differences, []);
    await client.ok(["snapshot", "verify", "--verify-files-percent=100"]);
    assert.equal((await client.ok(["show", `${first.rootEntry.obj}/sub/small`])).stdout, "small");
    assert.match((await client.ok(["ls", "-r", first.rootEntry.obj])).stdout, /sub\/big/);
  }
  await sejf.ok([
    "policy",
    "set",
    source,
    "--keep-latest=1",
    "--keep-hourly=0",
    "--keep-daily=0",
    "--keep-weekly=0",
    "--keep-monthly=0",
    "--keep-annual=0",
    "--add-ignore=*.tmp",
  ]);
  const policy = await kopia.json<{ readonly retention: { readonly keepLatest: number } }>([
    "policy",
    "show",
    source,
    "--json",
  ]);
  assert.equal(policy.retention.keepLatest, 1);
  await kopia.ok(["policy", "set", source, "--compression=zstd-fastest"]);
  assert.match((await sejf.ok(["policy", "show", source])).stdout, /zstd-fastest/);
  await sejf.ok(["snapshot", "pin", same.id, "--add=kept"]);
  await writeFile(join(source, "another.txt"), "a text that compresses ".repeat(10_000));
  await sejf.ok(["snapshot", "create", source]);
  const left = await kopia.json<readonly Listed[]>(["snapshot", "list", "--json"]);
  assert.deepEqual(
    left.map(({ pins = [] }) => pins),
    [["kept"], []],
  );
  await sejf.ok(["diff", left[0]?.id ?? "", left[1]?.id ?? ""]);
  await sejf.ok(["snapshot", "estimate", source]);
  await sejf.ok(["snapshot", "copy-history", `bob@desk`, "--dry-run"]);
  await sejf.ok(["snapshot", "fix", "invalid-files"]);
  await sejf.ok(["snapshot", "delete", left[1]?.id ?? "", "--delete"]);
  await sejf.ok(["policy", "delete", source]);
  assert.equal((await kopia.json<readonly Listed[]>(["snapshot", "list", "--json"])).length, 1);
  assert.match((await sejf.ok(["manifest", "list"])).stdout, /type:snapshot/);
  await server.kopia.ok(["snapshot", "verify", "--verify-files-percent=100"]);
});

test("a connection to a server: each program goes on with the other's", {
  skip: KOPIA_SKIP,
}, async () => {
  await using server = await startKopiaServer({ [USER]: PASSWORD });
  await using kopia = await connectKopia(server);
  await using sejf = await openSources({ SEJF_PASSWORD: "" });
  await copyConnection(kopia.configFile, sejf.configFile);
  assert.match((await sejf.ok(["repository", "status"])).stdout, /Hostname: +laptop/);
  await sejf.ok(["snapshot", "list"]);
  await using made = await connectSejf(server);
  await using other = await openKopia({ password: "" });
  await copyConnection(made.configFile, other.configFile);
  assert.match((await other.ok(["repository", "status"])).stdout, /Username: +alice/);
  await sejf.ok(["repository", "set-client", "--read-only", "--description=mine"]);
  await copyConnection(sejf.configFile, other.configFile);
  const { clientOptions } = await other.json<{ readonly clientOptions: Record<string, unknown> }>([
    "repository",
    "status",
    "--json",
  ]);
  assert.deepEqual([clientOptions["readonly"], clientOptions["description"]], [true, "mine"]);
});

async function copyConnection(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await copyFile(`${from}.kopia-password`, `${to}.kopia-password`);
}

const CONNECT = ["--override-username=alice", "--override-hostname=laptop"];

async function connectSejf(server: KopiaServer): Promise<SourcesClient> {
  const client = await openSources({ SEJF_PASSWORD: "" });
  await client.ok(connectArguments(server));
  return client;
}

async function connectKopia(server: KopiaServer): Promise<CommandClient> {
  const client = await openKopia({ password: "" });
  await client.ok(connectArguments(server));
  return client;
}

function connectArguments({ url, fingerprint }: KopiaServer): readonly string[] {
  const server = [`--url=${url}`, `--server-cert-fingerprint=${fingerprint}`];
  return ["repository", "connect", "server", ...server, ...CONNECT, `--password=${PASSWORD}`];
}

async function makeTree(folder: string): Promise<string> {
  const path = join(folder, "source");
  await mkdir(join(path, "sub"), { recursive: true });
  await writeFile(join(path, "sub", "big"), new SeededRandom(7).bytes(9_000_000));
  await writeFile(join(path, "sub", "small"), "small");
  await writeFile(join(path, "empty"), "");
  await symlink("sub/small", join(path, "link"));
  // Kopia restores the time of a symlink in microseconds.
  await lutimes(join(path, "link"), 1_700_000_000, 1_700_000_000);
  for (let i = 0; i < 300; i++) await writeFile(join(path, "sub", `f${i}`), `file number ${i}`);
  return path;
}
