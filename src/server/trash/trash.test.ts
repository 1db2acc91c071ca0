import assert from "node:assert/strict";
import { test } from "node:test";
import type { CompactingManifestStore, ManifestId } from "../../manifest/index.ts";
import { isTrash, type SnapshotSource } from "../../snapshot/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import { accountOf } from "../../testkit/held-repository.ts";
import { memoryRepository } from "../../testkit/memory-repository.ts";
import { MemoryAudit } from "../../testkit/server-parts.ts";
import { storeSnapshot, storeTree } from "../../testkit/stored-tree.ts";
import { Trash } from "./trash.ts";

const DAY_MS = 24 * 3_600_000;
const alice = accountOf("alice@laptop");
const bob = accountOf("bob@desk");
const SEALED = "/sealed/abcdefghijklmnopqrst";

class Scene {
  readonly clock = new FakeClock();
  readonly audit = new MemoryAudit();
  readonly repository = memoryRepository({ clock: this.clock });
  readonly store = this.repository.manifests as CompactingManifestStore;
  readonly trash: Trash;
  came = 0;

  constructor(windowMs?: number) {
    this.trash = new Trash({
      manifests: this.store,
      flush: { flush: async (stage) => await stage?.() },
      clock: this.clock,
      audit: this.audit,
      windowMs,
      onChange: () => void this.came++,
    });
  }

  async snapshot(more: Partial<SnapshotSource> = {}): Promise<ManifestId> {
    const root = await storeTree(this.repository, { a: "1" });
    const source = { username: "alice", hostname: "laptop", path: "/data", ...more };
    const startTimeNs = this.clock.nowNs();
    const before = await this.ids();
    await storeSnapshot(this.repository, root, { startTimeNs, source });
    const [made] = (await this.ids()).filter((id) => !before.includes(id));
    assert.ok(made !== undefined);
    return made;
  }

  /** Outside of the trash. */
  async ids(): Promise<readonly ManifestId[]> {
    const found = await this.store.find({ type: "snapshot" });
    return found.filter(({ labels }) => !isTrash(labels)).map(({ id }) => id);
  }
}

test("Trash: what is deleted lies there for its owner, comes back once, and is gone after the window", async () => {
  const scene = new Scene();
  const { trash, clock } = scene;
  const [one, two] = [await scene.snapshot(), await scene.snapshot()];
  const { labels, data } = await scene.store.get(one);
  await trash.manifests.delete(one);
  clock.advance(DAY_MS);
  await trash.manifests.delete(two);
  assert.deepEqual(await scene.ids(), []);
  const listed = await trash.list(alice);
  assert.deepEqual(
    listed.map(({ id, source }) => [id, source]),
    [
      [one, "alice@laptop:/data"],
      [two, "alice@laptop:/data"],
    ],
  );
  assert.deepEqual(await trash.list(bob), []);
  const gone = { code: "SEJF_NOT_FOUND" };
  await assert.rejects(trash.undelete(bob, one), gone);
  await assert.rejects(trash.undelete(alice, "../bob@desk/x"), gone);
  const back = await trash.undelete(alice, one);
  const restored = await scene.store.get(back);
  assert.deepEqual([restored.labels, restored.data], [labels, data]);
  assert.equal(scene.came, 1);
  await assert.rejects(trash.undelete(alice, one), gone);
  clock.advance(30 * DAY_MS - 1);
  assert.equal(await trash.empty(), 0);
  clock.advance(1000);
  assert.equal(await trash.empty(), 1);
  assert.deepEqual(await trash.list(alice), []);
  await assert.rejects(trash.undelete(alice, two), gone);
  assert.deepEqual(
    scene.audit.events.map(({ action, target }) => [action, target]),
    [["trash.empty", two]],
  );
});

test("Trash: nobody deletes what is in it", async () => {
  const scene = new Scene();
  await scene.trash.manifests.delete(await scene.snapshot());
  const [item] = await scene.store.find({ type: "snapshot", username: "trash" });
  assert.ok(item !== undefined);
  await assert.rejects(scene.trash.manifests.delete(item.id), { code: "SEJF_ACCESS_DENIED" });
  assert.equal((await scene.trash.list(alice)).length, 1);
});

test("Trash: a window of 0 is for managed accounts alone", async () => {
  const scene = new Scene(0);
  await scene.trash.manifests.delete(await scene.snapshot());
  assert.deepEqual(await scene.trash.list(alice), []);
  await scene.trash.manifests.delete(await scene.snapshot({ path: SEALED }));
  scene.clock.advance(30 * DAY_MS - 1);
  assert.equal(await scene.trash.empty(), 0);
  assert.equal((await scene.trash.list(alice)).length, 1);
  scene.clock.advance(1000);
  assert.equal(await scene.trash.empty(), 1);
});

test("insteadOf: checkpoints, policies and what the same tree replaces are deleted at once; a replacement that is no such is not", async () => {
  const scene = new Scene();
  const { store, trash } = scene;
  const id = await scene.snapshot();
  const { labels, data } = await store.get(id);
  const { rootEntry } = data as { readonly rootEntry: object };
  const deletion = { kind: "delete", id } as const;
  const put = (change: object): Parameters<Trash["insteadOf"]>[0][number] => ({
    kind: "put",
    id: store.newId(),
    labels,
    data: { ...(data as object), ...change },
  });
  const trashed = async (changes: Parameters<Trash["insteadOf"]>[0]): Promise<number> =>
    (await trash.insteadOf(changes)).length - changes.length;
  assert.equal(await trashed([deletion]), 1);
  assert.equal(await trashed([put({ pins: ["x"] }), deletion]), 0);
  for (const change of [
    { startTime: "2020-01-01T00:00:00Z" },
    { incomplete: "checkpoint" },
    { rootEntry: { ...rootEntry, type: "f" } },
    { rootEntry: { name: "other", type: "d", mode: "0755", obj: `k${"ab".repeat(16)}` } },
  ])
    assert.equal(await trashed([put(change), deletion]), 1, JSON.stringify(change));
  const replacement = put({ pins: ["x"] });
  const both = [replacement, deletion, { kind: "delete", id: replacement.id } as const];
  assert.equal(await trashed(both), 1, "the replacement goes too");
  const incomplete = { ...(data as object), incomplete: "checkpoint" };
  const checkpoint = await store.put(labels, incomplete);
  assert.equal(await trashed([{ kind: "delete", id: checkpoint }]), 0);
  const policy = await store.put({ type: "policy", policyType: "global" }, {});
  assert.equal(await trashed([{ kind: "delete", id: policy }]), 0);
  assert.equal(await trashed([{ kind: "delete", id: store.newId() }]), 0);
});
