/** Listings that are told of as they come leave nothing for the snapshot to look at, and hide nothing from it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hexToBytes, utf8ToBytes } from "../../bytes/index.ts";
import type { ContentId } from "../../format/index.ts";
import type { DirEntry } from "../../snapshot/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import {
  acceptsSnapshot,
  accountOf,
  type HeldMemoryRepository,
  manifestJson,
  takeIn,
  watchedRepository,
} from "../../testkit/held-repository.ts";
import { numRuns } from "../../testkit/property.ts";
import { storeTree, type TreeModel } from "../../testkit/stored-tree.ts";
import { treeModels } from "../../testkit/tree-arbitrary.ts";
import { directory, file } from "../../testkit/tree-builder.ts";
import { type ArrivingListings, type Holdings, openHoldings } from "./index.ts";

const alice = accountOf("alice@laptop");
const TREE = { "a.txt": "hello", sub: { b: "bytes", deep: { c: "more" } }, empty: {} };

function open(repository: HeldMemoryRepository, memoryBytes?: number): Holdings {
  return openHoldings({ repository, mode: "holding", clock: new FakeClock(), memoryBytes });
}

interface Sent {
  readonly id: ContentId;
  readonly data: Uint8Array;
}

/** What a tree is made of, in the order in which it was stored, and nobody was told of. */
async function unsent(
  repository: HeldMemoryRepository,
  tree: TreeModel,
): Promise<{ readonly root: DirEntry; readonly contents: readonly Sent[] }> {
  const { contents } = repository;
  const before = contents.writes.length;
  const root = await storeTree(repository, tree);
  const ids = new Set(contents.writes.slice(before).map(({ ref }) => ref as string as ContentId));
  return {
    root,
    contents: [...ids].map((id) => ({ id, data: contents.stored.get(id as never)! })),
  };
}

/** As sessions note what comes in: data in batches, listings one by one. */
function note(
  holdings: Holdings,
  listings: ArrivingListings,
  sent: readonly Sent[],
  losses: number,
): void {
  for (const { id, data } of sent) {
    if (id.startsWith("k")) {
      holdings.noteSent(alice, id, data.length, losses);
      listings.add(id, data);
    } else {
      const hashes = hexToBytes(id);
      const lengths = Uint32Array.of(data.length);
      holdings.noteBatch(alice, { hashes, hashBytes: hashes.length, lengths }, losses);
      listings.retry();
    }
  }
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test("arriving: whatever order a tree comes in, its snapshot is accepted without a look or a read, and counts once", async () => {
  await fc.assert(
    fc.asyncProperty(treeModels, fc.infiniteStream(fc.nat()), async (tree, order) => {
      const { repository, looks } = watchedRepository();
      const holdings = open(repository);
      const { root, contents } = await unsent(repository, tree);
      const places = new Map(contents.map((one) => [one, order.next().value as number]));
      const shuffled = contents.toSorted((a, b) => places.get(a)! - places.get(b)!);
      const listings = holdings.arriving(alice);
      await settled();
      note(holdings, listings, shuffled, 0);
      assert.ok(await acceptsSnapshot(holdings, alice, root));
      assert.deepEqual(looks, { ids: [], stats: 0, reads: [] });
      const bytes = contents.reduce((sum, { data }) => sum + data.length, 0);
      assert.equal(await holdings.usedBytes(alice), bytes);
      for (const { id } of contents) assert.ok(await holdings.holds(alice, id));
    }),
    { numRuns: numRuns(50) },
  );
});

test("arriving: what one of its contents is missing of is left to the walk, which refuses it", async () => {
  const { repository } = watchedRepository();
  const { root, contents } = await unsent(repository, TREE);
  for (const missing of contents) {
    const holdings = open(repository);
    const listings = holdings.arriving(alice);
    note(
      holdings,
      listings,
      contents.filter((one) => one !== missing),
      0,
    );
    assert.equal(await acceptsSnapshot(holdings, alice, root), false, missing.id);
    note(holdings, listings, [missing], 0);
    assert.ok(await acceptsSnapshot(holdings, alice, root), missing.id);
  }
});

test("arriving: after losses, before the snapshot or while listings wait, all is looked at again", async () => {
  for (const first of [0, 3, 5, 100]) {
    const { repository } = watchedRepository();
    const holdings = open(repository);
    const { root, contents } = await unsent(repository, TREE);
    const listings = holdings.arriving(alice);
    await settled();
    const [gone] = contents;
    note(holdings, listings, contents.slice(0, first), 0);
    repository.contents.losses++;
    repository.contents.lose(gone?.id ?? "");
    note(holdings, listings, contents.slice(first), repository.contents.losses);
    assert.equal(await acceptsSnapshot(holdings, alice, root), first === 0, `${first} before`);
  }
});

test("arriving: another view, since the account was forgotten meanwhile, takes nothing for held that it does not hold", async () => {
  const { repository } = watchedRepository();
  const holdings = open(repository);
  const first = await file(repository, "a", "first");
  const second = await file(repository, "b", "second");
  const root = await directory(repository, "root", [first, second]);
  const sent = ({ object }: DirEntry): Sent => ({
    id: object as string as ContentId,
    data: repository.contents.stored.get(object as never)!,
  });
  const listings = holdings.arriving(alice);
  await settled();
  note(holdings, listings, [first, root].map(sent), 0);
  holdings.forget(alice.name);
  holdings.arriving(alice);
  await settled();
  note(holdings, listings, [second, root].map(sent), 0);
  assert.equal(await acceptsSnapshot(holdings, alice, root), false);
  assert.equal(await holdings.holds(alice, sent(first).id), false);
});

test("arriving: the directories of earlier snapshots are known, also to a server that has just started", async () => {
  const { repository, looks } = watchedRepository();
  const before = await unsent(repository, TREE);
  const earlier = open(repository);
  note(earlier, earlier.arriving(alice), before.contents, 0);
  await takeIn(repository, earlier, alice, before.root);
  const holdings = open(repository);
  const listings = holdings.arriving(alice);
  while (holdings.statistics().contents < before.contents.length) await settled();
  for (let turn = 0; turn < 10; turn++) await settled();
  const next = await unsent(repository, { ...TREE, more: { d: "data" } });
  looks.ids = [];
  looks.reads = [];
  const known = new Set(before.contents.map(({ id }) => id));
  note(
    holdings,
    listings,
    next.contents.filter(({ id }) => !known.has(id)),
    0,
  );
  assert.ok(await acceptsSnapshot(holdings, alice, next.root));
  assert.deepEqual({ ids: looks.ids, reads: looks.reads }, { ids: [], reads: [] });
});

test("arriving: listings that cannot be read, or are too many, are the walk's", async () => {
  const { repository } = watchedRepository();
  const holdings = open(repository);
  const listings = holdings.arriving(alice);
  await settled();
  const broken = await directory(repository, "d", [], "{}");
  const root = await directory(repository, "root", [broken]);
  for (const { object } of [broken, root]) {
    const id = object as string as ContentId;
    const data = repository.contents.stored.get(object as never)!;
    note(holdings, listings, [{ id, data }], 0);
  }
  await assert.rejects(holdings.acceptSnapshot(alice, manifestJson(alice, root)), {
    code: "SEJF_CORRUPT",
  });
  // Each names what never comes.
  const entry = await file(repository, "f", "x".repeat(50));
  const unknown = { ...entry, object: "ab".repeat(32) as DirEntry["object"] };
  const waits = await directory(repository, "w", [{ ...unknown, name: "n".repeat(200_000) }]);
  const waiting = repository.contents.stored.get(waits.object as never)!;
  for (let i = 0; i < 60; i++) listings.add(`k${i}` as ContentId, waiting);
  const { root: late, contents } = await unsent(repository, { z: "last" });
  note(holdings, listings, contents, 0);
  assert.ok(await acceptsSnapshot(holdings, alice, late));
  listings.add(contents[0]?.id as ContentId, utf8ToBytes("not a listing"));
});
