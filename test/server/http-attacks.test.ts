/** Attacks on the HTTP side, first shown on a kopia where there is one, then on our server. Spec: kopia-server 12. */
import assert from "node:assert/strict";
import { connect } from "node:tls";
import { test } from "node:test";
import { type HttpAnswer, type HttpCall, httpsCall } from "../../src/testkit/http-host.ts";
import { KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { openServerHome, SejfServer, UI_PASSWORD } from "../../src/testkit/sejf-server.ts";

const UI = { name: "kopia", password: UI_PASSWORD };

async function call(server: SejfServer, path: string, options: HttpCall): Promise<HttpAnswer> {
  return await httpsCall({ host: "127.0.0.1", port: server.port }, path, options);
}

/**
 * The user of the interface has the server sign a login of the control user: as the token of a cookie of his choice.
 * Gives what the control endpoint answers to it, with a password that is wrong.
 */
async function forgeControlLogin(server: SejfServer): Promise<number> {
  const nowS = Math.floor(
    Date.parse(String((await call(server, "/", { login: UI })).headers["date"])) / 1000,
  );
  const encode = (value: object): string =>
    Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = {
    sub: "server-control",
    aud: ["kopia"],
    iss: "kopia-server",
    exp: nowS + 600,
    nbf: nowS - 60,
  };
  const unsigned = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  const page = await call(server, "/", {
    login: UI,
    headers: { cookie: `Kopia-Session-Cookie=${unsigned}` },
  });
  const [, token = ""] = /kopia-csrf-token" content="([0-9a-f]{64})"/.exec(page.text) ?? [];
  assert.notEqual(token, "", "the page carries a token");
  const jwt = `${unsigned}.${Buffer.from(token, "hex").toString("base64url")}`;
  const forged = await call(server, "/api/v1/control/status", {
    login: { name: "server-control", password: "wrong" },
    headers: { cookie: `Kopia-Auth=${jwt}` },
  });
  return forged.status;
}

test("a login forged out of a token: kopia lets it in", { skip: KOPIA_SKIP }, async () => {
  await using home = await openServerHome();
  await using kopia = await openKopia();
  const flags = [`--server-password=${UI_PASSWORD}`];
  await using server = await SejfServer.startKopia(home, kopia, flags);
  assert.equal(await forgeControlLogin(server), 200);
});

test("a login forged out of a token: ours refuses it, also where the operator gave the signing key", async () => {
  await using home = await openServerHome();
  await using server = await SejfServer.start(home, { flags: ["--auth-cookie-signing-key=known"] });
  assert.equal(await forgeControlLogin(server), 401);
});

test("an account of the interface's or control user's name has no other role than an account's", async () => {
  await using home = await openServerHome({ "kopia@nas": "pw-1", "server-control@nas": "pw-2" });
  await using server = await SejfServer.start(home);
  for (const [name, password] of [
    ["kopia@nas", "pw-1"],
    ["server-control@nas", "pw-2"],
  ] as const) {
    for (const path of ["/", "/api/v1/repo/status", "/api/v1/control/status", "/metrics"])
      assert.equal((await call(server, path, { login: { name, password } })).status, 403, path);
    for (const short of ["kopia", "server-control"])
      assert.equal((await call(server, "/", { login: { name: short, password } })).status, 401);
  }
});

test("guessing: failures make the guesser wait, and are told", async () => {
  await using home = await openServerHome();
  await using server = await SejfServer.start(home);
  const statuses: number[] = [];
  for (let attempt = 0; attempt < 30 && !statuses.includes(429); attempt++) {
    const login = { name: "kopia", password: `guess-${attempt}` };
    statuses.push((await call(server, "/", { login })).status);
  }
  assert.ok(statuses.includes(429), statuses.join(" "));
  assert.ok(!statuses.includes(200));
  assert.ok(server.lines.some((line) => line.startsWith("login refused")));
});

test("a hundred slow strangers do not keep a client out", async () => {
  await using home = await openServerHome();
  await using server = await SejfServer.start(home);
  const sockets = Array.from({ length: 100 }, () => {
    const socket = connect({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
    socket.on("error", () => {});
    socket.once("secureConnect", () =>
      socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "),
    );
    return socket;
  });
  await Promise.all(
    sockets.map((socket) => new Promise((resolve) => socket.once("secureConnect", resolve))),
  );
  assert.equal((await call(server, "/", { login: UI })).status, 200);
  await server.control(["status"]);
  for (const socket of sockets) socket.destroy();
});
