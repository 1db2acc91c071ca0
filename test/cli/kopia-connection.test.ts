/** sejf and a real kopia on one connection file and one cache folder: what one changes the other sees. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import {
  type CommandResult,
  KOPIA_EXE,
  KOPIA_SKIP,
  openKopia,
  runCommand,
} from "../../src/testkit/kopia.ts";
import { openSources, type SourcesClient } from "./support.ts";

const PASSWORD = "fixture-password";

/** kopia at the very connection of `sejf`. */
async function kopiaAt(
  sejf: SourcesClient,
  args: readonly string[],
  password = PASSWORD,
): Promise<CommandResult> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    TZ: "UTC",
    HOME: sejf.home,
    KOPIA_CACHE_DIRECTORY: join(sejf.home, "cache", "repository"),
    KOPIA_CHECK_FOR_UPDATES: "false",
    KOPIA_LOG_DIR: join(sejf.home, "kopia-logs"),
    KOPIA_PASSWORD: password,
  };
  return await runCommand(KOPIA_EXE ?? "", [...args, `--config-file=${sejf.configFile}`], { env });
}

async function kopiaOk(
  sejf: SourcesClient,
  args: readonly string[],
  password?: string,
): Promise<CommandResult> {
  const result = await kopiaAt(sejf, args, password);
  assert.equal(result.exitCode, 0, `kopia ${args.join(" ")}: ${result.stderr}`);
  return result;
}

test("one connection file: kopia goes on with what sejf made, and back", {
  skip: KOPIA_SKIP,
}, async () => {
  await using sejf = await openSources();
  await sejf.ok(["repository", "create", "filesystem", "--path", join(sejf.home, "repo")]);
  await kopiaOk(sejf, ["repository", "status"], "");
  const theirs = JSON.parse(
    (await kopiaOk(sejf, ["repository", "status", "--json"])).stdout,
  ) as Record<string, unknown>;
  const ours = await sejf.json<Record<string, unknown>>(["repository", "status", "--json"]);
  for (const status of [theirs, ours])
    delete (status["volume"] as Record<string, unknown>)["available"];
  assert.equal(JSON.stringify(ours), JSON.stringify(theirs));

  const text = await readFile(sejf.configFile, "utf8");
  await kopiaOk(sejf, ["repository", "throttle", "set", "--upload-bytes-per-second=1000000"]);
  assert.deepEqual(await sejf.json(["repository", "throttle", "get", "--json"]), {
    maxUploadSpeedBytesPerSecond: 1_000_000,
  });
  await sejf.ok(["repository", "throttle", "set", "--upload-bytes-per-second=-"]);
  const after = JSON.parse(await readFile(sejf.configFile, "utf8")) as Record<string, unknown>;
  assert.deepEqual(after, { ...(JSON.parse(text) as object), throttlingLimits: {} });

  await kopiaOk(sejf, ["repository", "set-client", "--description=by kopia"]);
  await sejf.ok(["repository", "set-client", "--hostname=elsewhere"]);
  const status = await kopiaOk(sejf, ["repository", "status"]);
  assert.match(status.stdout, /Description: +by kopia\nHostname: +elsewhere\n/);
});

test("the text of repository status: every line of kopia's is in ours", {
  skip: KOPIA_SKIP,
}, async () => {
  await using sejf = await openSources();
  await sejf.ok([
    "repository",
    "create",
    "filesystem",
    "--path",
    join(sejf.home, "repo"),
    "--format-version=2",
  ]);
  const ours = (await sejf.ok(["repository", "status"])).stdout.split("\n");
  const theirs = (await kopiaOk(sejf, ["repository", "status"])).stdout.split("\n");
  const missing = theirs.filter(
    (line) => !line.startsWith("Storage available:") && !ours.includes(line),
  );
  assert.deepEqual(missing, []);
});

test("passwords and parameters: changed by one, seen by the other at once", {
  skip: KOPIA_SKIP,
}, async () => {
  await using sejf = await openSources();
  await sejf.ok(["repository", "create", "filesystem", "--path", join(sejf.home, "repo")]);
  await kopiaOk(sejf, ["repository", "status"]);
  await sejf.ok(["repository", "change-password", "--new-password=second"]);
  await kopiaOk(sejf, ["repository", "status"], "");
  assert.equal((await kopiaAt(sejf, ["repository", "status"])).exitCode, 1);
  await kopiaOk(sejf, ["repository", "change-password", "--new-password=third"], "second");
  await sejf.ok(["repository", "status"], { env: { SEJF_PASSWORD: "" } });
  assert.equal((await sejf.run(["repository", "status", "-p", "second"])).exitCode, 1);
  await sejf.ok(["repository", "set-parameters", "--max-pack-size-mb=40", "-p", "third"]);
  assert.match(
    (await kopiaOk(sejf, ["repository", "status"], "third")).stdout,
    /Max pack length: +41\.9 MB/,
  );
  await kopiaOk(sejf, ["repository", "set-parameters", "--epoch-min-duration=30h"], "third");
  const shown = await sejf.ok(["repository", "status", "-p", "third"]);
  assert.match(shown.stdout, /Max pack length: +41\.9 MB/);
  assert.match(shown.stdout, /minimum 30h0m0s/);
});

test("a repository made anew at the same place: kopia's cache of the old one is not trusted", {
  skip: KOPIA_SKIP,
}, async () => {
  await using sejf = await openSources();
  const [first, second] = [join(sejf.home, "first"), join(sejf.home, "second")];
  await sejf.ok(["repository", "create", "filesystem", "--path", first]);
  await kopiaOk(sejf, ["repository", "status"]);
  await sejf.ok(["repository", "create", "filesystem", "--path", second, "-p", "other"]);
  await kopiaOk(sejf, ["repository", "status"], "other");
});

test("tokens go both ways", { skip: KOPIA_SKIP }, async () => {
  await using sejf = await openSources();
  await using kopia = await openKopia();
  await sejf.ok(["repository", "create", "filesystem", "--path", join(sejf.home, "repo")]);
  const tokenOf = (status: CommandResult): string => /--token (\S+)/.exec(status.stdout)?.[1] ?? "";
  const ours = tokenOf(await sejf.ok(["repository", "status", "-t", "-s"]));
  await kopia.ok(["repository", "connect", "from-config", "--token", ours], {
    env: { KOPIA_PASSWORD: "" },
  });
  const theirs = tokenOf(await kopia.ok(["repository", "status", "-t", "-s"]));
  assert.equal(theirs, ours);
  await sejf.ok(["repository", "disconnect"]);
  const file = join(sejf.home, "token");
  await writeFile(file, theirs);
  await sejf.ok(["repository", "connect", "from-config", "--token-file", file], {
    env: { SEJF_PASSWORD: "" },
  });
  await sejf.ok(["repository", "status"]);
});

test("a server connection of kopia's whose server is away: an error that names it, and the file is left alone", async () => {
  await using sejf = await openSources();
  const text = `{"apiServer":{"url":"https://127.0.0.1:1","serverCertFingerprint":"${"0".repeat(64)}"},"hostname":"h","username":"u","enableActions":false}`;
  await writeFile(sejf.configFile, text);
  const result = await sejf.run(["repository", "status"]);
  assert.equal(result.exitCode, 1);
  assert.match(result.stderr, /cannot connect to https:\/\/127\.0\.0\.1:1.*ECONNREFUSED/);
  assert.equal(await readFile(sejf.configFile, "utf8"), text);
});
