/** The command line as the client of a server that the test can look into: what it asks, tells, keeps and refuses. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { bytesToUtf8 } from "../../src/bytes/index.ts";
import { TEST_CREDENTIALS, TestSessionServer } from "../../src/testkit/session-server.ts";
import { filesBelow } from "../../src/testkit/temp.ts";
import { openSources, type SourcesClient } from "../cli/support.ts";

const { username, hostname, password } = TEST_CREDENTIALS;

test("repository connect server: what is refused leaves nothing behind, what connects is Kopia's file", async () => {
  await using server = await TestSessionServer.start();
  await using client = await openSources({ SEJF_PASSWORD: password });
  const colons = server.fingerprint.toUpperCase().replaceAll(/(..)(?!$)/g, "$1:");
  const refused = async (args: readonly string[], says: RegExp): Promise<void> => {
    const { exitCode, stderr } = await client.run(["repository", "connect", "server", ...args]);
    assert.notEqual(exitCode, 0);
    assert.match(stderr, says);
    assert.ok(!existsSync(client.configFile), stderr);
  };
  const url = `--url=${server.url}`;
  const user = [`--override-username=${username}`, `--override-hostname=${hostname}`];
  const pin = `--server-cert-fingerprint=${colons}`;
  await refused(
    [url, ...user, pin, "--password=wrong"],
    /access denied for alice@laptop\n.*password and the name right/,
  );
  const other = "ab".repeat(32);
  await refused(
    [url, ...user, `--server-cert-fingerprint=${other}`],
    new RegExp(`fingerprint ${server.fingerprint}, expected ${other}\n.*ask who runs it$`, "m"),
  );
  await refused([url, ...user, "--server-cert-fingerprint=abc"], /64 hex digits/);
  await refused([`--url=http://127.0.0.1:1`, ...user], /only spoken to over TLS/);
  await refused([url, ...user], /--server-cert-fingerprint/);
  await client.ok(["repository", "connect", "server", `${url}/`, ...user, pin, "--readonly"]);
  const config = JSON.parse(await readFile(client.configFile, "utf8")) as Record<string, unknown>;
  assert.deepEqual(config["apiServer"], {
    url: server.url,
    serverCertFingerprint: server.fingerprint,
    localCacheKeyDerivationAlgorithm: "scrypt-65536-8-1",
    sejfUpgrades: true,
  });
  assert.deepEqual(
    [config["username"], config["hostname"], config["readonly"], config["description"]],
    [username, hostname, true, `API Server: ${server.url}`],
  );
  const beside = [`${client.configFile}.kopia-password`, `${client.configFile}.sejf-key`];
  assert.deepEqual(beside.map(existsSync), [true, true], "password, and the key of local copies");
  const { exitCode, stderr } = await client.run(["snapshot", "create", client.home]);
  assert.equal(exitCode, 1);
  assert.match(stderr, /read-only/);
  await client.ok(["repository", "disconnect"]);
  assert.deepEqual([client.configFile, ...beside].map(existsSync), [false, false, false]);
  await client.ok([
    "repository",
    "connect",
    "server",
    url,
    ...user,
    pin,
    "--no-persist-credentials",
  ]);
  assert.deepEqual(beside.map(existsSync), [false, false]);
});

test("repository status: who can read and delete stands first; a token connects again", async () => {
  await using server = await TestSessionServer.start();
  await using client = await connected(server);
  const { stdout } = await client.ok(["repository", "status", "-t", "-s"]);
  const lines = stdout.split("\n");
  assert.match(lines[0] ?? "", /^Who can read: .*whoever operates it can read everything/);
  assert.match(lines[1] ?? "", /^Who can delete: /);
  const json = await client.json<Record<string, unknown>>(["repository", "status", "--json"]);
  assert.deepEqual(json["storage"], { type: "", config: null });
  assert.equal(json["uniqueIDHex"], "");
  const token = /--token (\S+)/.exec(stdout)?.[1] ?? "";
  await using again = await openSources({ SEJF_PASSWORD: "" });
  await again.ok(["repository", "connect", "from-config", `--token=${token}`]);
  await again.ok(["snapshot", "list"]);
  await again.ok([
    "repository",
    "connect",
    "from-config",
    `--file=${client.configFile}`,
    "-p",
    password,
  ]);
  for (const command of [
    ["content", "list"],
    ["blob", "list"],
    ["repository", "throttle", "get"],
  ]) {
    const { exitCode, stderr } = await client.run(command);
    assert.equal(exitCode, 1);
    assert.match(stderr, /operation supported only on direct repository/, command.join(" "));
  }
});

test("snapshot create and expire: the server applies retention and gets the report, without stacks", async () => {
  await using server = await TestSessionServer.start();
  await using client = await connected(server);
  const source = await makeSource(client);
  await client.ok(["snapshot", "create", source]);
  await client.ok(["snapshot", "create", source, "--no-send-snapshot-report"]);
  assert.deepEqual(server.retentions, [
    { path: source, reallyDelete: true },
    { path: source, reallyDelete: true },
  ]);
  assert.equal(server.notifications.length, 1);
  const [report] = server.notifications;
  assert.deepEqual(
    [report?.templateName, report?.eventArgsType, report?.severity],
    ["snapshot-report", 3, 0],
  );
  const { snapshots } = eventArgs(report) as {
    readonly snapshots: readonly { readonly manifest: { readonly source: unknown } }[];
  };
  assert.deepEqual(snapshots[0]?.manifest.source, {
    host: hostname,
    userName: username,
    path: source,
  });
  server.requests.length = 0;
  const { stderr } = await client.ok(["snapshot", "expire", source]);
  assert.match(stderr, /Nothing to delete/);
  assert.ok(!server.requests.includes("deleteManifest"));
  const missing = join(client.home, "missing");
  const failed = await client.run(["snapshot", "create", missing, "--error-notifications=always"]);
  assert.equal(failed.exitCode, 1);
  const kinds = server.notifications.slice(1).map(({ templateName }) => templateName);
  assert.deepEqual(kinds, ["snapshot-report", "generic-error"]);
  const told = JSON.stringify(server.notifications.slice(1).map(eventArgs));
  assert.ok(told.includes(missing));
  assert.doesNotMatch(told, /\bat .*\.ts:\d+/);
  await client.run(["snapshot", "create", missing, "--error-notifications=never"]);
  assert.equal(
    server.notifications.filter((one) => one.templateName === "generic-error").length,
    1,
  );
});

test("a policy from the server that leaves files out is never silent, and never runs a command", async () => {
  await using server = await TestSessionServer.start();
  await using client = await connected(server);
  const source = await makeSource(client);
  const marker = join(client.home, "ran");
  await writeFile(join(client.home, "script.sh"), `#!/bin/sh\ntouch ${marker}\n`, { mode: 0o755 });
  await client.ok([
    "policy",
    "set",
    source,
    "--add-ignore=*.secret",
    `--before-snapshot-root-action=${join(client.home, "script.sh")}`,
  ]);
  const { stderr } = await client.ok(["snapshot", "create", source]);
  assert.match(stderr, /left out 2 file\(s\) .* and 0 folder/);
  assert.match(stderr, /Not executing before-snapshot-root action/);
  assert.ok(!existsSync(marker));
});

test("a server that was set back gets everything again from a client with a warm cache", async () => {
  await using server = await TestSessionServer.start();
  await using client = await connected(server);
  const source = await makeSource(client);
  await client.ok(["snapshot", "create", source]);
  const before = new Map(server.durable.contents);
  await client.ok(["snapshot", "create", source]);
  server.durable.contents.clear();
  server.durable.manifests.clear();
  await client.ok(["snapshot", "create", source]);
  assert.deepEqual([...server.durable.contents.keys()].toSorted(), [...before.keys()].toSorted());
  await client.ok(["snapshot", "verify", "--verify-files-percent=100"]);
});

test("the local cache: read again without the server, encrypted, dropped when damaged", async () => {
  await using server = await TestSessionServer.start();
  await using client = await connected(server);
  const source = await makeSource(client);
  const { rootEntry } = await client.json<{ readonly rootEntry: { readonly obj: string } }>([
    "snapshot",
    "create",
    source,
    "--json",
  ]);
  const cache = join(client.home, "cache", "repository", "sejf", "server-contents");
  server.requests.length = 0;
  await client.ok(["ls", rootEntry.obj]);
  assert.ok(!server.requests.includes("getContent"));
  for (const file of filesBelow(cache)) {
    assert.ok(!readFileSync(file).includes("a.txt"), "names are readable in the cache");
    await writeFile(file, "damaged");
  }
  const { stdout } = await client.ok(["ls", rootEntry.obj]);
  assert.match(stdout, /a\.txt/);
  assert.ok(server.requests.includes("getContent"));
  server.requests.length = 0;
  await client.ok(["ls", rootEntry.obj]);
  assert.ok(!server.requests.includes("getContent"));
  const info = await client.ok(["cache", "info"]);
  assert.match(info.stdout, /server-contents: 1 files [1-9]/);
  await client.ok(["cache", "clear"]);
  assert.deepEqual(filesBelow(cache), []);
  await client.ok(["cache", "set", "--content-cache-size-mb=0"]);
  await client.ok(["ls", rootEntry.obj]);
  assert.deepEqual(filesBelow(cache), [], "no cache is wanted");
});

async function connected(server: TestSessionServer): Promise<SourcesClient> {
  const client = await openSources({ SEJF_PASSWORD: password });
  await client.ok([
    "repository",
    "connect",
    "server",
    `--url=${server.url}`,
    `--server-cert-fingerprint=${server.fingerprint}`,
    `--override-username=${username}`,
    `--override-hostname=${hostname}`,
  ]);
  return client;
}

async function makeSource(client: SourcesClient): Promise<string> {
  const path = join(client.home, "source");
  await rm(path, { recursive: true, force: true });
  await mkdir(join(path, "sub"), { recursive: true });
  await writeFile(join(path, "a.txt"), "hello");
  await writeFile(join(path, "one.secret"), "1");
  await writeFile(join(path, "sub", "two.secret"), "22");
  await writeFile(join(path, "sub", "big.bin"), new Uint8Array(400_000).fill(7));
  return path;
}

function eventArgs(notification: { readonly eventArgs: Uint8Array } | undefined): unknown {
  assert.ok(notification !== undefined);
  return JSON.parse(bytesToUtf8(notification.eventArgs));
}
