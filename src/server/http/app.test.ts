import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:tls";
import { test } from "node:test";
import {
  ACCOUNT_LOGIN,
  CONTROL_LOGIN,
  type HttpCall,
  HttpHost,
  UI_LOGIN,
} from "../../testkit/http-host.ts";
import { MAX_BODY_BYTES } from "./body.ts";
import { SESSION_COOKIE } from "./csrf.ts";

interface UiSession {
  readonly cookie: string;
  readonly token: string;
}

async function openUi(host: HttpHost): Promise<UiSession> {
  const page = await host.call("/", { login: UI_LOGIN });
  assert.equal(page.status, 200);
  const cookie = String(page.headers["set-cookie"]).split(";")[0] ?? "";
  const [, token = ""] = /kopia-csrf-token" content="([0-9a-f]{64})"/.exec(page.text) ?? [];
  return { cookie, token };
}

function withSession({ cookie, token }: UiSession, call: HttpCall = {}): HttpCall {
  const headers = { cookie, "x-kopia-csrf-token": token, ...call.headers };
  return { login: UI_LOGIN, ...call, headers };
}

test("createHttpApp: each role reaches its own endpoints and no others, by both versions of HTTP", async () => {
  await using host = await HttpHost.start();
  const ui = await openUi(host);
  const cases: readonly [string, HttpCall, number][] = [
    ["/api/v1/control/status", {}, 401],
    ["/api/v1/control/status", { login: { ...CONTROL_LOGIN, password: "wrong" } }, 401],
    ["/api/v1/control/status", { login: UI_LOGIN }, 403],
    ["/api/v1/control/status", { login: ACCOUNT_LOGIN }, 403],
    ["/api/v1/control/status", { login: CONTROL_LOGIN }, 200],
    ["/api/v1/control/nothing", { login: CONTROL_LOGIN }, 404],
    ["/api/v1/control/flush", { login: CONTROL_LOGIN }, 404],
    ["/api/v1/sources", {}, 401],
    ["/api/v1/sources", withSession(ui, { login: CONTROL_LOGIN }), 403],
    ["/api/v1/sources", withSession(ui, { login: ACCOUNT_LOGIN }), 403],
    ["/api/v1/sources", withSession(ui), 200],
    ["/", { login: ACCOUNT_LOGIN }, 403],
    ["/", {}, 401],
    ["/snapshots/single", { login: UI_LOGIN }, 200],
    ["/metrics", {}, 401],
    ["/metrics", { login: ACCOUNT_LOGIN }, 403],
    ["/metrics", { login: UI_LOGIN }, 200],
    ["/metrics", { login: CONTROL_LOGIN }, 200],
    ["/healthz", {}, 200],
    ["/readyz", {}, 200],
  ];
  for (const [path, call, status] of cases) {
    const name = `${path} as ${call.login?.name ?? "nobody"}`;
    const answer = await host.call(path, call);
    assert.equal(answer.status, status, name);
    assert.equal((await host.call2(path, call)).status, status, `${name}, HTTP/2`);
    if (status === 401)
      assert.equal(answer.headers["www-authenticate"], 'Basic realm="Kopia"', name);
    if (status === 403)
      assert.deepEqual(JSON.parse(answer.text), {
        code: "ACCESS_DENIED",
        error: "access is denied",
      });
  }
});

test("createHttpApp: without its two groups there is nothing but health and metrics", async () => {
  await using host = await HttpHost.start({ ui: undefined, control: undefined });
  for (const path of ["/", "/api/v1/sources", "/api/v1/control/status"])
    assert.equal((await host.call(path, { login: UI_LOGIN })).status, 404, path);
  assert.equal((await host.call("/metrics", { login: UI_LOGIN })).status, 200);
});

test("tokens: a call of the interface needs the token of its session; downloads do not", async () => {
  await using host = await HttpHost.start();
  const ui = await openUi(host);
  const other = await openUi(host);
  const refused = [
    { login: UI_LOGIN },
    { login: UI_LOGIN, headers: { cookie: ui.cookie } },
    { login: UI_LOGIN, headers: { "x-kopia-csrf-token": ui.token } },
    withSession({ cookie: ui.cookie, token: other.token }),
    withSession({ cookie: ui.cookie, token: ui.token.slice(2) }),
  ];
  for (const call of refused) {
    const answer = await host.call("/api/v1/refresh", { ...call, method: "POST", body: "{}" });
    assert.equal(answer.status, 401);
    assert.equal(answer.text.trim(), "Invalid or missing CSRF token.");
  }
  assert.deepEqual(host.calls, []);
  const login = { login: UI_LOGIN };
  assert.equal((await host.call("/api/v1/objects/k1234", login)).status, 200);
  assert.equal(
    (await host.call("/api/v1/objects/k1234", { ...login, method: "POST" })).status,
    401,
  );
  const posted = withSession(ui, { method: "POST", body: "{}" });
  assert.equal((await host.call("/api/v1/refresh", posted)).status, 200);
  assert.deepEqual(host.calls, ["GET /api/v1/objects/k1234 0", "POST /api/v1/refresh 2"]);
});

test("attack: with Kopia the token of a chosen cookie is the signature of a login; here it opens nothing", async () => {
  await using host = await HttpHost.start();
  const now = Math.floor(Date.parse("2026-11-25T12:00:00Z") / 1000);
  const encode = (value: object): string =>
    Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = {
    iss: "kopia-server",
    sub: CONTROL_LOGIN.name,
    aud: ["kopia"],
    exp: now + 1e9,
    nbf: 0,
  };
  const unsigned = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  const page = await host.call("/", {
    login: UI_LOGIN,
    headers: { cookie: `${SESSION_COOKIE}=${unsigned}` },
  });
  const [, token = ""] = /kopia-csrf-token" content="([0-9a-f]{64})"/.exec(page.text) ?? [];
  // A value that the browser made up is replaced by one of ours: nobody gets a hash of his own choice.
  assert.match(String(page.headers["set-cookie"]), new RegExp(`^${SESSION_COOKIE}=[0-9a-f-]{36};`));
  const forged = `${unsigned}.${Buffer.from(token, "hex").toString("base64url")}`;
  const answer = await host.call("/api/v1/control/shutdown", {
    method: "POST",
    login: { name: CONTROL_LOGIN.name, password: "whatever" },
    headers: { cookie: `Kopia-Auth=${forged}` },
  });
  assert.equal(answer.status, 401);
  assert.deepEqual(host.done, []);
});

test("attack: pages of other sites, and names that an attacker points at this server, reach nothing", async () => {
  await using host = await HttpHost.start({}, { withoutPassword: true });
  const own = `127.0.0.1:${host.port}`;
  const refused: readonly Record<string, string>[] = [
    { host: "evil.example" },
    { host: `evil.example:${host.port}` },
    { host: "127.0.0.1.evil.example" },
    { host: "localhost.evil.example" },
    { origin: "https://evil.example" },
    { origin: "null" },
    { origin: `http://${own}` },
    { origin: "https://127.0.0.1:1" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
  ];
  for (const headers of refused) {
    const answer = await host.call("/api/v1/control/shutdown", { method: "POST", headers });
    assert.equal(answer.status, 403, JSON.stringify(headers));
  }
  const odd = { method: "POST", headers: { host: "evil.example@127.0.0.1" } };
  assert.ok((await host.call("/api/v1/control/shutdown", odd)).status >= 400);
  assert.deepEqual(host.done, []);
  assert.equal(host.events.length, refused.length);
  const allowed: readonly Record<string, string>[] = [
    {},
    { host: "localhost" },
    { host: "[::1]:51515" },
    { host: "backup.example.com:443" },
    { origin: `https://${own}`, "sec-fetch-site": "same-origin" },
    { "sec-fetch-site": "none" },
  ];
  for (const headers of allowed) {
    const answer = await host.call("/api/v1/control/flush", { method: "POST", headers });
    assert.equal(answer.status, 200, JSON.stringify(headers));
  }
  assert.equal(host.done.length, allowed.length);
});

test("bodies: longer ones than 100,000 bytes are refused, announced or not, before anything runs", async () => {
  await using host = await HttpHost.start();
  const ui = await openUi(host);
  const longest = "x".repeat(MAX_BODY_BYTES);
  const post = (body: string): HttpCall => withSession(ui, { method: "POST", body });
  const chunked = withSession(ui, {
    method: "POST",
    body: `${longest}x`,
    headers: { "transfer-encoding": "chunked" },
  });
  for (const answer of [
    await host.call("/api/v1/refresh", post(`${longest}x`)),
    await host.call2("/api/v1/refresh", post(`${longest}x`)),
    await host.call("/api/v1/refresh", chunked),
  ])
    assert.equal(answer.status, 413);
  assert.deepEqual(host.calls, []);
  assert.equal((await host.call("/api/v1/refresh", post(longest))).status, 200);
  assert.equal((await host.call2("/api/v1/refresh", post(longest))).status, 200);
  assert.deepEqual(host.calls, Array(2).fill(`POST /api/v1/refresh ${MAX_BODY_BYTES}`));
});

test("slow clients: headers or a body that trickle in are given up, by both versions of HTTP", async () => {
  const patience = { headersMs: 300, requestMs: 600, handshakeMs: 300 };
  await using host = await HttpHost.start({ bodyPatienceMs: 300 }, { patience });
  const start = (alpn: string, begin: string): Promise<string> =>
    new Promise((resolve) => {
      let said = "";
      const socket = connect({
        port: host.port,
        host: "127.0.0.1",
        rejectUnauthorized: false,
        ALPNProtocols: [alpn],
      });
      const drip = setInterval(() => socket.write("X-A: b\r\n"), 50);
      socket.on("data", (bytes: Buffer) => {
        said += bytes.toString("latin1");
      });
      socket.on("error", () => {});
      socket.once("secureConnect", () => socket.write(begin));
      socket.once("close", () => {
        clearInterval(drip);
        resolve(said);
      });
    });
  const headers = await start("http/1.1", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n");
  assert.match(headers, /^HTTP\/1\.1 408 /);
  const { cookie, token } = await openUi(host);
  const encoded = Buffer.from(`${UI_LOGIN.name}:${UI_LOGIN.password}`).toString("base64");
  const body = await start(
    "http/1.1",
    `POST /api/v1/refresh HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\nX-Kopia-Csrf-Token: ${token}\r\n` +
      `Authorization: Basic ${encoded}\r\nContent-Length: 90000\r\n\r\n`,
  );
  assert.match(body, /^HTTP\/1\.1 408 /);
  const session = connectHttp2(`https://127.0.0.1:${host.port}`, { rejectUnauthorized: false });
  const stream = session.request({
    ":method": "POST",
    ":path": "/api/v1/refresh",
    authorization: `Basic ${encoded}`,
    cookie,
    "x-kopia-csrf-token": token,
  });
  stream.on("error", () => {});
  stream.write("{");
  const status = await new Promise<unknown>((resolve) =>
    stream.once("response", (answer) => resolve(answer[":status"])),
  );
  session.destroy();
  assert.equal(status, 408);
  assert.deepEqual(host.calls, []);
});

test("control endpoints: Kopia's paths, bodies and codes", async () => {
  await using host = await HttpHost.start();
  const post = { method: "POST", login: CONTROL_LOGIN, body: "{}" };
  const get = { login: CONTROL_LOGIN };
  assert.equal(
    (await host.call("/api/v1/control/status", get)).text,
    '{\n  "connected": true\n}\n',
  );
  assert.equal((await host.call("/api/v1/control/flush", post)).text, "{}\n");
  assert.equal((await host.call("/api/v1/control/refresh", post)).text, "{}\n");
  const one = await host.call("/api/v1/control/pause-source?path=%2Fa", post);
  assert.deepEqual(JSON.parse(one.text), { sources: { "alice@laptop:/a": { success: true } } });
  await host.call("/api/v1/control/trigger-snapshot", post);
  const none = await host.call("/api/v1/control/cancel-snapshot?path=%2Fnone", post);
  assert.equal(none.status, 404);
  assert.equal((JSON.parse(none.text) as { code: string }).code, "NOT_FOUND");
  const limits = { ...post, method: "PUT", body: '{"readsPerSecond":5}' };
  assert.equal((await host.call("/api/v1/control/throttle", limits)).status, 200);
  const broken = await host.call("/api/v1/control/throttle", { ...limits, body: "{" });
  assert.equal(broken.status, 400);
  assert.equal((JSON.parse(broken.text) as { code: string }).code, "MALFORMED_REQUEST");
  assert.equal((await host.call("/api/v1/control/shutdown", post)).text, "{}\n");
  assert.deepEqual(host.done, [
    "flush",
    "refresh",
    "pause /a",
    "trigger all",
    "cancel /none",
    '{"readsPerSecond":5}',
    "shutdown",
  ]);
  const actions = host.events.map(({ action, result, who }) => `${action} ${result} ${who}`);
  assert.ok(actions.includes("control.shutdown ok server-control"));
  assert.ok(actions.includes("control.pause ok server-control"));
  assert.ok(actions.includes("control.cancel failed server-control"));
});

test("/readyz: says why the server cannot do its work; /healthz goes on", async () => {
  await using host = await HttpHost.start();
  host.notReady = "the repository is being opened";
  const answer = await host.call("/readyz");
  assert.deepEqual([answer.status, answer.text], [503, "the repository is being opened\n"]);
  assert.equal((await host.call("/healthz")).status, 200);
});

test("pages: text is escaped, framing and foreign scripts are forbidden, data never become a page", async () => {
  await using host = await HttpHost.start();
  const ui = await openUi(host);
  const page = await host.call("/", withSession(ui));
  assert.ok(page.text.includes("served: &lt;nothing&gt;"));
  assert.equal(page.headers["set-cookie"], undefined);
  assert.equal(page.headers["x-frame-options"], "DENY");
  assert.match(String(page.headers["content-security-policy"]), /default-src 'none'/);
  const data = await host.call("/api/v1/objects/k12", withSession(ui));
  assert.match(String(data.headers["content-security-policy"]), /sandbox/);
  assert.equal(data.headers["x-content-type-options"], "nosniff");
});

test("/metrics: events and requests are counted; no name of a user in it", async () => {
  await using host = await HttpHost.start();
  await host.call("/api/v1/sources", { login: ACCOUNT_LOGIN });
  const { text, headers } = await host.call("/metrics", { login: CONTROL_LOGIN });
  assert.match(String(headers["content-type"]), /^text\/plain; version=0\.0\.4/);
  assert.match(text, /^sejf_server_http_requests_total\{method="GET",code="403"\} 1$/m);
  assert.match(text, /^kopia_content_write_bytes_total 0$/m);
  for (const name of ["alice", "laptop"]) assert.ok(!text.includes(name), name);
});
