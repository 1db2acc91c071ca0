/** What an account has sent to this process is taken in without a look as long as it must be there, and no longer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContentId } from "../../format/index.ts";
import { type DirEntry, listDirectory } from "../../snapshot/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import {
  acceptsSnapshot,
  accountOf,
  type HeldMemoryRepository,
  sendTree,
  takeIn,
  watchedRepository,
} from "../../testkit/held-repository.ts";
import { directory, file } from "../../testkit/tree-builder.ts";
import { type Holdings, openHoldings } from "./index.ts";
import { SentContents } from "./sent-contents.ts";

const alice = accountOf("alice@laptop");
const bob = accountOf("bob@desk");
const TREE = { "a.txt": "hello", sub: { b: "bytes", again: "hello" } };
const HOUR_MS = 3_600_000;
const ID = "0123456789abcdef0123456789abcdef" as ContentId;

function open(repository: HeldMemoryRepository, clock: FakeClock = new FakeClock()): Holdings {
  return openHoldings({ repository, mode: "holding", clock });
}

test("acceptSnapshot: what was sent while nothing was lost is not looked up, and counts once", async () => {
  const { repository, looks } = watchedRepository();
  const holdings = open(repository);
  const { root, bytes, refs } = await sendTree(repository, holdings, alice, TREE);
  assert.equal(await holdings.usedBytes(alice), bytes);
  looks.ids = [];
  looks.stats = 0;
  assert.ok(await acceptsSnapshot(holdings, alice, root));
  assert.deepEqual({ ids: looks.ids, stats: looks.stats }, { ids: [], stats: 0 });
  assert.equal(await holdings.usedBytes(alice), bytes);
  for (const ref of refs) assert.ok(await holdings.holds(alice, ref as ContentId));
  // What the next one sends again, or shares with it, counts no second time.
  const next = await sendTree(repository, holdings, alice, { ...TREE, more: "more" });
  assert.ok(await acceptsSnapshot(holdings, alice, next.root));
  const rootBytes = repository.contents.stored.get(root.object as never)?.length ?? 0;
  const { entries } = await listDirectory(repository, next.root.object);
  const nextBytes = repository.contents.stored.get(next.root.object as never)?.length ?? 0;
  assert.equal(entries.length, 3);
  assert.equal(await holdings.usedBytes(alice), bytes + nextBytes + "more".length);
  assert.ok(rootBytes > 0);
});

test("acceptSnapshot: after losses all is looked up, and what is gone is refused", async () => {
  const { repository, looks } = watchedRepository();
  const holdings = open(repository);
  const { root, refs } = await sendTree(repository, holdings, alice, TREE);
  for (const lost of refs) {
    const data = repository.contents.stored.get(lost as never) as Uint8Array<ArrayBuffer>;
    repository.contents.lose(lost);
    repository.contents.losses++;
    assert.equal(await acceptsSnapshot(holdings, alice, root), false, lost);
    repository.contents.stored.set(lost as never, data);
  }
  looks.ids = [];
  repository.contents.losses++;
  assert.ok(await acceptsSnapshot(holdings, alice, root));
  assert.deepEqual(looks.ids.toSorted(), refs.toSorted());
});

test("acceptSnapshot: losses that only its own look at the storage finds count too", async () => {
  const { repository } = watchedRepository();
  const holdings = open(repository);
  const { contents } = repository;
  const { root, refs } = await sendTree(repository, holdings, alice, TREE);
  contents.lose(refs[0] as string);
  // oxlint-disable-next-line require-await
  contents.refresh = async (): Promise<void> => void contents.losses++;
  assert.equal(await acceptsSnapshot(holdings, alice, root), false);
});

test("acceptSnapshot: losses while it walks count from then on", async () => {
  const { repository } = watchedRepository();
  const holdings = open(repository);
  const { contents } = repository;
  const { root } = await sendTree(repository, holdings, alice, { d: TREE });
  const inner = contents.writes.find(({ ref }) => !ref.startsWith("k"))?.ref as string;
  const readMany = contents.readMany.bind(contents);
  contents.readMany = (requests, options): ReturnType<typeof readMany> => {
    if (contents.losses === 0) {
      contents.lose(inner);
      contents.losses++;
    }
    return readMany(requests, options);
  };
  assert.equal(await acceptsSnapshot(holdings, alice, root), false);
});

test("acceptSnapshot: what was stored while something was lost is looked up, what came later is not", async () => {
  const { repository, looks } = watchedRepository();
  const { contents } = repository;
  const holdings = open(repository);
  const root = await file(repository, "f", "data");
  const id = root.object as string as ContentId;
  contents.losses = 1;
  holdings.noteSent(alice, id, 4, 0);
  assert.ok(await acceptsSnapshot(holdings, alice, root));
  assert.deepEqual(looks.ids, [id]);
  const later = await file(repository, "g", "later");
  holdings.noteSent(alice, later.object as string as ContentId, 5, 1);
  assert.ok(await acceptsSnapshot(holdings, alice, later));
  assert.deepEqual(looks.ids, [id]);
  assert.equal(await holdings.usedBytes(alice), 9);
});

test("acceptSnapshot: without the losses before it a sent content is looked up", async () => {
  const { repository, looks } = watchedRepository();
  const holdings = open(repository);
  const root = await file(repository, "f", "data");
  holdings.noteSent(alice, root.object as string as ContentId, 4);
  assert.ok(await acceptsSnapshot(holdings, alice, root));
  assert.deepEqual(looks.ids, [root.object as string]);
});

test("acceptSnapshot: what others sent is not taken, nor contents of manifests, nor what was sent too long ago", async () => {
  const { repository } = watchedRepository();
  const clock = new FakeClock();
  const holdings = open(repository, clock);
  const { root } = await sendTree(repository, holdings, bob, TREE);
  assert.equal(await acceptsSnapshot(holdings, alice, root), false);
  const one = await file(repository, "f", "data");
  const ref = await repository.contents.write(new Uint8Array(3), { prefix: "m" });
  holdings.noteSent(alice, ref as string as ContentId, 3, 0);
  const asFile = { ...one, object: ref as string as DirEntry["object"] };
  assert.equal(await acceptsSnapshot(holdings, alice, asFile), false);
  const own = await sendTree(repository, holdings, alice, { own: "own" });
  clock.advance(25 * HOUR_MS);
  assert.equal(await acceptsSnapshot(holdings, alice, own.root), false);
});

test("acceptSnapshot: a refused snapshot leaves what it took counted, once", async () => {
  const { repository } = watchedRepository();
  const holdings = open(repository);
  const { root, bytes } = await sendTree(repository, holdings, alice, TREE);
  const unsent = await file(repository, "unsent", "unsent");
  const { entries } = await listDirectory(repository, root.object);
  const { losses } = repository.contents;
  const both = await directory(repository, "root", [...entries, unsent]);
  const listing = repository.contents.stored.get(both.object as never)?.length ?? 0;
  holdings.noteSent(alice, both.object as string as ContentId, listing, losses);
  assert.equal(await acceptsSnapshot(holdings, alice, both), false);
  assert.equal(await holdings.usedBytes(alice), bytes + listing);
  assert.ok(await acceptsSnapshot(holdings, alice, root));
  await takeIn(repository, holdings, alice, root);
  assert.equal(await holdings.usedBytes(alice), bytes + listing);
});

test("acceptSnapshot: an ID made from one that is held, and that names nothing, is refused", async () => {
  const { repository } = watchedRepository();
  const holdings = open(repository);
  const { losses } = repository.contents;
  const data = await file(repository, "f", "data");
  const inner = await directory(repository, "d", [data]);
  for (const { object } of [data, inner]) {
    const { length } = repository.contents.stored.get(object as never) as Uint8Array;
    holdings.noteSent(alice, object as string as ContentId, length, losses);
  }
  const made = [`${data.object}00`, `${data.object}${data.object}`, data.object.slice(0, -2)];
  const refuse = async (entry: DirEntry, object: string): Promise<void> => {
    const root = { ...entry, object: object as DirEntry["object"] };
    assert.equal(await acceptsSnapshot(holdings, alice, root), false, object);
  };
  for (const when of ["sent", "held"]) {
    for (const object of made) await refuse(data, object);
    await refuse(data, `x${data.object}`);
    for (const object of [`${inner.object}00`, inner.object.slice(0, -2)])
      await refuse(inner, object);
    if (when === "sent") assert.ok(await acceptsSnapshot(holdings, alice, inner));
  }
});

test("acceptSnapshot: a content that is a listing and a file counts once, whether it is looked up or not", async () => {
  for (const losses of [undefined, 0]) {
    const { repository } = watchedRepository();
    const holdings = open(repository);
    const inner = await directory(repository, "d", [await file(repository, "f", "data")]);
    const root = await directory(repository, "root", [inner, { ...inner, name: "f", type: "f" }]);
    let bytes = 0;
    for (const [ref, { length }] of repository.contents.stored) {
      holdings.noteSent(alice, ref as string as ContentId, length, losses);
      bytes += length;
    }
    assert.ok(await acceptsSnapshot(holdings, alice, root));
    assert.equal(await holdings.usedBytes(alice), bytes);
  }
});

test("any: of counted accounts too, what was sent is not looked up, and what was not is", async () => {
  const { repository, looks } = watchedRepository();
  const holdings = openHoldings({ repository, mode: "any", clock: new FakeClock() });
  const counted = accountOf("carol@phone", { quotaBytes: 1e9 });
  const { root, bytes } = await sendTree(repository, holdings, counted, TREE);
  assert.ok(await acceptsSnapshot(holdings, counted, root));
  assert.deepEqual(looks.ids, []);
  assert.equal(await holdings.usedBytes(counted), bytes);
  const unsent = await file(repository, "f", "data");
  assert.ok(await acceptsSnapshot(holdings, counted, unsent));
  assert.deepEqual(looks.ids, [unsent.object as string]);
});

test("SentContents: lengths count for the losses they were noted with, and while the content does", () => {
  const sent = new SentContents(24 * HOUR_MS, 0);
  sent.add(ID, 0, 5, { lengthBytes: 5, losses: 3 });
  assert.equal(sent.presentLength(ID, 0, 3), 5);
  assert.equal(sent.presentLength(ID, 0, 2), undefined);
  const young = `x${ID}` as ContentId;
  sent.add(young, HOUR_MS, 0, { lengthBytes: 6, losses: 3 });
  sent.add(`z${ID}` as ContentId, HOUR_MS, 0, { lengthBytes: 6, losses: 5 });
  assert.equal(sent.presentLength(young, HOUR_MS, 5), undefined);
  sent.add(ID, HOUR_MS, 0, { lengthBytes: 5, losses: 3 });
  assert.equal(sent.presentLength(ID, 12 * HOUR_MS, 3), 5);
  const other = `k${ID}` as ContentId;
  sent.add(other, 13 * HOUR_MS, 7, { lengthBytes: 7, losses: 4 });
  assert.equal(sent.presentLength(ID, 13 * HOUR_MS, 4), undefined);
  assert.equal(sent.presentLength(ID, 13 * HOUR_MS, 3), undefined);
  assert.equal(sent.presentLength(other, 13 * HOUR_MS, 4), 7);
  assert.ok(sent.has(ID, 13 * HOUR_MS));
  assert.equal(sent.lengthBytes, 12);
  assert.ok(!sent.has(ID, 25 * HOUR_MS));
  assert.equal(sent.presentLength(other, 38 * HOUR_MS, 4), undefined);
  assert.ok(!sent.has(other, 49 * HOUR_MS));
});
