/** `sejf server` as a process with accounts of both kinds: its commands, a sealed client, a managed one, a stock kopia. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../src/bytes/index.ts";
import { nodeCryptoEngine as engine, nodeRandom as random } from "../../src/node/index.ts";
import { enrollOnServer, nodeArgon2id } from "../../src/sealing/index.ts";
import { KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { openServerHome, SejfServer } from "../../src/testkit/sejf-server.ts";

const ALICE = "alice@laptop";

interface Added {
  readonly username: string;
  readonly enrollmentCode: string;
  readonly enrollmentExpires: string;
}

test("server user: a sealed account gets a code, another one until somebody used it, and stays sealed", async () => {
  await using home = await openServerHome({ "mary@home": "mary-pw" });
  const user = async (...args: string[]): Promise<string> =>
    (await home.ok(["server", "user", ...args])).stdout.trim();
  const first = JSON.parse(
    await user("add", ALICE, "--encryption=client", "--append-only", "--json"),
  ) as Added;
  assert.equal(first.username, ALICE);
  assert.match(first.enrollmentCode, /^([a-z2-7]{4}-){7}[a-z2-7]{4}$/);
  const second = await user("set", ALICE, "--encryption=client");
  assert.match(second, /^([a-z2-7]{4}-){7}[a-z2-7]{4}$/);
  assert.notEqual(second, first.enrollmentCode);
  const info = JSON.parse(await user("info", ALICE)) as Record<string, unknown>;
  assert.deepEqual(info, {
    username: ALICE,
    passwordHash: null,
    appendOnly: true,
    encryption: "client",
    sealed: { enrolled: null, escrow: [], hasDeletePassword: false, devices: [] },
  });
  assert.deepEqual((await user("list")).split("\n"), [ALICE, "mary@home"]);
  for (const args of [
    ["set", ALICE, "--encryption=server"],
    ["set", ALICE, "--user-password=pw"],
    ["set", "mary@home", "--encryption=client"],
    ["add", "bob@desk", "--encryption=client", "--user-password=pw"],
    ["add", "bob@desk", "--encryption=client", "--enrollment-code-validity=0s"],
    ["add", "bob@desk", "--user-password=sejf-token-x"],
  ])
    assert.notEqual((await home.run(["server", "user", ...args])).exitCode, 0, args.join(" "));
  const status = (await home.ok(["repository", "status"])).stdout;
  assert.match(
    status,
    /alice@laptop is sealed: nobody has used its enrollment code yet; it deletes nothing/,
  );
  assert.match(status, /mary@home is managed: whoever runs the server/);
  const state = JSON.stringify(await home.json(["server", "user", "list", "--json"]));
  assert.ok(!state.includes(second) && !state.includes("bob@desk"), state);
  const gone = await home.ok(["server", "user", "delete", ALICE]);
  assert.match(gone.stderr, /nothing but its recovery kit opens/);
  assert.doesNotMatch(
    (await home.ok(["server", "user", "delete", "mary@home"])).stderr,
    /recovery kit/,
  );
});

test("a server of both kinds: who can read is said per account; a managed client and a stock kopia are as before", {
  skip: KOPIA_SKIP,
}, async () => {
  await using home = await openServerHome({ "mary@home": "mary-pw" });
  const { enrollmentCode } = await home.json<Added>([
    "server",
    "user",
    "add",
    ALICE,
    "--encryption=client",
    "--json",
  ]);
  await using server = await SejfServer.start(home);
  await server.says("What this server sees of sealed accounts");
  assert.ok(server.lines.some((line) => line.includes(`${ALICE} is sealed: nobody has used its`)));
  const { device } = await enrollOnServer(
    { engine, argon2id: nodeArgon2id, random, clock: systemClock },
    { url: server.url, fingerprint: server.fingerprint },
    enrollmentCode,
    { account: ALICE, name: "first", password: "correct horse", escrow: [], rememberKey: false },
  );
  const tree = join(home.home.path, "tree");
  mkdirSync(tree);
  writeFileSync(join(tree, "file.txt"), "of mary");
  await using mary = await openKopia({ password: "mary-pw" });
  await server.connect(mary, "mary@home", "mary-pw");
  await mary.ok(["snapshot", "create", tree]);
  await mary.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  // A stock kopia with the token of a sealed device would send names in the clear: nothing of that is kept.
  const token = device.token ?? "";
  await using kopia = await openKopia({ password: token });
  await server.connect(kopia, ALICE, token);
  const refused = await kopia.run(["snapshot", "create", tree]);
  assert.notEqual(refused.exitCode, 0);
  assert.match(refused.stderr, /access denied/);
  assert.deepEqual(
    await home.json(["snapshot", "list", "--all", "--json"]),
    await mary.json(["snapshot", "list", "--json"]),
  );
  assert.equal(await server.stop(), 0);
  assert.equal(server.lines.join("\n").includes(token), false);
});
