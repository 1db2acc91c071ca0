/** `server status`, `snapshot`, `throttle` and so on: what an operator tells a running server, ours or kopia's. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { CONTROL_PASSWORD, openServerHome, SejfServer } from "../../src/testkit/sejf-server.ts";

test("control commands: sources, snapshots, pauses, limits, flush, refresh, shutdown", async () => {
  await using home = await openServerHome();
  const source = join(home.home.path, "source");
  await mkdir(source);
  await writeFile(join(source, "a"), "one");
  await home.ok(["snapshot", "create", source]);
  await using server = await SejfServer.start(home);
  const status = async (): Promise<string> => (await server.control(["status"])).stdout;
  assert.match(await status(), new RegExp(`^IDLE: [^@]+@[^:]+:${source}\\n$`));
  await server.control(["pause", source]);
  assert.match(await status(), /^PAUSED: /);
  await server.control(["resume", source]);
  await writeFile(join(source, "a"), "another");
  const triggered = await server.control(["snapshot", source]);
  assert.match(triggered.stderr, /Success /);
  for (;;) {
    if (!/UPLOADING|PENDING/.test(await status())) break;
  }
  const listed = await home.json<unknown[]>(["snapshot", "list", source, "--json"]);
  assert.equal(listed.length, 2);
  await server.control([
    "throttle",
    "set",
    "--upload-bytes-per-second=2000000",
    "--concurrent-reads=7",
  ]);
  assert.match((await server.control(["throttle", "get"])).stdout, /Max Upload Speed: +2 MB\/s/);
  const limits = JSON.parse((await server.control(["throttle", "get", "--json"])).stdout) as object;
  assert.deepEqual(limits, { maxUploadSpeedBytesPerSecond: 2_000_000, concurrentReads: 7 });
  await server.control(["throttle", "set", "--upload-bytes-per-second=unlimited"]);
  await server.control(["cancel", "--all"]);
  await server.control(["flush"]);
  await server.control(["refresh"]);
  const nothing = await home.run(["server", "pause", "/nothing", ...server.controlFlags]);
  assert.equal(nothing.exitCode, 1);
  const unsaid = await home.run(["server", "pause", ...server.controlFlags]);
  assert.equal(unsaid.exitCode, 2);
  await server.control(["shutdown"]);
  assert.equal(await server.ended, 0);
  const gone = await home.run(["server", "status", ...server.controlFlags]);
  assert.equal(gone.exitCode, 1);
  assert.match(gone.stderr, /cannot connect/);
});

test("control commands: a wrong password, a wrong certificate, and no certificate at all", async () => {
  await using home = await openServerHome();
  await using server = await SejfServer.start(home);
  const [address = "", fingerprint = "", password = ""] = server.controlFlags;
  const other = fingerprint.replace(/..$/, (end) => (end === "00" ? "11" : "00"));
  const cases: readonly [readonly string[], RegExp][] = [
    [[address, fingerprint, "--server-control-password=wrong"], /does not let this user in/],
    [[address, other, password], /has the fingerprint/],
    [[address, password], /self-signed certificate/],
    [[address.replace("https", "ftp"), password], /not the address/],
  ];
  for (const [flags, message] of cases) {
    const result = await home.run(["server", "status", ...flags]);
    assert.notEqual(result.exitCode, 0);
    assert.match(result.stderr, message);
  }
  const byEnvironment = await home.ok(["server", "status"], {
    env: {
      SEJF_SERVER_ADDRESS: server.url,
      KOPIA_SERVER_PASSWORD: CONTROL_PASSWORD,
      KOPIA_SERVER_CERT_FINGERPRINT: server.fingerprint,
    },
  });
  assert.equal(byEnvironment.exitCode, 0);
});

test("interop: kopia's control commands on our server, ours on kopia's", {
  skip: KOPIA_SKIP,
}, async () => {
  await using home = await openServerHome();
  await using server = await SejfServer.start(home);
  await using kopia = await openKopia();
  for (const args of [
    ["status"],
    ["refresh"],
    ["flush"],
    ["throttle", "get"],
    ["cancel", "--all"],
  ]) {
    const result = await kopia.run(["server", ...args, ...server.controlFlags]);
    const expected = args[0] === "cancel" ? /no source/ : /^$/;
    assert.match(result.stderr.replaceAll(/^\s*$/gm, ""), expected, args.join(" "));
  }
  await kopia.ok(["server", "throttle", "set", "--concurrent-writes=3", ...server.controlFlags]);
  assert.match((await server.control(["throttle", "get"])).stdout, /Concurrent Writes: +3/);
  await kopia.ok(["server", "shutdown", ...server.controlFlags]);
  assert.equal(await server.ended, 0);

  await using foreign = await SejfServer.startKopia(home, kopia);
  for (const args of [["status", "--remote"], ["refresh"], ["flush"], ["throttle", "get"]])
    await foreign.control(args);
  await foreign.control(["throttle", "set", "--read-requests-per-second=9"]);
  assert.match((await foreign.control(["throttle", "get"])).stdout, /Read Requests.*9/);
  await foreign.control(["shutdown"]);
  assert.equal(await foreign.ended, 0);
});
