/** What a stopped or long upload leaves, and what compaction of manifests does, as a real kopia sees it. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { collect } from "../../src/bytes/index.ts";
import { type ObjectId, readObject } from "../../src/object/index.ts";
import type { DirectRepository } from "../../src/repository/index.ts";
import { openRepository } from "../../src/repository/index.ts";
import {
  createSnapshot,
  type CreateSnapshotOptions,
  type DirEntry,
  type SnapshotManifest,
  type SnapshotSource,
  walkTree,
} from "../../src/snapshot/index.ts";
import { type CommandClient, KOPIA_SKIP, openKopia, openSejf } from "../../src/testkit/kopia.ts";
import { temporaryDirectory } from "../../src/testkit/temp.ts";
import { noise } from "./sample-tree.ts";

interface Setting extends AsyncDisposable {
  readonly kopia: CommandClient;
  readonly repository: DirectRepository;
  readonly source: SnapshotSource;
}

/** A repository of ours with a kopia connected to it, and a tree of small and big files. */
async function openSetting(): Promise<Setting> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryDirectory("interop"));
  const sejf = stack.use(await openSejf());
  const kopia = stack.use(await openKopia());
  const path = join(folder.path, "repository");
  const tree = join(folder.path, "tree");
  mkdirSync(path);
  for (let i = 0; i < 40; i++) {
    mkdirSync(join(tree, `folder ${i}`), { recursive: true });
    for (let j = 0; j < 20; j++)
      await writeFile(join(tree, `folder ${i}/${j}`), noise(2000 + i, i * 20 + j));
  }
  await writeFile(join(tree, "folder 7/big"), noise(12_000_000, 5));
  await sejf.ok(["repository", "create", "filesystem", "--path", path]);
  await kopia.ok(["repository", "connect", "filesystem", "--path", path]);
  const { configFile } = sejf;
  const repository = stack.use(await openRepository({ configFile, password: "fixture-password" }));
  const source = { ...repository.identity, path: tree };
  return { kopia, repository, source, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function snapshot(
  { repository, source }: Setting,
  options: CreateSnapshotOptions = {},
): Promise<SnapshotManifest> {
  const made = await createSnapshot(repository, source, options);
  await repository.flush();
  return made.snapshot;
}

async function kopiaSees(
  kopia: CommandClient,
): Promise<readonly { readonly id: string; readonly incomplete?: string }[]> {
  await kopia.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  return await kopia.json(["snapshot", "list", "--json", "--all", "--incomplete"]);
}

test("an aborted upload leaves an incomplete snapshot that kopia verifies, and the next one is complete", {
  skip: KOPIA_SKIP,
}, async () => {
  await using setting = await openSetting();
  const { kopia } = setting;
  const controller = new AbortController();
  const stopped = await snapshot(setting, {
    signal: controller.signal,
    onEvent: (event) => {
      if (event.kind === "progress" && event.counters.hashedFiles > 0) controller.abort();
    },
  });
  assert.equal(stopped.incomplete, "canceled");
  const seen = await kopiaSees(kopia);
  assert.deepEqual(
    seen.map(({ id, incomplete }) => [id, incomplete]),
    [[stopped.id, "canceled"]],
  );
  const full = await snapshot(setting);
  assert.equal(full.incomplete, undefined);
  assert.deepEqual([full.rootEntry?.summary?.files, full.rootEntry?.summary?.failed], [801, 0]);
  await kopiaSees(kopia);
});

test("checkpoints made while threads are at work hold only what is stored", {
  skip: KOPIA_SKIP,
}, async () => {
  await using setting = await openSetting();
  await writeFile(join(setting.source.path, "folder 7/big"), noise(120_000_000, 6));
  const roots: DirEntry[] = [];
  const made = await snapshot(setting, {
    checkpointIntervalMs: 1,
    onEvent: (event) => {
      const root = event.kind === "checkpoint" ? event.snapshot.rootEntry : undefined;
      if (root !== undefined) roots.push(root);
    },
  });
  const parts: DirEntry[] = [];
  for (const root of roots) {
    const below = (await collect(walkTree(setting.repository, root))).flat();
    const part = below.find(({ path }) => path.startsWith("folder 7/.checkpointed.big."));
    if (part !== undefined) parts.push(part.entry);
  }
  const part = parts.toSorted((a, b) => a.sizeBytes - b.sizeBytes).at(-1);
  const { contents } = setting.repository;
  const stored = await readObject(contents, part?.object as ObjectId, 2e8);
  assert.ok(stored.length > 8_000_000, `${stored.length} bytes of the big file`);
  assert.equal(Buffer.compare(stored, noise(120_000_000, 6).subarray(0, stored.length)), 0);
  assert.equal(made.rootEntry?.summary?.files, 801);
  const seen = await kopiaSees(setting.kopia);
  assert.ok(seen.some(({ id }) => id === made.id));
  const again = await snapshot(setting);
  assert.equal(again.rootEntry?.object, made.rootEntry?.object);
});

test("compaction of manifests loses nothing that kopia knows", { skip: KOPIA_SKIP }, async () => {
  await using setting = await openSetting();
  const { kopia, repository, source } = setting;
  for (let i = 0; i < 6; i++) {
    await repository.manifests.put({ type: "odd", number: String(i) }, { i });
    await repository.flush();
  }
  for (let i = 0; i < 3; i++)
    await kopia.ok(["policy", "set", `${source.path}/${i}`, `--keep-latest=${i + 1}`]);
  await repository.refresh();
  const [first] = await repository.manifests.find({ type: "odd", number: "0" });
  if (first !== undefined) await repository.manifests.delete(first.id);
  await repository.flush();
  type Listed = readonly { readonly id: string }[];
  const list = async (): Promise<readonly string[]> =>
    (await kopia.json<Listed>(["manifest", "list", "--json"])).map(({ id }) => id).toSorted();
  const before = await list();
  const contents = await repository.manifests.contentCount();
  assert.equal(await repository.manifests.compact(), contents);
  assert.equal(await repository.manifests.contentCount(), 1);
  assert.deepEqual(await list(), before);
  const live = await kopia.json<readonly { readonly contentID: string }[]>([
    "content",
    "list",
    "--json",
    "--prefix=m",
  ]);
  assert.equal(live.length, 1);
});
