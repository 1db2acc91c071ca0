/** Stopping a server while a client uploads: within the grace period the client finishes; beyond it nothing is half there. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { test } from "node:test";
import { httpsCall } from "../../src/testkit/http-host.ts";
import { type CommandClient, openSejf } from "../../src/testkit/kopia.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { openServerHome, SejfServer, UI_PASSWORD } from "../../src/testkit/sejf-server.ts";

const ALICE = "alice@laptop";
const FILES = 12;
const FILE_BYTES = 8 << 20;

async function uploading(home: CommandClient): Promise<{
  readonly client: CommandClient;
  readonly source: string;
}> {
  const client = await openSejf({ password: "alice-pw" });
  const source = join(home.home.path, "source");
  await mkdir(source, { recursive: true });
  const random = new SeededRandom(5);
  for (let index = 0; index < FILES; index++)
    await writeFile(join(source, `f${index}`), random.bytes(FILE_BYTES));
  return { client, source };
}

/** Resolves when contents have been received. */
async function hasReceived(server: SejfServer): Promise<void> {
  const login = { name: "kopia", password: UI_PASSWORD };
  for (;;) {
    const place = { host: "127.0.0.1", port: server.port };
    const { text } = await httpsCall(place, "/metrics", { login });
    const [, bytes = "0"] = /^kopia_content_write_bytes_total (\d+)$/m.exec(text) ?? [];
    if (Number(bytes) > FILE_BYTES) return;
    await wait(10);
  }
}

test("a stop with a long grace period: the upload under way finishes, and is there", async () => {
  await using home = await openServerHome({ [ALICE]: "alice-pw" });
  await using server = await SejfServer.start(home, { flags: ["--shutdown-grace-period=120s"] });
  const { client, source } = await uploading(home);
  await using _client = client;
  await server.connect(client, ALICE, "alice-pw");
  // Slow enough that the stop falls into it.
  await server.control(["throttle", "set", "--upload-bytes-per-second=40000000"]);
  const upload = client.run(["snapshot", "create", source]);
  await hasReceived(server);
  const stopped = server.stop();
  const result = await upload;
  assert.equal(result.exitCode, 0, result.stderr);
  assert.equal(await stopped, 0);
  const listed = await home.json<unknown[]>(["snapshot", "list", "--all", "--json"]);
  assert.equal(listed.length, 1);
  await home.ok(["snapshot", "verify", "--verify-files-percent=100"]);
});

test("a stop without one: the client fails, the repository is whole, and the next try succeeds", async () => {
  await using home = await openServerHome({ [ALICE]: "alice-pw" });
  const { client, source } = await uploading(home);
  await using _client = client;
  {
    await using server = await SejfServer.start(home, { flags: ["--shutdown-grace-period=0s"] });
    await server.connect(client, ALICE, "alice-pw");
    await server.control(["throttle", "set", "--upload-bytes-per-second=20000000"]);
    const upload = client.run(["snapshot", "create", source]);
    await hasReceived(server);
    assert.equal(await server.stop(), 0);
    assert.notEqual((await upload).exitCode, 0);
  }
  assert.deepEqual(await home.json<unknown[]>(["snapshot", "list", "--all", "--json"]), []);
  await using server = await SejfServer.start(home);
  await server.connect(client, ALICE, "alice-pw");
  await client.ok(["snapshot", "create", source]);
  await client.ok(["snapshot", "verify", "--verify-files-percent=100"]);
});
