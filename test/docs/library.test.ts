/** docs/library.md as a program: a repository, a backup, a restore and an object of one's own, by the library alone. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees } from "../../scripts/compare-trees.ts";
import {
  connectRepository,
  connectServer,
  createRepository,
  createSnapshot,
  listSnapshots,
  openConnectedRepository,
  openObject,
  openRepository,
  openStorage,
  parseApiServer,
  populateRepository,
  resolveObjectPath,
  restoreTree,
  SejfError,
  toObjectId,
  writeObject,
} from "../../src/index.ts";
import { TEST_CREDENTIALS, TestSessionServer } from "../../src/testkit/session-server.ts";
import { temporaryDirectory } from "../../src/testkit/temp.ts";

test("the library does what docs/library.md says", async () => {
  await using folder = await temporaryDirectory("library");
  const tree = join(folder.path, "documents");
  mkdirSync(join(tree, "reports"), { recursive: true });
  writeFileSync(join(tree, "reports", "one.txt"), "one");
  writeFileSync(join(tree, "two.bin"), new Uint8Array(100_000).fill(2));
  const password = "a password";
  const configFile = join(folder.path, "repository.config");
  const env = { KOPIA_CACHE_DIRECTORY: join(folder.path, "cache") };
  mkdirSync(join(folder.path, "repo"));
  await using storage = await openStorage({
    type: "filesystem",
    config: { path: join(folder.path, "repo") },
  });
  await createRepository(storage, { password });
  await connectRepository(storage, { password, configFile, env });
  {
    await using repository = await openRepository({ password, configFile, env });
    await populateRepository(repository);
    const source = { ...repository.identity, path: tree };
    const { snapshot } = await createSnapshot(repository, source, {});
    const written = await writeObject(repository.contents, new Uint8Array(3000).fill(7), {
      format: repository.parameters,
      prefix: "",
    });
    await repository.manifests.put({ type: "my-program", name: "state" }, { object: written.id });
    await repository.flush();
    assert.equal(snapshot.source.path, tree);
  }
  await using repository = await openRepository({ password, configFile, env });
  const newest = (await listSnapshots(repository)).at(-1);
  assert.ok(newest !== undefined);
  const { entry } = await resolveObjectPath(repository, `${newest.id}/reports`);
  await restoreTree(repository, entry, join(folder.path, "reports"));
  assert.deepEqual(
    compareTrees(join(tree, "reports"), join(folder.path, "reports")).differences,
    [],
  );
  const [item] = await repository.manifests.find({ type: "my-program" });
  assert.ok(item !== undefined);
  const { data } = await repository.manifests.get(item.id);
  const object = await openObject(
    repository.contents,
    toObjectId((data as { readonly object: string }).object),
  );
  assert.deepEqual(await object.readRange(1000, 500), new Uint8Array(500).fill(7));
  await assert.rejects(
    openRepository({ password: "wrong", configFile, env }),
    (error) => error instanceof SejfError && error.code === "SEJF_INVALID_PASSWORD",
  );
});

test("a repository behind a server, as docs/library.md says", async () => {
  await using folder = await temporaryDirectory("library");
  await using running = await TestSessionServer.start();
  const { username, hostname, password } = TEST_CREDENTIALS;
  const configFile = join(folder.path, "repository.config");
  const env = { KOPIA_CACHE_DIRECTORY: join(folder.path, "cache") };
  const server = parseApiServer({ url: running.url, fingerprint: running.fingerprint });
  await connectServer(server, { password, configFile, env, client: { username, hostname } });
  const tree = join(folder.path, "documents");
  mkdirSync(tree);
  writeFileSync(join(tree, "one.txt"), "one");
  {
    await using repository = await openConnectedRepository({ password, configFile, env });
    await createSnapshot(repository, { ...repository.identity, path: tree }, {});
    await repository.flush();
    await repository.applyRetention?.(tree, true);
    await repository.flush();
  }
  await using repository = await openConnectedRepository({ password, configFile, env });
  const newest = (await listSnapshots(repository)).at(-1);
  assert.ok(newest !== undefined);
  const { entry } = await resolveObjectPath(repository, newest.id);
  await restoreTree(repository, entry, join(folder.path, "restored"));
  assert.deepEqual(compareTrees(tree, join(folder.path, "restored")).differences, []);
});
