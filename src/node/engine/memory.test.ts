import assert from "node:assert/strict";
import { test } from "node:test";
import { EngineMemory, NumberPool, planMemory } from "./memory.ts";

test("planMemory: any number of threads and pack size fits into one memory, with a buffer for each thread", () => {
  for (const wanted of [1, 2, 8, 32, 300, 1024]) {
    for (const packBytes of [1 << 20, 20 << 20, 120 << 20]) {
      for (const withEcc of [false, true]) {
        const plan = planMemory(wanted, packBytes, withEcc);
        assert.ok(plan.threads >= 1 && plan.threads <= wanted);
        assert.ok(plan.packBuffers > plan.threads);
        const more = planMemory(wanted, packBytes, withEcc, { packsOnTheWay: 3 });
        assert.equal(more.packBuffers, more.threads + 3);
        const { memory } = new EngineMemory(plan);
        assert.ok(memory.buffer.byteLength < 2 ** 32);
      }
    }
  }
});

test("EngineMemory: areas do not overlap and lie inside", () => {
  const plan = planMemory(3, 20 << 20, false);
  const memory = new EngineMemory(plan);
  const areas: [number, number][] = [];
  for (let i = 0; i <= plan.threads; i++) areas.push([memory.controlOffset(i), 1]);
  for (let i = 0; i < plan.slots; i++)
    areas.push([memory.slot(i).byteOffset, memory.slot(i).length]);
  for (let i = 0; i < plan.threads; i++)
    areas.push([memory.scratch(i).byteOffset, memory.scratch(i).length]);
  for (let i = 0; i < plan.packBuffers; i++)
    areas.push([memory.packBuffer(i).byteOffset, memory.packBuffer(i).length]);
  areas.sort(([a], [b]) => a - b);
  areas.forEach(([at, length], i) => {
    assert.ok(at + length <= (areas[i + 1]?.[0] ?? memory.memory.buffer.byteLength));
  });
  assert.equal(memory.packBuffer(0).byteOffset % 65536, 0);
});

test("NumberPool: the last one given back comes first; who waits is served in turn", async () => {
  const pool = new NumberPool(2);
  assert.equal(await pool.acquire(), 0);
  assert.equal(await pool.acquire(), 1);
  assert.equal(pool.tryAcquire(), undefined);
  const served: string[] = [];
  const waiting = ["a", "b"].map((name) =>
    pool.acquire().then((number) => served.push(`${name}${number}`)),
  );
  pool.release(1);
  pool.release(0);
  await Promise.all(waiting);
  assert.deepEqual(served, ["a1", "b0"]);
  pool.release(0);
  pool.release(1);
  assert.equal(await pool.acquire(), 1);
});
