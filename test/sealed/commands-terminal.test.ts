/** The delete password on a real terminal: what a person types, and what becomes of it. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openSejf, SEJF_EXE } from "../../src/testkit/kopia.ts";
import { SealedServer } from "../../src/testkit/sealed-server.ts";
import { ACCOUNT_PASSWORD, ALICE } from "./command-support.ts";

const SKIP: string | false =
  process.platform === "linux" && spawnSync("script", ["--version"]).status === 0
    ? false
    : "needs util-linux's script, which makes a terminal";
const DELETING = "typed by a person";

type Answers = readonly (readonly [prompt: RegExp, answer: string])[];

/** Runs it on a terminal of its own and types each answer when its prompt is there. Gives what the terminal showed. */
async function onTerminal(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  answers: Answers,
): Promise<string> {
  const quoted = [SEJF_EXE, ...args].map((arg) => `'${arg}'`).join(" ");
  const child = spawn("script", ["-qec", quoted, "/dev/null"], {
    env,
    stdio: ["pipe", "pipe", "inherit"],
  });
  let shown = "";
  let seen = 0;
  const left = [...answers];
  child.stdout.on("data", (bytes: Buffer) => {
    shown += bytes.toString();
    const [next] = left;
    if (next === undefined || !next[0].test(shown.slice(seen))) return;
    seen = shown.length;
    left.shift();
    // Echo is off a moment after the prompt.
    setTimeout(() => child.stdin.write(`${next[1]}\r`), 200);
  });
  await new Promise((resolve) => child.once("close", resolve));
  assert.deepEqual(left, [], shown);
  assert.doesNotMatch(shown, new RegExp(DELETING), "a password is not shown");
  return shown;
}

test("a person deletes with the delete password, and not with the account's", {
  skip: SKIP,
}, async (t) => {
  await using server = await SealedServer.start({ forPrograms: true });
  const client = await openSejf({ password: ACCOUNT_PASSWORD });
  t.after(async () => await client[Symbol.asyncDispose]());
  const env = { ...client.env, SEJF_ENROLLMENT_CODE: await server.addSealed(ALICE) };
  const sejf = async (args: readonly string[], answers: Answers = []): Promise<string> =>
    await onTerminal([`--config-file=${client.configFile}`, ...args], env, answers);
  const { url, fingerprint } = server.https;
  await sejf(
    [
      "repository",
      "connect",
      "server",
      `--url=${url}`,
      `--server-cert-fingerprint=${fingerprint}`,
      `--account=${ALICE}`,
      "--no-recovery-kit",
      "--delete-password",
    ],
    [
      [/for deleting:/, DELETING],
      [/verification/, DELETING],
    ],
  );
  const tree = join(client.home.path, "tree");
  mkdirSync(tree);
  writeFileSync(join(tree, "file"), "hello");
  await client.ok(["snapshot", "create", tree]);
  type Listed = readonly { readonly id: string }[];
  const list = async (...more: string[]): Promise<Listed> =>
    await client.json<Listed>(["snapshot", "list", "--all", "--json", ...more]);
  const [made] = await list();
  assert.ok(made !== undefined);
  const remove = ["snapshot", "delete", made.id, "--delete"];
  const prompt = /delete password of alice@laptop/;
  assert.match(await sejf(remove, [[prompt, ACCOUNT_PASSWORD]]), /not the delete password/);
  assert.deepEqual(
    (await list()).map(({ id }) => id),
    [made.id],
  );
  await sejf(remove, [[prompt, DELETING]]);
  assert.deepEqual(await list(), []);
  const [trashed] = await list("--trash");
  assert.equal(trashed?.id, made.id);
  await client.ok(["snapshot", "undelete", made.id]);
  assert.equal((await list()).length, 1);
  await client.ok(["policy", "set", tree, "--keep-daily=10"]);
  const fewer = ["policy", "set", tree, "--keep-daily=9"];
  assert.match((await client.run(fewer)).stderr, /typed on a terminal/);
  await sejf(fewer, [[prompt, DELETING]]);
  const policy = await client.json<{ retention: { keepDaily: number } }>([
    "policy",
    "show",
    tree,
    "--json",
  ]);
  assert.equal(policy.retention.keepDaily, 9);
  const next = "typed by a person later";
  const change = ["account", "password", "--delete-password"];
  assert.match((await client.run(change)).stderr, /delete password is typed on a terminal/);
  const shown = await sejf(change, [
    [/for deleting:/, next],
    [/verification/, next],
    [prompt, DELETING],
  ]);
  assert.match(shown, /The delete password counts from now on/);
  await sejf(["policy", "set", tree, "--keep-daily=8"], [[prompt, next]]);
});
