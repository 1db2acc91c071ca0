/** `sejf server start` as a process: its lines, its flags, how it is told what to do, and how it stops. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { httpsCall } from "../../src/testkit/http-host.ts";
import { openSejf, SEJF_EXE } from "../../src/testkit/kopia.ts";
import {
  CONTROL_PASSWORD,
  GENERATED_TLS,
  openServerHome,
  SejfServer,
  UI_PASSWORD,
} from "../../src/testkit/sejf-server.ts";
import { SELF_SIGNED } from "../../src/testkit/tls.ts";

const ALICE = "alice@laptop";
const CONTROL = { name: "server-control", password: CONTROL_PASSWORD };

async function json<T>(server: SejfServer, path: string): Promise<T> {
  const place = { host: "127.0.0.1", port: server.port };
  const answer = await httpsCall(place, `/api/v1/control/${path}`, { login: CONTROL });
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text) as T;
}

test("server start: Kopia's lines in Kopia's order, nothing on standard output, who can read and delete", async () => {
  await using home = await openServerHome({ [ALICE]: "alice-pw" });
  await home.ok(["server", "user", "add", "bob@nas", "--user-password=bob-pw", "--append-only"]);
  await using server = await SejfServer.start(home, {
    tlsFlags: GENERATED_TLS,
    flags: [
      "--random-password",
      "--server-password=",
      "--random-server-control-password",
      "--server-control-password=",
      "--tls-print-server-cert",
      "--tls-generate-cert-name=backup.example.com",
    ],
  });
  await server.says("Who can delete:");
  const keys = server.lines.flatMap((line) => /^(SERVER [A-Z0-9 ]+): /.exec(line)?.[1] ?? []);
  assert.deepEqual(keys, [
    "SERVER PASSWORD",
    "SERVER CONTROL PASSWORD",
    "SERVER CERT SHA256",
    "SERVER CERTIFICATE",
    "SERVER ADDRESS",
  ]);
  for (const key of ["SERVER PASSWORD", "SERVER CONTROL PASSWORD", "SERVER CERT SHA256"])
    assert.match(server.told(key), /^[0-9a-f]{64}$/, key);
  assert.match(server.url, /^https:\/\/127\.0\.0\.1:\d+$/);
  const pem = Buffer.from(server.told("SERVER CERTIFICATE"), "base64").toString();
  const certificate = new X509Certificate(pem);
  assert.equal(certificate.checkHost("backup.example.com"), "backup.example.com");
  assert.equal(certificate.fingerprint256.replaceAll(":", "").toLowerCase(), server.fingerprint);
  const trust = server.lines.filter((line) => line.startsWith("Who can "));
  assert.match(
    trust[0] ?? "",
    /^Who can read: {3}this server and whoever runs it, the user of its web interface \(kopia\).*each account what it stored itself/,
  );
  assert.match(
    trust[1] ?? "",
    /their own snapshots \(alice@laptop\); append-only accounts nothing.*\(bob@nas\)/,
  );
  const login = { name: "kopia", password: server.told("SERVER PASSWORD") };
  const page = await httpsCall({ host: "127.0.0.1", port: server.port }, "/", { login });
  assert.equal(page.status, 200);
  await server.says("Open the address above");
  assert.equal(await server.stop(), 0);
  assert.deepEqual(server.stdout, []);
});

test("server start: what would let strangers in, or means nothing here, is refused before anything listens", async () => {
  await using home = await openServerHome();
  const tls = GENERATED_TLS;
  const cases: readonly [readonly string[], RegExp][] = [
    [[], /TLS is not configured/],
    [["--without-password", ...tls], /--without-password specified without --insecure/],
    [["--insecure", "--without-password", "--address=0.0.0.0:0"], /refusing to let everybody in/],
    [["--insecure", "--without-password", "--address=:0"], /refusing to let everybody in/],
    [["--insecure", "--without-password", "--address=nas:0"], /refusing to let everybody in/],
    [["--tls-cert-file=/tmp/x"], /come together/],
    [["--tls-generate-cert", "--tls-generate-rsa-key-size=100"], /100 bits/],
    [["--address=127.0.0.1", ...tls], /no address to listen on/],
    [["--address=127.0.0.1:70000", ...tls], /no address to listen on/],
    [["--refresh-interval=-1s", ...tls], /--refresh-interval is negative/],
    [["--refresh-interval=0s", ...tls], /--refresh-interval is shorter than a second/],
    [["--snapshot-source=/home", ...tls], /not like user@host:\/path/],
    [["--max-concurrency=-1", ...tls], /--max-concurrency is negative/],
    [["--content-cache-size-mb=5", ...tls], /sejf cache set/],
    [["--override-username=x", ...tls], /set-client/],
    [["--html=/does/not/exist", ...tls], /no folder/],
    [["--htpasswd-file=/does/not/exist", ...tls], /does\/not\/exist/],
  ];
  for (const [flags, message] of cases) {
    const result = await home.run(["server", "start", ...flags]);
    assert.notEqual(result.exitCode, 0, flags.join(" "));
    assert.match(result.stderr, message, flags.join(" "));
    assert.ok(!result.stderr.includes("SERVER ADDRESS"), flags.join(" "));
  }
});

test("server start: a port that is taken is a clear error, and the repository is left", async () => {
  await using home = await openServerHome();
  await using server = await SejfServer.start(home, { flags: ["--server-password="] });
  await server.says("Nobody can use the UI");
  const result = await home.run([
    "server",
    "start",
    `--address=127.0.0.1:${server.port}`,
    ...GENERATED_TLS,
  ]);
  assert.equal(result.exitCode, 1);
  assert.match(
    result.stderr,
    /cannot listen on 127\.0\.0\.1 port \d+: another program does already/,
  );
  assert.match(result.stderr, /--address=127\.0\.0\.1:PORT/);
});

test("server start --insecure: HTTP on this machine without a password; the network only with the long flag", async () => {
  await using home = await openServerHome();
  for (const flags of [
    ["--address=127.0.0.1:0"],
    ["--address=0.0.0.0:0", "--allow-extremely-dangerous-unauthenticated-server-on-the-network"],
  ]) {
    await using server = await SejfServer.start(home, {
      tlsFlags: [],
      flags: ["--insecure", "--without-password", ...flags],
    });
    assert.match(server.url, /^http:\/\//);
    const status = await home.ok(["server", "status", `--address=http://127.0.0.1:${server.port}`]);
    assert.equal(status.stdout, "");
    const { status: foreign } = await plainCall(server.port, "evil.example");
    assert.equal(foreign, 403, "a name that an attacker points here");
  }
});

async function plainCall(port: number, host: string): Promise<{ readonly status: number }> {
  return await new Promise((resolve, reject) => {
    httpRequest(
      { port, host: "127.0.0.1", path: "/api/v1/control/status", headers: { host } },
      (response) => {
        response.resume();
        resolve({ status: response.statusCode ?? 0 });
      },
    )
      .once("error", reject)
      .end();
  });
}

test("server start: a unix socket, also where a killed server left its file", async (t) => {
  if (process.platform === "win32") {
    t.skip("no unix sockets here");
    return;
  }
  await using home = await openServerHome({ [ALICE]: "alice-pw" });
  const path = join(home.home.path, "s.sock");
  {
    await using server = await SejfServer.start(home, { address: `unix:${path}` });
    await server.stop("SIGKILL");
  }
  await using server = await SejfServer.start(home, { address: `unix:${path}` });
  assert.equal(server.url, `unix+https://${path}`);
  await server.control(["status"]);
  await using client = await openSejf({ password: "alice-pw" });
  await server.connect(client, ALICE, "alice-pw");
  await client.ok(["snapshot", "list"]);
  await using plain = await SejfServer.start(home, {
    address: `unix:${path}2`,
    tlsFlags: ["--insecure"],
  });
  assert.equal(plain.url, `unix+http://${path}2`);
  await plain.control(["status"]);
});

test("server start: the socket that a service manager has opened", async (t) => {
  if (process.platform === "win32") {
    t.skip("no passed sockets here");
    return;
  }
  await using home = await openServerHome();
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as { readonly port: number };
  const { fd } = (listener as Server & { readonly _handle: { readonly fd: number } })._handle;
  const script = `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" server start --config-file="$1" --address=127.0.0.1:1 --tls-generate-cert --tls-generate-rsa-key-size=2048 --server-control-password=${CONTROL_PASSWORD}`;
  const child = spawn("/bin/sh", ["-c", script, SEJF_EXE, home.configFile], {
    env: home.env,
    stdio: ["ignore", "pipe", "pipe", fd],
  });
  await using server = new SejfServer(home, child);
  await server.says("SERVER ADDRESS: ");
  listener.close();
  assert.equal(server.port, port);
  await server.control(["status"]);
});

test("signals: SIGHUP reads accounts anew; SIGINT and a closed input end it in order", async () => {
  await using home = await openServerHome();
  const server = await SejfServer.start(home);
  await home.ok(["server", "user", "add", ALICE, "--user-password=alice-pw"]);
  server.process.kill("SIGHUP");
  await server.says("Refreshed.");
  await using client = await openSejf({ password: "alice-pw" });
  await server.connect(client, ALICE, "alice-pw");
  assert.equal(await server.stop("SIGINT"), 0);
  assert.ok(server.lines.includes("Shutting down HTTP server ..."));
  await using second = await SejfServer.start(home, { flags: ["--shutdown-on-stdin"] });
  second.process.stdin?.end();
  assert.equal(await second.ended, 0);
});

test("server start --async-repo-connect: listens before the repository is there, and serves it when it is", async () => {
  await using home = await openServerHome({ [ALICE]: "alice-pw" });
  const repository = join(home.home.path, "repo");
  await rename(repository, `${repository}.away`);
  const refused = await home.run(["server", "start", "--address=127.0.0.1:0", ...GENERATED_TLS]);
  assert.equal(refused.exitCode, 1);
  await using server = await SejfServer.start(home, { flags: ["--async-repo-connect"] });
  const place = { host: "127.0.0.1", port: server.port };
  assert.equal((await httpsCall(place, "/healthz")).status, 200);
  const ready = await httpsCall(place, "/readyz");
  assert.deepEqual([ready.status, ready.text], [503, "the repository is being opened\n"]);
  const status = await json<{ connected: boolean; initTaskID?: string }>(server, "status");
  assert.equal(status.connected, false);
  assert.ok((status.initTaskID ?? "") !== "");
  const noSources = await home.run(["server", "status", ...server.controlFlags]);
  assert.match(noSources.stderr, /not connected/);
  await using client = await openSejf({ password: "alice-pw" });
  await assert.rejects(
    server.connect(client, ALICE, "alice-pw"),
    /not connected to a direct repository/,
  );
  await rename(`${repository}.away`, repository);
  await server.says("Who can read:");
  assert.equal((await httpsCall(place, "/readyz")).status, 200);
  await server.connect(client, ALICE, "alice-pw");
});

test("server start --readonly: clients read, and write nothing", async () => {
  await using home = await openServerHome({ [ALICE]: "alice-pw" });
  const source = join(home.home.path, "source");
  await mkdir(source);
  await writeFile(join(source, "a"), "one");
  await using client = await openSejf({ password: "alice-pw" });
  {
    await using server = await SejfServer.start(home);
    await server.connect(client, ALICE, "alice-pw");
    await client.ok(["snapshot", "create", source]);
  }
  await using server = await SejfServer.start(home, { flags: ["--readonly"] });
  await server.connect(client, ALICE, "alice-pw");
  const listed = await client.json<unknown[]>(["snapshot", "list", "--json"]);
  assert.equal(listed.length, 1);
  await writeFile(join(source, "a"), "two");
  assert.notEqual((await client.run(["snapshot", "create", source])).exitCode, 0);
});

test("metrics and logs: an address of their own; the audit log tells all and no secret", async () => {
  await using home = await openServerHome({ [ALICE]: "alice-secret-1" });
  const source = join(home.home.path, "source");
  await mkdir(source);
  await writeFile(join(source, "a"), "one");
  await using server = await SejfServer.start(home, {
    flags: ["--metrics-listen-addr=127.0.0.1:0"],
  });
  await using client = await openSejf({ password: "alice-secret-1" });
  await server.connect(client, ALICE, "alice-secret-1");
  await client.ok(["snapshot", "create", source]);
  await using stranger = await openSejf();
  await assert.rejects(server.connect(stranger, ALICE, "wrong-secret-2"));
  const [, metrics = ""] =
    /metrics are at (\S+)/.exec(server.lines.find((line) => line.startsWith("metrics")) ?? "") ??
    [];
  const text = await (await fetch(metrics)).text();
  assert.match(text, /^sejf_server_events_total\{action="snapshot\.create",result="ok"\} 1$/m);
  assert.match(text, /^kopia_content_write_bytes_total [1-9]/m);
  assert.equal((await fetch(new URL("/api/v1/control/status", metrics))).status, 404);
  await server.control(["refresh"]);
  assert.equal(await server.stop(), 0);
  const logs = join(home.home.path, "logs", "server-logs");
  const names = (await readdir(logs)).filter((name) => name.endsWith(".log")).sort();
  assert.deepEqual(names, ["server-audit.log", "server.log"]);
  const audit = (await readFile(join(logs, "server-audit.log"), "utf8")).trim().split("\n");
  const events = audit.map((line) => JSON.parse(line) as Record<string, string>);
  const has = (action: string, result: string, who: string): boolean =>
    events.some(
      (event) => event["action"] === action && event["result"] === result && event["who"] === who,
    );
  assert.ok(has("server.start", "ok", "the operator"));
  assert.ok(has("login", "denied", ALICE));
  assert.ok(has("snapshot.create", "ok", ALICE));
  assert.ok(has("control.refresh", "ok", "server-control"));
  assert.ok(has("server.stop", "ok", "the operator"));
  const all = (await Promise.all(names.map((name) => readFile(join(logs, name), "utf8")))).join(
    "\n",
  );
  const secrets = [
    "alice-secret-1",
    "wrong-secret-2",
    CONTROL_PASSWORD,
    UI_PASSWORD,
    "fixture-password",
  ];
  for (const secret of secrets) assert.ok(!all.includes(secret), secret);
});

test("server start: PEM files, made once and used again", async () => {
  await using home = await openServerHome({ [ALICE]: "alice-pw" });
  const cert = join(home.home.path, "server.cert");
  const key = join(home.home.path, "server.key");
  const files = [`--tls-cert-file=${cert}`, `--tls-key-file=${key}`];
  let fingerprint: string;
  {
    await using server = await SejfServer.start(home, { tlsFlags: [...GENERATED_TLS, ...files] });
    fingerprint = server.fingerprint;
  }
  const again = await home.run(["server", "start", ...GENERATED_TLS, ...files]);
  assert.match(again.stderr, /a TLS certificate is to be made, but .* exists/);
  await using server = await SejfServer.start(home, { tlsFlags: files });
  const flags = [`--address=${server.url}`, `--server-cert-fingerprint=${fingerprint}`];
  await home.ok(["server", "status", ...flags, `--server-control-password=${CONTROL_PASSWORD}`]);
  await server.stop();
  await writeFile(key, SELF_SIGNED.key);
  const mixed = await home.run(["server", "start", ...files]);
  assert.match(mixed.stderr, /not a TLS certificate and its key/);
});
