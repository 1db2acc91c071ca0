import assert from "node:assert/strict";
import { test } from "node:test";
import { collect } from "../../bytes/index.ts";
import { bulkStream } from "./bulk-stream.ts";

async function* count(n: number, log: string[] = []): AsyncGenerator<number> {
  try {
    for (let i = 0; i < n; i++) yield i;
  } finally {
    log.push("closed");
  }
}

test("bulkStream: results come while the source is silent", async () => {
  let release: () => void = () => undefined;
  const waiting = new Promise<void>((resolve) => {
    release = resolve;
  });
  async function* source(): AsyncGenerator<number> {
    yield 1;
    await waiting;
    yield 2;
  }
  const results: number[] = [];
  for await (const result of bulkStream(source(), 4, (item) => Promise.resolve(item))) {
    results.push(result);
    // The source goes on only because the first result arrived.
    release();
  }
  assert.deepEqual(results, [1, 2]);
});

test("bulkStream: never more than the limit under way or untaken", async () => {
  let running = 0;
  let taken = 0;
  let most = 0;
  const work = async (item: number): Promise<number> => {
    running++;
    most = Math.max(most, running - taken);
    await new Promise((resolve) => setImmediate(resolve));
    return item;
  };
  for await (const _ of bulkStream(count(50), 3, work)) {
    taken++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(taken, 50);
  assert.ok(most <= 4, `${most} items`);
});

test("bulkStream: the first failure ends it, after what runs, and closes the source", async () => {
  const log: string[] = [];
  const work = async (item: number): Promise<number> => {
    await new Promise((resolve) => setImmediate(resolve));
    if (item === 2) throw new Error("second");
    log.push(`done ${item}`);
    return item;
  };
  await assert.rejects(collect(bulkStream(count(100, log), 3, work)), { message: "second" });
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(log.includes("closed"));
  assert.ok(log.length < 10);
});

test("bulkStream: a failing source and an abort throw as they are; leaving closes the source", async () => {
  async function* broken(): AsyncGenerator<number> {
    yield 1;
    throw new Error("source");
  }
  await assert.rejects(collect(bulkStream(broken(), 2, (item) => Promise.resolve(item))), {
    message: "source",
  });
  const controller = new AbortController();
  async function* stuck(): AsyncGenerator<number> {
    yield 1;
    await new Promise(() => undefined);
  }
  const aborted = collect(
    bulkStream(stuck(), 2, (item) => Promise.resolve(item), controller.signal),
  );
  setImmediate(() => controller.abort(new Error("enough")));
  await assert.rejects(aborted, { message: "enough" });
  const log: string[] = [];
  for await (const item of bulkStream(count(100, log), 2, (number) => Promise.resolve(number)))
    if (item === 3) break;
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(log, ["closed"]);
});
