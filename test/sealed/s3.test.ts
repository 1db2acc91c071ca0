/** A sealed account in a bucket: set up, backed up, read and recovered as one in a folder is; and what the bucket shows. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { listAllBlobs } from "../../src/blob/index.ts";
import { openStorage } from "../../src/storage/index.ts";
import { Minio, MINIO_ENV, MINIO_SKIP } from "../../src/testkit/minio.ts";
import { openSources, type SourcesClient } from "../cli/support.ts";
import {
  ACCOUNT_PASSWORD,
  accountKeyOf,
  ALICE,
  listed,
  makeTree,
  MARKER,
  restoredDifferences,
} from "./command-support.ts";

async function openClient(t: TestContext): Promise<SourcesClient> {
  const client = await openSources({ ...MINIO_ENV, SEJF_ACCOUNT_PASSWORD: ACCOUNT_PASSWORD });
  t.after(async () => await client[Symbol.asyncDispose]());
  return client;
}

test("a sealed account in a bucket: two devices, backup, restore; who runs the repository sees nothing", {
  skip: MINIO_SKIP,
}, async (t) => {
  const minio = await Minio.start();
  t.after(async () => await minio[Symbol.asyncDispose]());
  const bucket = await minio.bucket();
  const place = ["s3", ...minio.flags(bucket), "--prefix=backup/"];
  const operator = await openClient(t);
  await operator.ok(["repository", "create", ...place]);

  const alice = await openClient(t);
  const kit = join(alice.home, "kit.txt");
  const sealed = ["repository", "connect", ...place, `--sealed=${ALICE}`];
  await alice.ok([...sealed, `--recovery-kit=${kit}`]);
  const tree = makeTree(join(alice.home, "tree"));
  await alice.ok(["snapshot", "create", tree], { env: { SEJF_ACCOUNT_PASSWORD: "" } });
  const [snapshot] = await listed(alice);
  assert.deepEqual(await restoredDifferences(alice, String(snapshot?.id), tree), []);
  assert.match((await alice.ok(["repository", "status"])).stdout, new RegExp(`${bucket}|${ALICE}`));

  const desk = await openClient(t);
  await desk.ok([...sealed, "--device-name=desk"], {
    env: { SEJF_ACCOUNT_KEY: accountKeyOf(kit) },
  });
  await desk.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  await desk.ok(["snapshot", "create", tree]);
  assert.equal((await listed(desk)).length, 2);
  await desk.ok(["repository", "audit"]);

  const seen = await operator.ok(["snapshot", "list", "--all"]);
  assert.ok(!seen.stdout.includes("secret") && !seen.stdout.includes(tree));
  await operator.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  const config = { ...minio.config(bucket, { prefix: "backup/" }) };
  await using storage = await openStorage({ type: "s3", config });
  for (const { id } of await listAllBlobs(storage, "")) {
    const data = Buffer.from(await storage.get(id));
    assert.ok(!data.includes(MARKER) && !data.includes("secret-name"), id);
  }

  const rescue = await openClient(t);
  const [, ...where] = place;
  await rescue.ok(["recover", `--recovery-kit=${kit}`, `--account=${ALICE}`, ...where]);
  assert.deepEqual(await restoredDifferences(rescue, String(snapshot?.id), tree), []);
});
