/**
 * A store that goes wrong at one call out of all: whatever was acknowledged restores equal on the healthy store, a new
 * snapshot works there, and a restore gives the right bytes or a clear error.
 */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type BlobStorage, listAllBlobs, MemoryStorage } from "../../src/blob/index.ts";
import type { DirectContents } from "../../src/content/index.ts";
import { isSejfError } from "../../src/errors/index.ts";
import { type ManifestId, openManifests } from "../../src/manifest/index.ts";
import { nodeCompressionEngine } from "../../src/node/index.ts";
import type { Repository } from "../../src/repository/index.ts";
import {
  createSnapshot,
  type DirEntry,
  listSnapshots,
  loadSnapshot,
  restoreTree,
  type SnapshotSource,
} from "../../src/snapshot/index.ts";
import { FakeClock } from "../../src/testkit/clock.ts";
import { TestRepository } from "../../src/testkit/direct-contents.ts";
import { type CallKind, type Fault, FaultStorage } from "../../src/testkit/fault-storage.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../src/testkit/temp.ts";
import { differences, digestTree, rounds, seeded, type TreeDigest } from "./support.ts";

const PACK_BYTES = 300_000;

/** A repository with one snapshot, in memory, and a tree that has changed since. */
class World implements AsyncDisposable {
  readonly repository: TestRepository;
  readonly folder: TemporaryDirectory;
  readonly tree: string;
  readonly source: SnapshotSource;
  readonly clock = new FakeClock().autoAdvance();
  first:
    | { readonly id: ManifestId; readonly root: DirEntry; readonly digest: TreeDigest }
    | undefined;
  #restores = 0;

  private constructor(folder: TemporaryDirectory, version: number) {
    this.folder = folder;
    this.tree = join(folder.path, "tree");
    this.source = { username: "user", hostname: "host", path: this.tree };
    this.repository = new TestRepository({
      clock: this.clock,
      format: { version, splitter: "FIXED-128K" },
      change: (format) => ({ ...format, maxPackSize: PACK_BYTES }),
    });
  }

  static async open(version: number): Promise<World> {
    const world = new World(await temporaryDirectory("faults"), version);
    const random = new SeededRandom(version);
    for (let i = 0; i < 12; i++) {
      mkdirSync(join(world.tree, `${i % 4}`, "deep"), { recursive: true });
      writeFileSync(join(world.tree, `${i % 4}`, `small ${i}`), random.bytes(i * 700));
    }
    writeFileSync(join(world.tree, "big"), random.bytes(500_000));
    symlinkSync("big", join(world.tree, "link"));
    const id = await world.snapshot(world.repository.storage);
    await using client = await world.client(world.repository.storage, 0);
    const { rootEntry: root } = await loadSnapshot(client, id);
    assert.ok(root !== undefined);
    world.first = { id, root, digest: digestTree(world.tree) };
    for (let i = 0; i < 8; i++)
      writeFileSync(join(world.tree, `${i % 4}`, "deep", `new ${i}`), random.bytes(i * 900 + 1));
    writeFileSync(join(world.tree, "0", "big too"), random.bytes(400_000));
    return world;
  }

  async client(storage: BlobStorage, threads: number): Promise<Repository> {
    const contents = await this.repository.open({ storage, threads });
    return asRepository(contents, this.repository);
  }

  /** Acknowledged when it resolves. */
  async snapshot(storage: BlobStorage, threads = 0): Promise<ManifestId> {
    this.clock.advance(5000);
    await using client = await this.client(storage, threads);
    const { snapshot } = await createSnapshot(client, this.source, {});
    await client.flush();
    assert.equal(snapshot.incomplete, undefined);
    assert.equal(snapshot.stats.errorCount, 0, "a fault of the store is no error of a file");
    return snapshot.id;
  }

  async restore(
    storage: BlobStorage,
    what: ManifestId | DirEntry,
    threads = 0,
  ): Promise<TreeDigest> {
    await using client = await this.client(storage, threads);
    const rootEntry =
      typeof what === "string" ? (await loadSnapshot(client, what)).rootEntry : what;
    assert.ok(rootEntry !== undefined);
    const target = join(this.folder.path, `restored ${this.#restores++}`);
    try {
      await restoreTree(client, rootEntry, target);
      return digestTree(target);
    } finally {
      await rm(target, { recursive: true, force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}

function asRepository(contents: DirectContents, test: TestRepository): Repository {
  const { clock, format, random } = test;
  const compression = nodeCompressionEngine;
  const options = { contents, contentList: contents, clock, random, compression, readOnly: false };
  const manifests = openManifests(options);
  const { hash, splitter, indexVersion, version: formatVersion } = format;
  return {
    contents,
    manifests,
    parameters: { hash, splitter, indexVersion, formatVersion },
    identity: { username: "user", hostname: "host" },
    clock,
    readOnly: false,
    description: "in memory",
    async flush(): Promise<void> {
      await manifests.flush();
      await contents.flush();
    },
    async refresh(): Promise<void> {
      await contents.refresh();
      manifests.invalidate();
    },
    [Symbol.asyncDispose]: () => contents[Symbol.asyncDispose](),
  };
}

async function copyOf(storage: BlobStorage, clock: FakeClock): Promise<MemoryStorage> {
  const copy = new MemoryStorage({ clock });
  for (const { id, timestamp } of await listAllBlobs(storage, ""))
    await copy.put(id, await storage.get(id), { timestamp });
  return copy;
}

const FAULTS: Readonly<Record<CallKind, readonly Fault[]>> = {
  put: [
    { kind: "fail" },
    { kind: "tear" },
    { kind: "tear", keep: 0 },
    { kind: "fail-after" },
    { kind: "lose" },
    { kind: "die" },
    { kind: "die", after: true },
    { kind: "disk-full" },
  ],
  get: [{ kind: "fail" }, { kind: "corrupt", byte: 40 }, { kind: "die" }],
  stat: [{ kind: "fail" }],
  list: [{ kind: "fail" }, { kind: "lose" }, { kind: "die" }],
  delete: [{ kind: "fail" }, { kind: "fail-after" }, { kind: "lose" }, { kind: "die" }],
};

interface Step {
  readonly on: CallKind;
  readonly at: number;
  readonly fault: Fault;
}

/** Every fault at every call there was, as many as the rounds allow, the first ones of each kind always. */
function stepsOf(faulty: FaultStorage, random: SeededRandom, limit: number): readonly Step[] {
  const all: Step[] = [];
  for (const on of Object.keys(FAULTS) as CallKind[]) {
    for (let at = 1; at <= faulty.count(on); at++)
      for (const fault of FAULTS[on]) all.push({ on, at, fault });
  }
  while (all.length > limit) all.splice(random.int(all.length), 1);
  return all;
}

for (const [version, threads, limit] of [
  [3, 0, 60],
  [1, 0, 30],
  [3, 2, 12],
] as const) {
  test(`createSnapshot, format version ${version}, ${threads} threads: any one call of the store goes wrong`, async (t) => {
    const random = seeded(t);
    await using world = await World.open(version);
    const { first } = world;
    assert.ok(first !== undefined);
    const expected = digestTree(world.tree);
    const healthy = new FaultStorage(await copyOf(world.repository.storage, world.clock));
    await world.snapshot(healthy, threads);
    const steps = stepsOf(healthy, random, rounds(limit));
    for (const step of steps) {
      const what = JSON.stringify(step);
      const inner = await copyOf(world.repository.storage, world.clock);
      const faulty = new FaultStorage(inner, step);
      const done = await attempt(() => world.snapshot(faulty, threads), what);
      assert.deepEqual(differences(first.digest, await world.restore(inner, first.root)), [], what);
      // what a store says it has stored, and has not, is named by indexes all the same: only the past is safe
      if (step.on === "put" && step.fault.kind === "lose") continue;
      if (done !== undefined)
        assert.deepEqual(differences(expected, await world.restore(inner, done)), [], what);
      const next = await world.snapshot(inner, threads);
      assert.deepEqual(differences(expected, await world.restore(inner, next)), [], what);
      await using client = await world.client(inner, 0);
      const ids = (await listSnapshots(client)).map((snapshot) => snapshot.id);
      assert.ok(ids.includes(first.id) && ids.includes(next), what);
      assert.ok(done === undefined || ids.includes(done), what);
    }
    t.diagnostic(`${steps.length} faults`);
  });
}

/** A failure is one of ours, never a TypeError. */
async function attempt<T>(work: () => Promise<T>, what: string): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    assert.ok(
      isSejfError(error),
      `${what}: ${error instanceof Error ? error.stack : String(error)}`,
    );
    return undefined;
  }
}

for (const threads of [0, 2]) {
  test(`restoreTree, ${threads} threads: any one read fails or has a wrong bit: an error, or the right bytes`, async (t) => {
    const random = seeded(t);
    await using world = await World.open(3);
    const { first } = world;
    assert.ok(first !== undefined);
    const { storage } = world.repository;
    const healthy = new FaultStorage(storage);
    await world.restore(healthy, first.id, threads);
    let failed = 0;
    const reads = healthy.count("get");
    for (let round = 0; round < rounds(threads === 0 ? 30 : 8); round++) {
      const at = 1 + (round % reads);
      const byte = random.int(3000);
      for (const fault of [{ kind: "fail" }, { kind: "corrupt", byte }] as const) {
        const faulty = new FaultStorage(storage, { on: "get", at, fault });
        const what = JSON.stringify({ at, fault });
        const digest: TreeDigest | undefined = await attempt<TreeDigest>(
          () => world.restore(faulty, first.id, threads),
          what,
        );
        if (digest === undefined) failed++;
        else assert.deepEqual(differences(first.digest, digest), [], what);
      }
    }
    assert.ok(failed > 0, "no fault was noticed");
    t.diagnostic(`${failed} errors, ${reads} reads`);
  });
}
