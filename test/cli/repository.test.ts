/** The repository commands as a user types them: what they print, keep on the disk, and refuse. */
import assert from "node:assert/strict";
import { chmod, cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { goldenRepository } from "../../src/testkit/golden.ts";
import { openSources, type SourcesClient } from "./support.ts";

/** A connection to a copy of a repository made by kopia, in a folder with a space in its name. */
async function connected(sejf: SourcesClient, name = "kopia-default"): Promise<string> {
  const path = join(sejf.home, "a repository", name);
  await cp(goldenRepository(name).path, path, { recursive: true });
  await sejf.ok(["repository", "connect", "filesystem", "--path", path]);
  return path;
}

test("repository create: makes, connects, keeps the password; status says who can read and delete first", async () => {
  await using sejf = await openSources();
  const path = join(sejf.home, "new");
  const made = await sejf.ok([
    "repository",
    "create",
    "filesystem",
    `--path=${path}`,
    "--block-hash",
    "BLAKE2B-256",
    "--description=my backups",
  ]);
  assert.match(made.stderr, /block hash: {10}BLAKE2B-256\n/);
  assert.match(made.stderr, /Connected to repository\./);
  assert.equal(made.stdout, "");
  const passwordFile = `${sejf.configFile}.kopia-password`;
  assert.equal(
    Buffer.from(await readFile(passwordFile, "latin1"), "base64").toString(),
    "fixture-password",
  );
  assert.equal((await stat(sejf.configFile)).mode & 0o777, 0o600);
  assert.equal((await stat(passwordFile)).mode & 0o777, 0o600);

  const status = await sejf.ok(["repository", "status"], { env: { SEJF_PASSWORD: "" } });
  const lines = status.stdout.split("\n");
  assert.match(lines[0] ?? "", /^Who can read:/);
  assert.match(lines[1] ?? "", /^Who can delete:.*write to/);
  assert.ok(lines.includes(`Config file:         ${sejf.configFile}`));
  assert.ok(lines.includes("Description:         my backups"));
  assert.ok(lines.includes("Hash:                BLAKE2B-256"));
  assert.ok(lines.includes("Current Epoch: 0"));
});

test("repository status --json: kopia's members, and no secret", async () => {
  await using sejf = await openSources();
  const path = await connected(sejf);
  const { expected } = goldenRepository("kopia-default");
  const status = await sejf.json<Record<string, Record<string, unknown>>>([
    "repository",
    "status",
    "--json",
  ]);
  assert.deepEqual(Object.keys(status), [
    "configFile",
    "uniqueIDHex",
    "clientOptions",
    "storage",
    "volume",
    "contentFormat",
    "objectFormat",
    "blobRetention",
  ]);
  assert.equal(status["storage"]?.["type"], "filesystem");
  assert.deepEqual(status["storage"]?.["config"], {
    path,
    fileMode: 384,
    dirMode: 448,
    dirShards: null,
  });
  const repository = expected["repository"] as Record<string, unknown>;
  assert.deepEqual(status["contentFormat"], repository["contentFormat"]);
  assert.deepEqual(status["objectFormat"], repository["objectFormat"]);
  assert.equal(status["uniqueIDHex"], repository["uniqueIDHex"]);
});

test("a wrong password: one line, a hint, status 1, and no connection is left", async () => {
  await using sejf = await openSources();
  const path = join(sejf.home, "repo");
  await cp(goldenRepository("kopia-default").path, path, { recursive: true });
  const result = await sejf.run([
    "repository",
    "connect",
    "filesystem",
    "--path",
    path,
    "-p",
    "wrong horse",
  ]);
  assert.equal(result.exitCode, 1);
  assert.match(result.stderr, /^sejf: error: invalid repository password\n {2}hint: .*\n$/);
  await assert.rejects(stat(sejf.configFile), { code: "ENOENT" });
  await assert.rejects(stat(`${sejf.configFile}.kopia-password`), { code: "ENOENT" });
});

test("a failed connect leaves the connection that was there", async () => {
  await using sejf = await openSources();
  await connected(sejf);
  const before = await readFile(sejf.configFile, "utf8");
  const result = await sejf.run([
    "repository",
    "connect",
    "filesystem",
    "--path",
    join(sejf.home, "nowhere"),
  ]);
  assert.equal(result.exitCode, 1);
  assert.match(result.stderr, /hint: /);
  assert.equal(await readFile(sejf.configFile, "utf8"), before);
  await sejf.ok(["repository", "status"]);
});

test("no connection, a broken one, one that may not be read: said as such", async () => {
  await using sejf = await openSources();
  const none = await sejf.run(["repository", "status"]);
  assert.equal(none.exitCode, 1);
  assert.match(
    none.stderr,
    /not connected to a repository: there is no .*repository\.config\n {2}hint: use `repository connect`/,
  );
  await writeFile(sejf.configFile, "{");
  assert.match((await sejf.run(["snapshot", "list"])).stderr, /connection file .* is not JSON/);
  await rm(sejf.configFile);
  await mkdir(sejf.configFile);
  assert.equal((await sejf.run(["repository", "status"])).exitCode, 1);
});

test("an unreadable connection file is a matter of permissions", {
  skip: process.getuid?.() === 0 && "root reads everything",
}, async () => {
  await using sejf = await openSources();
  await connected(sejf);
  await chmod(sejf.configFile, 0);
  assert.match((await sejf.run(["repository", "status"])).stderr, /permission denied/i);
});

test("wrong usage is status 2, before anything is opened", async () => {
  await using sejf = await openSources();
  for (const args of [
    ["nosuch"],
    ["repository"],
    ["repository", "status", "--nosuch"],
    ["repository", "status", "extra"],
    ["repository", "create", "filesystem"],
    ["repository", "create", "filesystem", "--path", "relative"],
    ["repository", "create", "s3", "--bucket=b"],
    ["repository", "connect", "from-config", "--token", "x"],
    ["repository", "status", "--metrics-push-addr=x"],
    ["repository", "status", "--timezone=nowhere"],
  ]) {
    const result = await sejf.run(args);
    assert.equal(result.exitCode, 2, `${args.join(" ")}: ${result.stderr}`);
    assert.match(result.stderr, /^sejf: error: /);
    assert.equal(result.stdout, "");
  }
});

test("without a terminal no password is asked for", async () => {
  await using sejf = await openSources({ SEJF_PASSWORD: "" });
  const result = await sejf.run(
    ["repository", "create", "filesystem", "--path", join(sejf.home, "x")],
    { input: "sneaky\nsneaky\n" },
  );
  assert.equal(result.exitCode, 2);
  assert.match(result.stderr, /no repository password was given\n {2}hint: .*SEJF_PASSWORD/);
});

test("repository create refuses a folder that is not empty", async () => {
  await using sejf = await openSources();
  const path = await connected(sejf);
  const result = await sejf.run(["repository", "create", "filesystem", "--path", path]);
  assert.equal(result.exitCode, 1);
  assert.match(result.stderr, /is not empty/);
});

test("a token connects again, with the password inside or without", async () => {
  await using sejf = await openSources();
  await connected(sejf);
  const status = await sejf.ok(["repository", "status", "-t", "-s"]);
  const token = /--token (\S+)/.exec(status.stdout)?.[1] ?? "";
  assert.match(status.stdout, /NOTICE: The token/);
  await sejf.ok(["repository", "disconnect"]);
  await sejf.ok(["repository", "connect", "from-config", "--token", token], {
    env: { SEJF_PASSWORD: "" },
  });
  const without = await sejf.ok(["repository", "status", "-t"]);
  const bare = /--token (\S+)/.exec(without.stdout)?.[1] ?? "";
  assert.equal(Buffer.from(bare, "base64url").includes("password"), false);
  const file = join(sejf.home, "token");
  await writeFile(file, `${bare}\n`);
  await sejf.ok(["repository", "connect", "from-config", "--token-file", file]);
  await sejf.ok(["repository", "connect", "from-config", "--token-stdin"], { input: bare });
  const copy = join(sejf.home, "copy.config");
  await cp(sejf.configFile, copy);
  await sejf.ok(["repository", "disconnect"]);
  await sejf.ok(["repository", "connect", "from-config", `--file=${copy}`]);
  await sejf.ok(["repository", "status"]);
});

test("repository disconnect: connection, password and caches are gone, the repository is not", async () => {
  await using sejf = await openSources();
  const path = await connected(sejf);
  await sejf.ok(["snapshot", "list", "--all"]);
  const blobs = await readdir(path);
  await sejf.ok(["repository", "disconnect"]);
  assert.deepEqual(await readdir(join(sejf.home, "config")), []);
  await assert.rejects(stat(join(sejf.home, "cache", "repository")), { code: "ENOENT" });
  assert.deepEqual(await readdir(path), blobs);
});

test("change-password: the old one is refused from now on, the kept one is replaced", async () => {
  await using sejf = await openSources();
  await connected(sejf);
  await sejf.ok(["repository", "change-password", "--new-password=ein neues Paßwort"]);
  const old = await sejf.run(["repository", "status"]);
  assert.equal(old.exitCode, 1);
  await sejf.ok(["repository", "status"], { env: { SEJF_PASSWORD: "" } });
  const v1 = await openSources();
  await using _ = v1;
  await connected(v1, "kopia-v1");
  const refused = await v1.run(["repository", "change-password", "--new-password=x"]);
  assert.equal(refused.exitCode, 1);
  assert.match(refused.stderr, /cannot be changed/);
});

test("set-client: kept in the file; a read-only connection refuses to write", async () => {
  await using sejf = await openSources();
  await connected(sejf);
  await sejf.ok([
    "repository",
    "set-client",
    "--read-only",
    "--username=me",
    "--hostname=here",
    "--description=d",
  ]);
  const { clientOptions } = await sejf.json<{ clientOptions: Record<string, unknown> }>([
    "repository",
    "status",
    "--json",
  ]);
  assert.deepEqual(clientOptions, {
    hostname: "here",
    username: "me",
    readonly: true,
    description: "d",
    enableActions: false,
    formatBlobCacheDuration: 900_000_000_000,
  });
  const refused = await sejf.run(["repository", "set-parameters", "--max-pack-size-mb=30"]);
  assert.equal(refused.exitCode, 1);
  assert.match(refused.stderr, /read-only/);
  await sejf.ok(["repository", "set-client", "--read-write"]);
  assert.equal((await sejf.run(["repository", "set-client"])).exitCode, 2);
});

test("set-parameters and throttle: changed values are shown, impossible ones refused", async () => {
  await using sejf = await openSources();
  await connected(sejf);
  const set = await sejf.ok([
    "repository",
    "set-params",
    "--max-pack-size-mb=30",
    "--epoch-min-duration=25h",
  ]);
  assert.match(set.stderr, / - setting maximum pack size to 31\.5 MB\.\n/);
  const { contentFormat } = await sejf.json<{ contentFormat: Record<string, unknown> }>([
    "repository",
    "status",
    "--json",
  ]);
  assert.equal(contentFormat["maxPackSize"], 30 << 20);
  assert.equal(
    (await sejf.run(["repository", "set-parameters", "--max-pack-size-mb=500"])).exitCode,
    2,
  );
  assert.match(
    (await sejf.run(["repository", "set-parameters", "--upgrade"])).stderr,
    /upgrading the format is not offered yet/,
  );
  await sejf.ok([
    "repository",
    "throttle",
    "set",
    "--upload-bytes-per-second=1000000",
    "--concurrent-reads",
    "5",
  ]);
  assert.deepEqual(await sejf.json(["repository", "throttle", "get", "--json"]), {
    maxUploadSpeedBytesPerSecond: 1_000_000,
    concurrentReads: 5,
  });
  await sejf.ok([
    "repository",
    "throttle",
    "set",
    "--upload-bytes-per-second=unlimited",
    "--concurrent-reads=-",
  ]);
  assert.match(
    (await sejf.ok(["repository", "throttle", "get"])).stdout,
    /^Max Upload Speed: {14}\(unlimited\)$/m,
  );
  assert.equal(
    (await sejf.run(["repository", "throttle", "set", "--concurrent-reads=1.5"])).exitCode,
    2,
  );
});

test("sync-to: a copy that opens with the same password", async () => {
  await using sejf = await openSources();
  await connected(sejf);
  const copy = join(sejf.home, "copy");
  const dry = await sejf.run(["repository", "sync-to", "filesystem", "--path", copy, "--dry-run"]);
  assert.notEqual(dry.exitCode, 0);
  await sejf.ok(["repository", "sync-to", "filesystem", "--path", copy]);
  assert.match(
    (await sejf.ok(["repository", "sync-to", "filesystem", "--path", copy])).stderr,
    /Copied 0 BLOBs/,
  );
  const source = join(sejf.home, "source.config");
  await cp(sejf.configFile, source);
  await sejf.ok(["repository", "connect", "filesystem", "--path", copy]);
  await sejf.ok(["repository", "status"]);
  // and back, where a connection file says: the copy's blobs are newer
  const back = await sejf.ok(["repository", "sync-to", "from-config", `--file=${source}`]);
  assert.match(back.stderr, /Destination: Filesystem: .*a repository/);
  assert.match(back.stderr, /Copied [1-9][0-9]* BLOBs/);
});

test("repair: only when danger is allowed, then the lost format blob is back", async () => {
  await using sejf = await openSources();
  const path = await connected(sejf, "kopia-v1");
  await rm(join(path, "kopia.repository.f"));
  const lost = await sejf.run(["repository", "status"]);
  assert.equal(lost.exitCode, 1);
  assert.match(lost.stderr, /there is no repository in/);
  const repair = ["repository", "repair", "filesystem", "--path", path];
  assert.equal((await sejf.run(repair)).exitCode, 2);
  await sejf.ok([...repair, "--dangerous-commands=enabled"]);
  await sejf.ok(["repository", "status"]);
});

test("logs: a file a run, with the command and without the password; none when switched off", async () => {
  await using sejf = await openSources();
  await connected(sejf);
  const logs = join(sejf.home, "logs", "cli-logs");
  await sejf.run(["repository", "status", "-p", "very secret words"]);
  const names = (await readdir(logs)).filter((name) =>
    /^sejf-\d{8}-\d{6}-\d+-repository-(?:status|connect-filesystem)\.0\.log$/.test(name),
  );
  assert.equal(names.length, 2);
  for (const name of names) {
    const text = await readFile(join(logs, name), "utf8");
    assert.ok(!text.includes("very secret words") && !text.includes("fixture-password"), name);
    for (const line of text.trimEnd().split("\n"))
      assert.equal(typeof (JSON.parse(line) as { level: number }).level, "number");
  }
  assert.match(
    await readFile(join(logs, "latest.log"), "utf8"),
    /"command":"repository status".*\n.*SEJF_INVALID_PASSWORD/s,
  );
  const before = (await readdir(logs)).length;
  await sejf.ok(["repository", "status", "--disable-file-logging"]);
  assert.equal((await readdir(logs)).length, before);
  await sejf.ok(["repository", "status", "--log-dir-max-files=1"]);
  assert.equal((await readdir(logs)).filter((name) => name.startsWith("sejf-")).length, 1);
});

test("a log that cannot be written is no reason to fail", async () => {
  await using sejf = await openSources();
  await connected(sejf);
  await writeFile(join(sejf.home, "file"), "");
  const result = await sejf.ok(["repository", "status", "--log-dir", join(sejf.home, "file")]);
  assert.match(result.stderr, /cannot write the log file/);
});

test("help, version and completion need no connection", async () => {
  await using sejf = await openSources();
  assert.match((await sejf.ok(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
  assert.match(
    (await sejf.ok(["help", "repository", "create", "filesystem"])).stdout,
    /--block-hash=ALGO/,
  );
  assert.match((await sejf.ok(["repository", "--help"])).stdout, /repository status/);
  assert.match((await sejf.ok(["repository", "status", "--help-long"])).stdout, /--\[no-\]json/);
  assert.match((await sejf.ok(["--help-full"])).stdout, /repository repair filesystem/);
  for (const shell of ["bash", "zsh", "fish"]) {
    assert.match((await sejf.ok(["completion", shell])).stdout, /--reconnect-token/);
  }
  assert.equal((await sejf.run(["completion", "tcsh"])).exitCode, 2);
});
