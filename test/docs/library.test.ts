/** docs/library.md as a program: a repository, a backup, a restore and an object of one's own, by the library alone. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees } from "../../scripts/compare-trees.ts";
import {
  connectRepository,
  createRepository,
  createSnapshot,
  listSnapshots,
  openObject,
  openRepository,
  openStorage,
  populateRepository,
  resolveObjectPath,
  restoreTree,
  SejfError,
  toObjectId,
  writeObject,
} from "../../src/index.ts";
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
