/** Listings in shared memory: one side orders, the other fulfils, and either may be first. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { type ListingOrder, ListingMemory, readDirectory } from "./index.ts";

function ordered(memory: ListingMemory, path: string): ListingOrder {
  const order = memory.order(path);
  assert.ok(order !== undefined, "a place is free");
  return order;
}

test("ListingMemory: what the other side has listed is what a listing gives", async () => {
  await using folder = await temporaryDirectory();
  for (const name of ["a", "zażółć 🔑", "with space", "x".repeat(255)])
    writeFileSync(join(folder.path, name), name);
  mkdirSync(join(folder.path, "directory"));
  symlinkSync("nowhere", join(folder.path, "link"));
  chmodSync(join(folder.path, "a"), 0o400);
  const memory = new ListingMemory();
  const order = ordered(memory, folder.path);
  new ListingMemory(memory.buffer).fulfil(order);
  assert.deepEqual(memory.take(order), readDirectory(folder.path));
});

test("ListingMemory: an empty directory has no entries", async () => {
  await using folder = await temporaryDirectory();
  const memory = new ListingMemory();
  const order = ordered(memory, folder.path);
  memory.fulfil(order);
  assert.deepEqual(memory.take(order), []);
});

test("ListingMemory: who comes first does the work; an old order does not touch a place that has another", async () => {
  await using folder = await temporaryDirectory();
  mkdirSync(join(folder.path, "first"));
  mkdirSync(join(folder.path, "second"));
  writeFileSync(join(folder.path, "second", "file"), "");
  const memory = new ListingMemory();
  const first = ordered(memory, join(folder.path, "first"));
  assert.equal(memory.take(first), undefined);
  const second = ordered(memory, join(folder.path, "second"));
  assert.equal(second.place, first.place);
  memory.fulfil(first);
  memory.fulfil(second);
  assert.deepEqual(
    memory.take(second)?.map(({ name }) => name),
    ["file"],
  );
});

test("ListingMemory: places are finite and come back; what cannot be listed, or is too long, is left to who asked", async () => {
  await using folder = await temporaryDirectory();
  for (let i = 0; i < 300; i++) writeFileSync(join(folder.path, `${i}${"x".repeat(200)}`), "");
  const memory = new ListingMemory();
  const orders: ListingOrder[] = [];
  for (let order = memory.order(folder.path); order !== undefined; ) {
    orders.push(order);
    order = memory.order(join(folder.path, "missing"));
  }
  assert.ok(orders.length > 1);
  for (const order of orders) memory.fulfil(order);
  for (const order of orders) assert.equal(memory.take(order), undefined);
  assert.ok(memory.order(folder.path) !== undefined);
});
