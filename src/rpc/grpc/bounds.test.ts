/** What bounds a server's memory: the budget that calls share, windows, strangers, buffers, stalls. */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { numRuns } from "../../testkit/property.ts";
import { BufferPool } from "./buffer-pool.ts";
import { ByteBudget } from "./byte-budget.ts";
import { StallWatch } from "./stall-watch.ts";
import { Strangers } from "./strangers.ts";
import { WindowPlan } from "./window-plan.ts";

/** A `take` that tells when it was served. */
function taking(budget: ByteBudget, order: string[]): (key: string, bytes: number) => void {
  return (key, bytes) => void budget.take(key, bytes).then(() => order.push(`${key}${bytes}`));
}

/** Lets what waits for promises go on. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test("ByteBudget: a key gets its share, others the rest, in rotation", async () => {
  const budget = new ByteBudget({ totalBytes: 100, shareBytes: 40 });
  const order: string[] = [];
  const take = taking(budget, order);
  take("a", 30);
  take("b", 40);
  take("a", 20); // beyond the share
  take("c", 30);
  await settle();
  assert.deepEqual(order, ["a30", "b40", "c30"]);
  assert.equal(budget.usedBytes, 100);
  take("d", 10);
  take("a", 5);
  budget.give("a", 30);
  await settle();
  assert.deepEqual(order.slice(3), ["a20", "d10"]);
  budget.give("c", 30);
  await settle();
  assert.deepEqual(order.slice(5), ["a5"]);
});

test("ByteBudget: who is alone gets half, and others find room", async () => {
  const budget = new ByteBudget({ totalBytes: 100, shareBytes: 25 });
  const order: string[] = [];
  const take = taking(budget, order);
  take("a", 20);
  take("a", 30);
  take("a", 10);
  await settle();
  assert.deepEqual(order, ["a20", "a30"]);
  take("b", 45);
  budget.give("a", 30);
  await settle();
  assert.deepEqual(order.slice(2), ["b45"], "with another there is only the share");
  budget.give("b", 45);
  await settle();
  assert.deepEqual(order.slice(3), ["a10"]);
});

test("ByteBudget: one taking may be larger than everything, an abort takes nothing", async () => {
  const budget = new ByteBudget({ totalBytes: 10 });
  await budget.take("a", 50);
  const stop = new AbortController();
  const waiting = budget.take("b", 5, { signal: stop.signal });
  stop.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  budget.give("a", 50);
  assert.equal(budget.usedBytes, 0);
  assert.throws(() => budget.give("a", 1));
});

test("ByteBudget: whatever comes and goes, bounds hold and everybody is served in the end", async () => {
  const step = fc.record({ key: fc.constantFrom("a", "b", "c"), bytes: fc.nat({ max: 60 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const budget = new ByteBudget({ totalBytes: 100, shareBytes: 50 });
      const held: { readonly key: string; readonly bytes: number }[] = [];
      let served = 0;
      for (const { key, bytes } of steps)
        void budget.take(key, bytes).then(() => {
          served++;
          held.push({ key, bytes });
          const ofKey = held.filter((one) => one.key === key);
          const sum = ofKey.reduce((all, one) => all + one.bytes, 0);
          assert.ok(sum <= 50 || ofKey.filter((one) => one.bytes > 0).length === 1);
        });
      for (let turn = 0; turn <= steps.length && served < steps.length; turn++) {
        await settle();
        const first = held.shift();
        if (first !== undefined) budget.give(first.key, first.bytes);
      }
      await settle();
      assert.equal(served, steps.length);
    }),
    { numRuns: numRuns(30) },
  );
});

class FakeHttp2Session extends EventEmitter {
  destroyed = false;
  closed = false;
  window = 0;
  setLocalWindowSize(bytes: number): void {
    this.window = bytes;
  }
  settings({ initialWindowSize }: { initialWindowSize: number }): void {
    assert.equal(initialWindowSize, this.window);
  }
}

test("WindowPlan: few connections have wide windows, many narrow ones, in sum no more than allowed", () => {
  const plan = new WindowPlan({ totalBytes: 64, mostBytes: 16, leastBytes: 2 });
  const sessions: FakeHttp2Session[] = [];
  for (let count = 1; count <= 40; count++) {
    const session = new FakeHttp2Session();
    sessions.push(session);
    plan.add(session as unknown as Http2Session);
    const sum = sessions.reduce((all, one) => all + one.window, 0);
    assert.ok(sum <= Math.max(64, 2 * count), `${count} have ${sum}`);
    assert.ok(sessions.every(({ window }) => window === plan.windowBytes && window >= 2));
  }
  for (const session of sessions.splice(3)) {
    session.destroyed = true;
    session.emit("close");
  }
  assert.ok(sessions.every(({ window }) => window === 16));
});

class FakeSocket extends EventEmitter {
  readonly remoteAddress: string;
  readonly remotePort: number;
  destroyed = false;
  constructor(remoteAddress: string, remotePort: number) {
    super();
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }
  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }
}

test("Strangers: when there are too many, the oldest of the place that has most goes", () => {
  const strangers = new Strangers({ connections: 5, patienceMs: 60_000 });
  const add = (address: string, port: number): FakeSocket => {
    const socket = new FakeSocket(address, port);
    strangers.add(socket as unknown as Socket);
    return socket;
  };
  const honest = add("192.0.2.1", 1);
  const known = add("192.0.2.2", 1);
  strangers.trust(known as unknown as Socket);
  const flood = Array.from({ length: 20 }, (_, i) => add("203.0.113.9", i));
  assert.equal(strangers.count, 5);
  assert.equal(honest.destroyed, false);
  assert.equal(known.destroyed, false);
  assert.deepEqual(
    flood.map(({ destroyed }) => destroyed),
    flood.map((_, i) => i < 16),
  );
  honest.destroy();
  for (const socket of flood) socket.destroy();
  assert.equal(strangers.count, 0);
});

test("BufferPool: memory is used again, never by two at once, and no more is kept than allowed", () => {
  const pool = new BufferPool(300_000);
  const first = pool.take(100_000);
  const second = pool.take(100_000);
  assert.equal(first.byteLength, 100_000);
  assert.notEqual(first.buffer, second.buffer);
  pool.give(first);
  assert.equal(pool.take(70_000).buffer, first.buffer);
  assert.notEqual(pool.take(70_000).buffer, first.buffer);
  const many = Array.from({ length: 5 }, () => pool.take(131_072));
  for (const one of many) pool.give(one);
  const again = Array.from({ length: 5 }, () => pool.take(131_072).buffer);
  assert.equal(again.filter((buffer) => many.some((one) => one.buffer === buffer)).length, 2);
  assert.equal(pool.take(10).byteLength, 10);
});

test("StallWatch: calls when nothing moved although something should", async () => {
  let stalls = 0;
  let isWaiting = false;
  const watch = new StallWatch(
    1,
    () => isWaiting,
    () => stalls++,
  );
  watch.moved();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(stalls, 0);
  isWaiting = true;
  watch.moved();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(stalls, 1);
  watch.moved();
  watch.stop();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(stalls, 1);
});
