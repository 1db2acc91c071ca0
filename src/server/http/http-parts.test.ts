import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { FakeClock } from "../../testkit/clock.ts";
import { numRuns } from "../../testkit/property.ts";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { auditLine, openAuditFile, RotatedFile } from "./audit-file.ts";
import { withoutRepeats } from "./audit-repeats.ts";
import { parseBasic } from "./basic-auth.ts";
import { csrfKey, csrfToken, isCsrfToken, newSessionCookie } from "./csrf.ts";
import { HostGuard } from "./host-guard.ts";

test("parseBasic: any header gives credentials or undefined, and credentials survive the way", () => {
  fc.assert(
    fc.property(fc.string(), (header) => {
      const credentials = parseBasic(header);
      assert.ok(credentials === undefined || typeof credentials.password === "string");
    }),
    { numRuns: numRuns() },
  );
  const text = fc.string({ unit: "grapheme", maxLength: 60 });
  fc.assert(
    fc.property(text, text, (name, password) => {
      const plain = name.replaceAll(":", "");
      const encoded = Buffer.from(`${plain}:${password}`).toString("base64");
      assert.deepEqual(parseBasic(`Basic ${encoded}`), { name: plain, password });
    }),
    { numRuns: numRuns() },
  );
});

test("isCsrfToken: only the token of this session under this key", () => {
  const key = csrfKey("shared by two servers");
  const session = newSessionCookie();
  const token = csrfToken(key, session);
  assert.ok(isCsrfToken(csrfKey("shared by two servers"), session, token));
  assert.ok(!isCsrfToken(csrfKey("another one"), session, token));
  assert.ok(!isCsrfToken(csrfKey(undefined), session, token));
  assert.ok(!isCsrfToken(key, newSessionCookie(), token));
  assert.ok(!isCsrfToken(key, session, undefined));
  assert.ok(!isCsrfToken(key, undefined, csrfToken(key, "undefined")));
  assert.ok(!isCsrfToken(key, "not-a-uuid", csrfToken(key, "not-a-uuid")));
});

test("HostGuard: names by patterns one level deep; the root's dot, case and port make no difference", () => {
  const guard = new HostGuard(["Backup.Example.com", "*.nas.local"], false);
  const verdict = (host: string): boolean =>
    guard.check({ host, origin: undefined, fetchSite: undefined }).ok;
  for (const host of ["backup.example.COM.", "backup.example.com:1", "a.nas.local", "10.0.0.1"])
    assert.ok(verdict(host), host);
  for (const host of [
    "example.com",
    "b.a.nas.local",
    "nas.local",
    "xbackup.example.com",
    "",
    "a b",
  ])
    assert.ok(!verdict(host), host);
  assert.ok(!guard.check({ host: undefined, origin: undefined, fetchSite: undefined }).ok);
  // Behind a proxy that speaks TLS for it, a plain server meets origins with https.
  const origin = "https://backup.example.com";
  assert.ok(guard.check({ host: "backup.example.com", origin, fetchSite: undefined }).ok);
});

test("audit log: one event is one line of JSON, whatever names are in it; no longer than it may be", () => {
  const event = {
    action: "login",
    who: 'a\n{"action":"forged"}\u2028',
    from: "127.0.0.1:1",
    result: "denied" as const,
    detail: "x".repeat(5000),
  };
  const line = auditLine(event, Date.UTC(2026, 0, 2));
  assert.ok(!line.includes("\n"));
  const parsed = JSON.parse(line) as { time: string; who: string; detail: string };
  assert.equal(parsed.time, "2026-01-02T00:00:00.000Z");
  assert.equal(parsed.who, event.who);
  assert.ok(parsed.detail.length < 600);
});

test("audit log: survives a restart, can only be read by its owner", async () => {
  await using folder = await temporaryDirectory();
  const options = { directory: join(folder.path, "logs"), onProblem: assert.fail };
  for (const action of ["first", "second"]) {
    await using log = await openAuditFile({ ...options, clock: new FakeClock() });
    log.record({ action, who: "alice@laptop", from: "here", result: "ok" });
  }
  const file = join(options.directory, "server-audit.log");
  const lines = (await readFile(file, "utf8")).trim().split("\n");
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { action: string }).action),
    ["first", "second"],
  );
  if (process.platform !== "win32") assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test("RotatedFile: grows to its size, keeps so many older files, loses nothing that it keeps", async () => {
  await using folder = await temporaryDirectory();
  const line = "y".repeat(99_999);
  {
    await using file = await RotatedFile.open({
      directory: folder.path,
      name: "audit",
      maxMegabytes: 1,
      maxFiles: 2,
      onProblem: assert.fail,
    });
    for (let index = 0; index < 45; index++) {
      file.write(line);
      await new Promise((resolve) => setTimeout(resolve, 1)); // a burst is written as one piece
    }
  }
  const names = (await readdir(folder.path)).sort();
  assert.deepEqual(names, ["audit-1.log", "audit-2.log", "audit.log"]);
  for (const name of names) {
    const text = await readFile(join(folder.path, name), "utf8");
    for (const each of text.split("\n").slice(0, -1)) assert.equal(each, line);
  }
});

test("RotatedFile: a folder that cannot be written to is told once, and writing goes on without harm", async () => {
  await using folder = await temporaryDirectory();
  const problems: string[] = [];
  const nowhere = { directory: join(folder.path, "x\0y"), name: "audit", onProblem: assert.fail };
  await assert.rejects(RotatedFile.open(nowhere), /making/);
  await using file = await RotatedFile.open({
    directory: folder.path,
    name: "no/such/folder\0",
    onProblem: (message) => problems.push(message),
  });
  file.write("a");
  file.write("b");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(problems.length, 1);
});

test("withoutRepeats: a success over HTTP once for a while; failures, clients and other addresses always", () => {
  const clock = new FakeClock();
  const written: string[] = [];
  const log = withoutRepeats({ record: ({ who, from }) => written.push(`${who} ${from}`) }, clock);
  const login = { action: "login", who: "kopia", from: "a", result: "ok", target: "http" } as const;
  for (let index = 0; index < 3; index++) log.record(login);
  assert.deepEqual(written, ["kopia a"]);
  log.record({ ...login, from: "b" });
  log.record({ ...login, result: "denied" });
  log.record({ ...login, result: "denied" });
  log.record({ ...login, target: "grpc" });
  log.record({ ...login, target: "grpc" });
  assert.equal(written.length, 6);
  clock.advance(11 * 60_000);
  log.record(login);
  assert.equal(written.length, 7);
});
