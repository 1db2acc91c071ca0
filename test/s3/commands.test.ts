/** The commands on a bucket of a real MinIO, as their users type them; a real kopia beside sejf. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import {
  DeleteObjectCommand,
  GetObjectRetentionCommand,
  ListObjectVersionsCommand,
} from "@aws-sdk/client-s3";
import { compareTrees } from "../../scripts/compare-trees.ts";
import { KOPIA_SKIP, openKopia, runCommand } from "../../src/testkit/kopia.ts";
import { Minio, MINIO_ENV, MINIO_SECRET_KEY, MINIO_SKIP } from "../../src/testkit/minio.ts";
import { filesBelow } from "../../src/testkit/temp.ts";
import { openSources, type SourcesClient } from "../cli/support.ts";
import { makeTree } from "../sealed/command-support.ts";

const skip = MINIO_SKIP;
const skipBoth = MINIO_SKIP === false ? KOPIA_SKIP : MINIO_SKIP;

interface Home {
  readonly minio: Minio;
  readonly sejf: SourcesClient;
  readonly tree: string;
}

async function openHome(t: TestContext): Promise<Home> {
  const minio = await Minio.start();
  t.after(async () => await minio[Symbol.asyncDispose]());
  const sejf = await openClient(t);
  return { minio, sejf, tree: makeTree(join(sejf.home, "tree")) };
}

async function openClient(t: TestContext): Promise<SourcesClient> {
  const client = await openSources(MINIO_ENV);
  t.after(async () => await client[Symbol.asyncDispose]());
  return client;
}

interface Listed {
  readonly id: string;
  readonly rootEntry: { readonly obj: string };
}

test("sejf creates, kopia goes on with the same connection file, and back", {
  skip: skipBoth,
}, async (t) => {
  const { minio, sejf, tree } = await openHome(t);
  const bucket = await minio.bucket();
  await sejf.ok(["repository", "create", "s3", ...minio.flags(bucket), "--prefix=deep/er/"]);
  await sejf.ok(["snapshot", "create", tree]);
  await using kopia = await openKopia();
  const theirs = async (...args: string[]): Promise<string> => {
    const env = { ...kopia.env, KOPIA_CACHE_DIRECTORY: join(sejf.home, "cache", "repository") };
    const result = await runCommand(kopia.exe, [...args, `--config-file=${sejf.configFile}`], {
      env,
    });
    assert.equal(result.exitCode, 0, `kopia ${args.join(" ")}: ${result.stderr}`);
    return result.stdout;
  };
  assert.deepEqual(
    await sejf.json(["repository", "status", "--json"]),
    JSON.parse(await theirs("repository", "status", "--json")),
  );
  await theirs("snapshot", "create", tree);
  await theirs("snapshot", "verify", "--verify-files-percent=100");
  const listed = await sejf.json<readonly Listed[]>([
    "snapshot",
    "list",
    "--json",
    "--show-identical",
  ]);
  assert.equal(listed.length, 2);
  assert.equal(listed[0]?.rootEntry.obj, listed[1]?.rootEntry.obj);
  await sejf.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  const restored = join(sejf.home, "restored");
  await theirs("snapshot", "restore", String(listed[0]?.id), restored);
  assert.deepEqual(compareTrees(tree, restored).differences, []);
});

test("kopia creates, sejf connects, backs up and restores, kopia verifies", {
  skip: skipBoth,
}, async (t) => {
  const { minio, sejf, tree } = await openHome(t);
  const bucket = await minio.bucket();
  await using kopia = await openKopia({ env: MINIO_ENV });
  await kopia.ok(["repository", "create", "s3", ...minio.flags(bucket)]);
  await kopia.ok(["snapshot", "create", tree]);
  await sejf.ok(["repository", "connect", "s3", ...minio.flags(bucket)]);
  writeFileSync(join(tree, "more"), "more");
  await sejf.ok(["snapshot", "create", tree]);
  const [newest] = (await sejf.json<readonly Listed[]>(["snapshot", "list", "--json"])).slice(-1);
  const restored = join(sejf.home, "restored");
  await sejf.ok(["restore", String(newest?.id), restored]);
  assert.deepEqual(compareTrees(tree, restored).differences, []);
  await kopia.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  await kopia.ok(["content", "verify", "--full"]);
});

test("object lock: what is put cannot be taken away; a bucket without it says so", {
  skip,
}, async (t) => {
  const { minio, sejf, tree } = await openHome(t);
  const lock = ["--retention-mode=COMPLIANCE", "--retention-period=24h"];
  const plain = await minio.bucket();
  const refused = await sejf.run(["repository", "create", "s3", ...minio.flags(plain), ...lock]);
  assert.equal(refused.exitCode, 1);
  assert.match(refused.stderr, /the bucket cannot lock objects/);
  const bucket = await minio.bucket({ locking: true });
  await sejf.ok(["repository", "create", "s3", ...minio.flags(bucket), ...lock]);
  await sejf.ok(["snapshot", "create", tree]);
  assert.match(
    (await sejf.ok(["repository", "status"])).stdout,
    /24h0m0s of retention \(COMPLIANCE\)/,
  );
  const { Versions: versions = [] } = await minio.client.send(
    new ListObjectVersionsCommand({ Bucket: bucket }),
  );
  const locked = versions.filter(({ Key: key }) =>
    /^[pqnx]|^kopia\.(?:repository|blobcfg)/.test(key ?? ""),
  );
  assert.ok(locked.length >= 5);
  for (const { Key, VersionId } of locked) {
    const object = { Bucket: bucket, Key, VersionId };
    const { Retention: kept } = await minio.client.send(new GetObjectRetentionCommand(object));
    assert.equal(kept?.Mode, "COMPLIANCE");
    await assert.rejects(minio.client.send(new DeleteObjectCommand(object)));
  }
  await sejf.ok(["snapshot", "verify"]);
});

test("--point-in-time: what was deleted since can be read, and nothing be written", {
  skip,
}, async (t) => {
  const { minio, sejf, tree } = await openHome(t);
  const bucket = await minio.bucket({ versioned: true });
  await sejf.ok(["repository", "create", "s3", ...minio.flags(bucket)]);
  await sejf.ok(["snapshot", "create", tree]);
  const list = new ListObjectVersionsCommand({ Bucket: bucket });
  const { Versions: versions = [] } = await minio.client.send(list);
  const times = versions.map(({ LastModified: date }) => date?.getTime() ?? 0);
  const instant = new Date(Math.max(...times)).toISOString();
  for (const { Key } of versions)
    await minio.client.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
  const then = await openClient(t);
  const gone = await then.run(["repository", "connect", "s3", ...minio.flags(bucket)]);
  assert.match(gone.stderr, /there is no repository in S3/);
  await then.ok([
    "repository",
    "connect",
    "s3",
    ...minio.flags(bucket),
    `--point-in-time=${instant}`,
  ]);
  const [snapshot] = await then.json<readonly Listed[]>(["snapshot", "list", "--all", "--json"]);
  const restored = join(then.home, "restored");
  await then.ok(["restore", String(snapshot?.id), restored]);
  assert.deepEqual(compareTrees(tree, restored).differences, []);
  const write = await then.run(["snapshot", "create", tree]);
  assert.notEqual(write.exitCode, 0);
});

test("sync-to s3 and from there to a folder: the copies open and are whole", {
  skip,
}, async (t) => {
  const { minio, sejf, tree } = await openHome(t);
  const bucket = await minio.bucket();
  const repo = join(sejf.home, "repo");
  await sejf.ok(["repository", "create", "filesystem", `--path=${repo}`]);
  await sejf.ok(["snapshot", "create", tree]);
  await sejf.ok(["repository", "sync-to", "s3", ...minio.flags(bucket), "--parallel=4"]);
  const other = await openClient(t);
  await other.ok(["repository", "connect", "s3", ...minio.flags(bucket)]);
  await other.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  const copy = join(other.home, "copy");
  await other.ok(["repository", "sync-to", "filesystem", `--path=${copy}`]);
  const third = await openClient(t);
  await third.ok(["repository", "connect", "filesystem", `--path=${copy}`]);
  await third.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  await other.ok(["repository", "validate-provider", "--concurrency-test-duration=500ms"]);
});

test("keys: from the environment or flags, hidden in status, in no log; wrong ones say what is wrong", {
  skip,
}, async (t) => {
  const { minio, sejf } = await openHome(t);
  const bucket = await minio.bucket();
  const flags = minio.flags(bucket);
  const without = await sejf.run(["repository", "create", "s3", ...flags], {
    env: { AWS_SECRET_ACCESS_KEY: "" },
  });
  assert.equal(without.exitCode, 2);
  assert.match(without.stderr, /required flag --secret-access-key not provided/);
  const wrong = await sejf.run([
    "repository",
    "create",
    "s3",
    ...flags,
    "--secret-access-key=nonsense",
  ]);
  assert.equal(wrong.exitCode, 1);
  assert.match(wrong.stderr, /secret access key does not fit/);
  const nowhere = await sejf.run([
    "repository",
    "connect",
    "s3",
    "--bucket=nowhere",
    ...flags.slice(1),
  ]);
  assert.match(nowhere.stderr, /no such bucket/);
  await sejf.ok(["repository", "create", "s3", ...flags, "--log-level=debug"]);
  const status = await sejf.ok(["repository", "status"]);
  assert.ok(!status.stdout.includes(MINIO_SECRET_KEY));
  const logs = join(sejf.home, "logs");
  for (const path of filesBelow(logs)) {
    const text = readFileSync(path, "utf8");
    assert.ok(!text.includes(MINIO_SECRET_KEY) && !text.includes("nonsense"), path);
  }
});

test("a role of a token service signs in place of the keys that took it on", {
  skip,
}, async (t) => {
  const { minio, sejf, tree } = await openHome(t);
  const bucket = await minio.bucket();
  await sejf.ok(["repository", "create", "s3", ...minio.flags(bucket)]);
  const config = JSON.parse(readFileSync(sejf.configFile, "utf8")) as {
    storage: { config: Record<string, unknown> };
  };
  const asRole = (roleEndpoint: string): string => {
    const role = {
      roleARN: "arn:minio:iam:::role/any",
      sessionName: "test",
      duration: "1h0m0s",
      roleEndpoint,
      roleRegion: "us-east-1",
    };
    Object.assign(config.storage.config, role);
    const file = join(sejf.home, "role.config");
    writeFileSync(file, JSON.stringify(config));
    return file;
  };
  const other = await openClient(t);
  const connect = ["repository", "connect", "from-config"];
  const nobody = await other.run([...connect, `--file=${asRole("http://127.0.0.1:1")}`]);
  assert.equal(nobody.exitCode, 1);
  assert.match(nobody.stderr, /ECONNREFUSED/);
  await other.ok([...connect, `--file=${asRole(`http://${minio.endpoint}`)}`]);
  await other.ok(["snapshot", "create", tree]);
  await other.ok(["snapshot", "verify"]);
});
