/** What the operator changes while the server runs counts by itself: new accounts, rights, removed ones. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeCompressionEngine, nodeCryptoEngine } from "../../src/node/index.ts";
import { openRemoteRepository, type RemoteRepository } from "../../src/rpc/index.ts";
import { openServerHome, SejfServer } from "../../src/testkit/sejf-server.ts";
import { isSejfError } from "../../src/errors/index.ts";
import type { Labels } from "../../src/manifest/index.ts";

const LABELS: Labels = { type: "snapshot" };

async function connect(server: SejfServer, password: string): Promise<RemoteRepository> {
  return await openRemoteRepository({
    url: server.url,
    fingerprint: server.fingerprint,
    identity: { username: "alice", hostname: "laptop" },
    password,
    engine: nodeCryptoEngine,
    compression: nodeCompressionEngine,
    threads: 0,
  });
}

/** Asks until it is refused; the test's own limit ends it otherwise. */
async function untilRefused(repository: RemoteRepository, signal: AbortSignal): Promise<unknown> {
  for (;;) {
    signal.throwIfAborted();
    try {
      await repository.manifests.find(LABELS);
    } catch (error) {
      return error;
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

test("an account that is added, gets another password and is removed while the server runs", {
  timeout: 120_000,
}, async ({ signal }) => {
  await using sejf = await openServerHome();
  await using server = await SejfServer.start(sejf);
  await sejf.ok(["server", "user", "add", "alice@laptop", "--user-password=first-password"]);
  for (let isIn = false; !isIn; ) {
    signal.throwIfAborted();
    try {
      await using _repository = await connect(server, "first-password");
      isIn = true;
    } catch (error) {
      assert.ok(isSejfError(error, "SEJF_ACCESS_DENIED"), String(error));
      // Five failures make further tries wait; the server looks at the repository before that.
      await new Promise((resolve) => setTimeout(resolve, 1500));
    }
  }
  await using running = await connect(server, "first-password");
  assert.deepEqual(await running.manifests.find(LABELS), []);
  await sejf.ok(["server", "user", "set", "alice@laptop", "--user-password=second-password"]);
  assert.ok(isSejfError(await untilRefused(running, signal), "SEJF_ACCESS_DENIED"));
  await assert.rejects(connect(server, "first-password"), /access denied/);
  await using again = await connect(server, "second-password");
  await sejf.ok(["server", "user", "delete", "alice@laptop"]);
  assert.ok(isSejfError(await untilRefused(again, signal), "SEJF_ACCESS_DENIED"));
  assert.equal(
    server.lines.some((line) => line.includes("-password")),
    false,
  );
});
