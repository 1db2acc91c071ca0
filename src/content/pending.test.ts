import assert from "node:assert/strict";
import test from "node:test";
import type { BlobId } from "../blob/index.ts";
import { type ContentId, IndexBuilder, type IndexEntry, openIndex } from "../format/index.ts";
import { Pending, type PendingBatch } from "./pending.ts";

const PACKS = ["p1", "p2", "p3", "p4"] as const;

function idOf(packId: string): ContentId {
  return packId.charCodeAt(1).toString(16).repeat(16) as ContentId;
}

function entryOf(packId: string): IndexEntry {
  return {
    contentId: idOf(packId),
    packId: packId as BlobId,
    packOffset: 0,
    packedLength: 40,
    originalLength: 12,
    timestampS: 1_700_000_000,
    deleted: false,
    formatVersion: 3,
    compressionId: 0,
  };
}

function store(pending: Pending, packId: string): void {
  const builder = new IndexBuilder();
  builder.add(entryOf(packId));
  pending.addStored(packId as BlobId, builder.build(2));
}

function packsOf({ packs, shards }: PendingBatch): object {
  const entries = shards.flatMap((shard) => [...openIndex(shard).entries()]);
  return { packs, indexed: entries.map(({ packId }) => packId).toSorted() };
}

function both(...packs: string[]): object {
  return { packs, indexed: packs };
}

test("pending: what is prepared while packs are stored is the batch", async () => {
  const pending = new Pending();
  store(pending, PACKS[0]);
  store(pending, PACKS[1]);
  await pending.prepareWhile(
    new Promise((resolve) =>
      setTimeout(() => {
        store(pending, PACKS[2]);
        resolve();
      }, 10),
    ),
  );
  store(pending, PACKS[3]);
  assert.deepEqual(packsOf(pending.takeBatch(2)), both(...PACKS));
});

test("pending: an index that could not be written is made again with what came meanwhile", async () => {
  const pending = new Pending();
  store(pending, PACKS[0]);
  pending.takeBatch(2);
  store(pending, PACKS[1]);
  await pending.prepareWhile(Promise.resolve());
  assert.deepEqual(packsOf(pending.takeBatch(2)), both(PACKS[0], PACKS[1]));
});

test("pending: what is prepared while an index is written is neither lost nor published twice", async () => {
  const pending = new Pending();
  store(pending, PACKS[0]);
  store(pending, PACKS[1]);
  const batch = pending.takeBatch(2);
  store(pending, PACKS[2]);
  await pending.prepareWhile(new Promise((resolve) => setTimeout(resolve, 10)));
  pending.published(batch);
  store(pending, PACKS[3]);
  assert.deepEqual(packsOf(pending.takeBatch(2)), both(PACKS[2], PACKS[3]));
  assert.equal(pending.find(idOf(PACKS[0])), undefined);
  assert.deepEqual(pending.find(idOf(PACKS[2])), entryOf(PACKS[2]));
});

test("pending: a failure to store is passed on", async () => {
  const failing = Promise.reject(new Error("full"));
  await assert.rejects(new Pending().prepareWhile(failing), /full/);
});
