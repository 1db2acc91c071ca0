/** The web interface of a running server: its files, its tokens, and changing the repository that is served. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { test } from "node:test";
import { type HttpAnswer, type HttpCall, httpsCall } from "../../src/testkit/http-host.ts";
import { openSejf } from "../../src/testkit/kopia.ts";
import { openServerHome, SejfServer, UI_PASSWORD } from "../../src/testkit/sejf-server.ts";

const UI = { name: "kopia", password: UI_PASSWORD };

/** A browser that is logged in. */
class Browser {
  readonly #server: SejfServer;
  #headers: Readonly<Record<string, string>> = {};

  constructor(server: SejfServer) {
    this.#server = server;
  }

  async open(path = "/"): Promise<HttpAnswer> {
    const page = await this.call(path);
    const cookie = String(page.headers["set-cookie"]).split(";")[0] ?? "";
    const [, token = ""] = /kopia-csrf-token" content="([0-9a-f]{64})"/.exec(page.text) ?? [];
    this.#headers = { cookie, "x-kopia-csrf-token": token };
    return page;
  }

  async call(path: string, call: HttpCall = {}): Promise<HttpAnswer> {
    const place = { host: "127.0.0.1", port: this.#server.port };
    return await httpsCall(place, path, { login: UI, ...call, headers: this.#headers });
  }

  async post(path: string, body: unknown = {}): Promise<HttpAnswer> {
    return await this.call(path, { method: "POST", body: JSON.stringify(body) });
  }
}

test("--html: pages carry the title and the token, files are served, nothing beside the folder is", async () => {
  await using home = await openServerHome();
  const html = join(home.home.path, "html");
  await mkdir(join(html, "assets"), { recursive: true });
  await writeFile(
    join(html, "index.html"),
    "<html><head><title>Backups</title></head><body>hello</body></html>",
  );
  await writeFile(join(html, "assets", "app.js"), "run()");
  await writeFile(join(home.home.path, "secret.txt"), "secret");
  await using server = await SejfServer.start(home, {
    flags: [`--html=${html}`, "--ui-title-prefix=<nas>"],
  });
  const browser = new Browser(server);
  for (const path of ["/", "/snapshots/dir/k12", "/policies", "/repo"]) {
    const page = await browser.open(path);
    assert.equal(page.status, 200, path);
    assert.match(
      page.text,
      /<title>&lt;nas&gt; Backups<\/title><meta name="kopia-csrf-token"/,
      path,
    );
  }
  const script = await browser.call("/assets/app.js");
  assert.equal(script.text, "run()");
  assert.match(String(script.headers["content-type"]), /javascript/);
  const anonymous = await httpsCall({ host: "127.0.0.1", port: server.port }, "/assets/app.js");
  assert.equal(anonymous.status, 401);
  for (const path of ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt"]) {
    const raw = await rawGet(server.port, path);
    assert.ok(!raw.includes("secret\n") && !/\r\n\r\nsecret/.test(raw), path);
    assert.match(raw, /^HTTP\/1\.1 4\d\d /, path);
  }
});

/** Without what a client library does to a path. */
async function rawGet(port: number, path: string): Promise<string> {
  const login = Buffer.from(`${UI.name}:${UI.password}`).toString("base64");
  return await new Promise((resolve) => {
    let text = "";
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () =>
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic ${login}\r\nConnection: close\r\n\r\n`,
      ),
    );
    socket.on("data", (part: Buffer) => {
      text += part.toString();
    });
    socket.once("close", () => resolve(text));
  });
}

test("the repository is disconnected and connected while the server runs: sessions end, and come back", async () => {
  await using home = await openServerHome({ "alice@laptop": "alice-pw" });
  await using server = await SejfServer.start(home);
  await using client = await openSejf({ password: "alice-pw" });
  await server.connect(client, "alice@laptop", "alice-pw");
  const browser = new Browser(server);
  await browser.open();
  const connected = async (): Promise<boolean> => {
    const { text } = await browser.call("/api/v1/repo/status");
    return (JSON.parse(text) as { connected: boolean }).connected;
  };
  assert.ok(await connected());
  assert.equal((await browser.post("/api/v1/repo/disconnect")).status, 200);
  assert.ok(!(await connected()));
  const away = await client.run(["snapshot", "list"]);
  assert.match(away.stderr, /not connected to a direct repository/);
  const sources = await browser.call("/api/v1/sources");
  assert.equal((JSON.parse(sources.text) as { code: string }).code, "NOT_CONNECTED");
  const place = { host: "127.0.0.1", port: server.port };
  assert.equal((await httpsCall(place, "/readyz")).status, 503);
  const answer = await browser.post("/api/v1/repo/connect", {
    storage: { type: "filesystem", config: { path: join(home.home.path, "repo") } },
    password: "fixture-password",
    clientOptions: {},
    syncWaitTime: 60,
  });
  assert.equal(answer.status, 200, answer.text);
  assert.ok(await connected());
  await client.ok(["snapshot", "list"]);
  assert.equal(await server.stop(), 0);
});
