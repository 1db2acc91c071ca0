/** How sessions begin and end: logins, rights that change, the end of the server, and who sees them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8ToBytes } from "../../bytes/index.ts";
import { isSejfError } from "../../errors/index.ts";
import { SESSION_PATH, type SessionClient } from "../../rpc/index.ts";
import { AccountServer } from "../../testkit/account-server.ts";
import { until } from "../../testkit/server-log.ts";
import { putSnapshot, SNAPSHOT, snapshotsOf, write } from "../../testkit/session-requests.ts";

test("a running session ends within the time of the next look when its account goes or its password changes", async () => {
  for (const change of ["delete", "password"] as const) {
    await using server = await AccountServer.start({ method: { reauthorizeMs: 20 } });
    await using connection = await server.connect();
    await using session = await server.session(connection);
    await write(session, utf8ToBytes("before"));
    if (change === "delete") server.accounts.delete("alice@laptop");
    else server.accounts.set("alice@laptop", { ...entry(server), password: "another" });
    await until(() => server.registry.size === 0, "the session has ended");
    await assert.rejects(write(session, utf8ToBytes("after")), /access denied for alice@laptop/);
  }
});

test("a running session gets its new rights at the next look", async () => {
  await using server = await AccountServer.start({ method: { reauthorizeMs: 20 } });
  await using connection = await server.connect();
  await using session = await server.session(connection);
  await write(session, utf8ToBytes("before"));
  server.contentLevel = "READ";
  const denied = async (): Promise<boolean> =>
    await write(session, utf8ToBytes("after")).then(
      () => false,
      (error: unknown) => isSejfError(error, "SEJF_ACCESS_DENIED"),
    );
  while (!(await denied()));
});

test("logins: missing headers, a wrong password, a name without end", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  const statusOf = async (metadata: Record<string, string>): Promise<string> => {
    const call = connection.startCall(SESSION_PATH, { metadata });
    try {
      await call.messages().next();
      return "answered";
    } catch (error) {
      return isSejfError(error) ? `${error.code} ${error.message.slice(0, 60)}` : String(error);
    }
  };
  assert.equal(await statusOf({}), "SEJF_ACCESS_DENIED missing credentials");
  assert.equal(
    await statusOf({
      "kopia-username": "alice",
      "kopia-hostname": "laptop",
      "kopia-password": "x",
    }),
    "SEJF_ACCESS_DENIED access denied for alice@laptop",
  );
  assert.match(
    await statusOf({
      "kopia-username": "a".repeat(10_000),
      "kopia-hostname": "b",
      "kopia-password": "x",
    }),
    /^SEJF_ACCESS_DENIED access denied for aaa/,
  );
  assert.equal(server.registry.size, 0);
});

test("notifications: accepted and checked; nothing of their arguments reaches the log", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using session = await server.session(connection);
  const secret = "/home/alice/secret plan.txt";
  const notification = {
    templateName: "generic-error",
    eventArgs: utf8ToBytes(JSON.stringify({ error: secret, stack: "main.go:1" })),
    severity: 20,
    eventArgsType: 2,
  };
  await session.request("sendNotification", notification);
  await server.repository.manifests.put({ type: "notificationProfile", profile: "mail" }, {});
  await session.request("sendNotification", notification);
  assert.deepEqual(server.log.messages("warn"), [
    "a notification was not sent: this server cannot send notifications yet",
  ]);
  for (const wrong of [
    { templateName: "../../etc" },
    { eventArgs: utf8ToBytes("{") },
    { eventArgs: utf8ToBytes("[1]") },
    { eventArgsType: 9 },
    { severity: 4000 },
  ])
    await assert.rejects(session.request("sendNotification", { ...notification, ...wrong }), {
      code: "SEJF_INVALID_ARGUMENT",
    });
  assert.ok(!JSON.stringify([server.log.lines, server.audit.events]).includes("secret"));
});

test("the end of the server: quiet sessions are told soon, one with unflushed data gets its time", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using quiet = await server.session(connection);
  await using busy = await server.session(connection);
  const root = await write(busy, utf8ToBytes("root"), "k");
  const closing = server.registry.closeAll(60_000);
  assert.deepEqual(await snapshotsOf(quiet), [], "work under way goes on");
  while (server.registry.size > 1) await new Promise((resolve) => setTimeout(resolve, 5));
  await assert.rejects(snapshotsOf(quiet), /shut down/);
  await assert.rejects(server.session(connection), /shut down/);
  const id = await putSnapshot(busy, root);
  await busy.request("flush", {});
  await closing;
  await assert.rejects(busy.request("flush", {}), /shut down/);
  await server.repository.refresh();
  const found = await server.repository.manifests.find(SNAPSHOT);
  assert.deepEqual(
    found.map((item) => item.id),
    [id],
  );
});

test("the end of the server: who does not flush in time loses only that", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using busy = await server.session(connection);
  await write(busy, utf8ToBytes("root"), "k");
  await server.registry.closeAll(10);
  assert.equal(server.registry.size, 0);
  await assert.rejects(busy.request("flush", {}), { code: "SEJF_CONNECTION" });
});

test("the registry: who is connected, what they did, and an account's sessions ended on request", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using alice = await server.session(connection);
  await using bob = await server.session(connection, "bob@desk");
  const data = new Uint8Array(1000);
  await alice.request("getContent", { contentId: await write(alice, data) });
  const [status] = server.registry.list();
  assert.equal(status?.account, "alice@laptop");
  assert.match(status?.from ?? "", /^127\.0\.0\.1:\d+$/);
  const { writtenBytes, readBytes, writtenContents } = server.registry.totals();
  assert.deepEqual([writtenBytes, readBytes, writtenContents], [1000, 1000, 1]);
  assert.equal(server.registry.close("alice@laptop", "go away"), 1);
  await assert.rejects(snapshotsOfSettled(alice), /go away/);
  assert.deepEqual(await snapshotsOf(bob), []);
  assert.equal(server.registry.totals().writtenBytes, 1000);
});

function entry(server: AccountServer): NonNullable<ReturnType<typeof server.accounts.get>> {
  const found = server.accounts.get("alice@laptop");
  assert.ok(found !== undefined);
  return found;
}

/** Asks until the end of the session has arrived. */
async function snapshotsOfSettled(session: SessionClient): Promise<void> {
  for (;;) await snapshotsOf(session);
}
