/** The project's first command, as a new user types it: the server, its demonstration, and finding everything again. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  inheritedEnvironment,
  KOPIA_SKIP,
  openKopia,
  runCommand,
} from "../../src/testkit/kopia.ts";
import { temporaryDirectory } from "../../src/testkit/temp.ts";

const START = fileURLToPath(new URL("../../scripts/start.ts", import.meta.url));
const SOURCE = fileURLToPath(new URL("../../src/errors", import.meta.url));

/** Nothing of the caller's settings. */
function environment(home: string): NodeJS.ProcessEnv {
  return { ...inheritedEnvironment(), HOME: home, TZ: "UTC" };
}

async function start(
  home: string,
  args: readonly string[],
): Promise<Awaited<ReturnType<typeof runCommand>>> {
  const env = environment(home) as Record<string, string>;
  return await runCommand(process.execPath, [START, "--data", join(home, "data"), ...args], {
    env,
  });
}

test("npm start -- --demo FOLDER: serves, backs up through the server, restores, compares, both modes, ends; the next one finds all again", async () => {
  await using home = await temporaryDirectory("start");
  const first = await start(home.path, ["--demo", SOURCE]);
  assert.equal(first.exitCode, 0, first.stderr);
  assert.match(first.stdout, /^compared +\d+ entries .*: all equal$/m);
  assert.match(first.stdout, /^backup .* through the server$/m);
  assertOperatorFoundNothing(first.stdout);
  for (const name of [
    "password",
    "account-password",
    "control-password",
    "server.key",
    "sealed-user/password",
    "sealed-user/recovery-kit.txt",
  ])
    if (process.platform !== "win32")
      assert.equal((await stat(join(home.path, "data", name))).mode & 0o777, 0o600, name);
  const second = await start(home.path, ["--demo", SOURCE]);
  assert.equal(second.exitCode, 0, second.stderr);
  const told = (text: string, what: string): string =>
    new RegExp(`^${what} +(\\S+)`, "m").exec(text)?.[1] ?? what;
  assert.equal(told(second.stdout, "fingerprint"), told(first.stdout, "fingerprint"));
  assert.match(
    second.stdout,
    /\+ 1 identical snapshots/,
    "the snapshot of the first run is listed",
  );
  assertOperatorFoundNothing(second.stdout);
  assert.match(
    second.stderr,
    /sealed@\S+ is sealed: its user alone; 1 device\./,
    "another port is no other device",
  );
  for (const name of ["account-password", "sealed-user/password"]) {
    const password = (await readFile(join(home.path, "data", name), "utf8")).trim();
    for (const { stdout, stderr } of [first, second])
      assert.ok(!`${stdout}${stderr}`.includes(password), `${name} is shown nowhere`);
  }
});

/** The same search finds everything of the managed account. */
function assertOperatorFoundNothing(stdout: string): void {
  assert.equal(
    stdout.match(/^sealed +\d+ entries restored and compared: all equal \(/gm)?.length,
    2,
  );
  assert.match(stdout, /^second member \d+ bytes more for the same folder/m);
  const found = /^of managed +([1-9]\d*) of (\d+) names, ([1-9]\d*) of (\d+) pieces/m.exec(stdout);
  assert.ok(found !== null, stdout);
  assert.deepEqual([found[1], found[3]], [found[2], found[4]]);
  assert.match(stdout, /^of sealed +0 of \d+ names, 0 of \d+ pieces of the files found$/m);
  assert.match(stdout, /^he sees +\/sealed\/[a-z2-7]{20}, .* pieces of ciphertext, \d+ bytes$/m);
}

test("npm start: what cannot be meant is said", async () => {
  await using home = await temporaryDirectory("start");
  for (const args of [
    ["folder"],
    ["--demo", "a", "b"],
    ["--demo", "/does/not/exist"],
    ["--port", "1"],
  ]) {
    const result = await start(home.path, args);
    assert.equal(result.exitCode, 2, args.join(" "));
    assert.match(result.stderr, /usage: npm start/);
  }
});

test("npm start: an unmodified kopia connects with the printed line; Ctrl-C ends the server; a taken port is explained", {
  skip: KOPIA_SKIP,
}, async () => {
  await using home = await temporaryDirectory("start");
  const args = [START, "--data", join(home.path, "data"), "--address"];
  const child = spawn(process.execPath, [...args, "127.0.0.1:0"], {
    env: environment(home.path),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  child.stderr.resume();
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  try {
    await new Promise<void>((resolve, reject) => {
      createInterface(child.stdout).on("line", (line) => {
        lines.push(line);
        if (line.startsWith("Ctrl-C stops")) resolve();
      });
      void ended.then(() => reject(new Error(lines.join("\n"))));
    });
    const line = lines.find((each) => each.startsWith("with kopia")) ?? "";
    const command = line.replace(/^with kopia +/, "");
    const password = await readFile(join(home.path, "data", "account-password"), "utf8");
    await using kopia = await openKopia({ password: password.trim() });
    const script = `kopia() { "$KOPIA" --config-file="$CONFIG" "$@"; }; ${command} && kopia snapshot create ${SOURCE} && kopia snapshot list`;
    const env = { ...kopia.env, KOPIA: kopia.exe, CONFIG: kopia.configFile };
    const result = await runCommand("/bin/sh", ["-c", script], { env });
    assert.equal(result.exitCode, 0, result.stderr);
    assert.match(result.stdout, /files:\d/);
    const port = /^address +https:\/\/127\.0\.0\.1:(\d+)/m.exec(lines.join("\n"))?.[1] ?? "";
    const taken = await start(home.path, ["--address", `127.0.0.1:${port}`]);
    assert.equal(taken.exitCode, 1);
    assert.match(taken.stderr, /another program does already/);
    assert.match(taken.stderr, /choose another: npm start -- --address/);
  } finally {
    child.kill("SIGINT");
  }
  assert.equal(await ended, 0);
});
