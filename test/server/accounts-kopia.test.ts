/** Accounts and entries beside a real kopia: each program lets in, lists and changes what the other has made. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { startKopiaServer } from "../../src/testkit/kopia-server.ts";
import { openSources } from "../cli/support.ts";
import {
  connectAs,
  gateOn,
  openDirectly,
  refreshServer,
  repositoryPath,
  sejfOn,
} from "./account-parts.ts";

const HTTP = { address: "127.0.0.1", door: "http" } as const;
type UserJson = Readonly<Record<string, unknown>>;

test("accounts and entries: both programs list, show and change the same ones", {
  skip: KOPIA_SKIP,
}, async () => {
  await using kopia = await openKopia();
  const path = `${kopia.home.path}/repo`;
  await kopia.ok(["repository", "create", "filesystem", `--path=${path}`]);
  await kopia.ok(["server", "users", "add", "alice@laptop", "--user-password=alice-pw"]);
  await kopia.ok(["server", "acl", "enable"]);
  await kopia.ok([
    "server",
    "acl",
    "add",
    "--user=*@pc",
    "--target=type=snapshot,path=/a b",
    "--access=READ",
  ]);
  await using sejf = await sejfOn(path);
  const ours = [
    "server",
    "user",
    "add",
    "bob@pc",
    "--user-password=bob-pw",
    "--append-only",
    "--quota=10GB",
  ];
  await sejf.ok(ours);
  assert.equal((await sejf.run(ours)).exitCode, 1);
  await sejf.ok([
    "server",
    "acl",
    "add",
    "--user=bob@pc",
    "--target=type=policy,policyType=path",
    "--access=FULL",
  ]);

  assert.equal((await sejf.ok(["server", "users", "ls"])).stdout, "alice@laptop\nbob@pc\n");
  for (const command of [
    "server acl list --json",
    "server user list",
    "server user info alice@laptop",
  ]) {
    const [mine, theirs] = await Promise.all([
      sejf.ok(command.split(" ")),
      kopia.ok(command.split(" ")),
    ]);
    assert.equal(mine.stdout, theirs.stdout, command);
  }
  assert.deepEqual(
    (await sejf.ok(["server", "acl", "list"])).stdout.split("\n").map(withSortedTarget),
    (await kopia.ok(["server", "acl", "list"])).stdout.split("\n").map(withSortedTarget),
  );
  const [alice, bob] = await sejf.json<readonly UserJson[]>(["server", "user", "list", "--json"]);
  const [theirAlice, theirBob] = await kopia.json<readonly UserJson[]>([
    "server",
    "user",
    "list",
    "--json",
  ]);
  assert.deepEqual(alice, theirAlice);
  assert.deepEqual(bob, { ...theirBob, appendOnly: true, quotaBytes: 10_000_000_000 });

  await kopia.ok(["server", "users", "set", "bob@pc", "--user-password=bob-2"]);
  const info = await sejf.json<UserJson>(["server", "user", "info", "bob@pc"]);
  assert.deepEqual([info["appendOnly"], info["quotaBytes"]], [true, 10_000_000_000]);
  assert.notEqual(info["passwordHash"], theirBob?.["passwordHash"]);
  await sejf.ok(["server", "user", "set", "bob@pc", "--no-append-only", "--quota=none"]);
  assert.deepEqual(
    await sejf.json(["server", "user", "info", "bob@pc"]),
    await kopia.json(["server", "user", "info", "bob@pc"]),
  );

  const dry = await sejf.ok(["server", "acl", "delete", "--all"]);
  assert.match(dry.stderr, /would delete entry [0-9a-f]{32}, pass --delete to actually delete/);
  await sejf.ok(["server", "acl", "delete", "--all", "--delete"]);
  assert.equal((await kopia.ok(["server", "acl", "list"])).stdout, "");
  await sejf.ok(["server", "user", "rm", "bob@pc"]);
  assert.equal((await kopia.ok(["server", "users", "list"])).stdout, "alice@laptop\n");
});

test("accounts made by kopia are let in by our gate", { skip: KOPIA_SKIP }, async () => {
  await using kopia = await openKopia();
  await kopia.ok(["repository", "create", "filesystem", `--path=${kopia.home.path}/repo`]);
  await kopia.ok(["server", "users", "add", "alice@laptop", "--user-password=alice-pw"]);
  const { stdout: hash } = await (async () => {
    await using sejf = await openSources();
    return await sejf.ok(["server", "user", "hash-password", "--user-password=carol-pw"]);
  })();
  await kopia.ok(["server", "users", "add", "carol@pc", `--user-password-hash=${hash.trim()}`]);
  await using repository = await openDirectly(kopia.configFile);
  const gate = gateOn(repository);
  for (const [name, password] of [
    ["alice@laptop", "alice-pw"],
    ["carol@pc", "carol-pw"],
  ] as const) {
    const { principal } = await gate.login({ name, password, ...HTTP });
    assert.ok(principal.role === "account");
    assert.equal(principal.account.name, name);
  }
  await assert.rejects(gate.login({ name: "alice@laptop", password: "carol-pw", ...HTTP }), {
    code: "SEJF_ACCESS_DENIED",
  });
});

test("accounts made by us are let in by a kopia server, and change their password through it", {
  skip: KOPIA_SKIP,
}, async () => {
  await using server = await startKopiaServer({});
  await using operator = await sejfOn(repositoryPath(server));
  await operator.ok(["server", "user", "add", "alice@laptop", "--user-password=alice-pw"]);
  const { stdout: hash } = await server.kopia.ok([
    "server",
    "users",
    "hash-password",
    "--user-password=bob-pw",
  ]);
  await operator.ok(["server", "user", "add", "bob@pc", `--user-password-hash=${hash.trim()}`]);
  await operator.ok(["server", "acl", "enable"]);
  await refreshServer(server);
  for (const [name, password] of [
    ["alice@laptop", "alice-pw"],
    ["bob@pc", "bob-pw"],
  ] as const) {
    await using repository = await connectAs(server, name, password);
    assert.equal(repository.identity.username, name.split("@")[0]);
  }
  await assert.rejects(connectAs(server, "bob@pc", "alice-pw"), { code: "SEJF_ACCESS_DENIED" });

  await using alice = await openSources({ SEJF_PASSWORD: "alice-pw" });
  await alice.ok([
    "repository",
    "connect",
    "server",
    `--url=${server.url}`,
    `--server-cert-fingerprint=${server.fingerprint}`,
    "--override-username=alice",
    "--override-hostname=laptop",
  ]);
  await alice.ok(["server", "user", "set", "alice@laptop", "--user-password=alice-2"]);
  const foreign = await alice.run(["server", "user", "set", "bob@pc", "--user-password=x"]);
  assert.equal(foreign.exitCode, 1);
  const setting = await alice.run(["server", "user", "set", "alice@laptop", "--no-append-only"]);
  assert.match(setting.stderr, /server/);
  assert.equal(setting.exitCode, 1);
  await refreshServer(server);
  await using again = await connectAs(server, "alice@laptop", "alice-2");
  assert.equal(again.identity.hostname, "laptop");
  await assert.rejects(connectAs(server, "alice@laptop", "alice-pw"), {
    code: "SEJF_ACCESS_DENIED",
  });
});

/** Kopia prints the pairs of a target in any order. */
function withSortedTarget(line: string): string {
  const [head = "", target = ""] = line.split(" target:");
  return `${head} ${target.split(",").toSorted().join()}`;
}
