import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import test from "node:test";
import type { BlobId } from "../../blob/index.ts";
import type { StoreHost } from "./host.ts";
import { EngineMemory, planMemory } from "./memory.ts";
import { PackTraffic } from "./pack-traffic.ts";

test("PackTraffic: threads that ask ahead leave a buffer for each that has none", async () => {
  const granted: number[][] = [[], [], []];
  const stored: string[] = [];
  let packs = 0;
  const host: Pick<StoreHost, "openPack" | "storePack"> = {
    openPack: async () => ({ packId: `p${packs++}` as BlobId }),
    storePack: async (packId) => {
      stored.push(packId);
    },
  };
  const traffic = new PackTraffic(
    host as StoreHost,
    new EngineMemory(planMemory(3, 20_000_000, false)),
    (thread, { buffer }) => granted[thread]!.push(buffer),
    (error) => {
      throw error;
    },
  );
  for (const thread of [0, 1]) traffic.onWant(thread, { op: "want", blocked: true, received: 0 });
  await setImmediate();
  for (const thread of [0, 1]) traffic.onWant(thread, { op: "want", blocked: false, received: 1 });
  await setImmediate();
  assert.deepEqual(
    granted.map((buffers) => buffers.length),
    [2, 1, 0],
  );
  traffic.onWant(2, { op: "want", blocked: true, received: 0 });
  await setImmediate();
  assert.equal(granted[2]!.length, 1);
  // The pack of the first is stored: its buffer goes to the one that still waits.
  const [buffer = -1] = granted[0]!;
  const index = new Uint8Array(0);
  traffic.onFull(0, { op: "full", buffer, packId: "p0", lengthBytes: 1, index });
  await traffic.settled();
  await setImmediate();
  assert.deepEqual(stored, ["p0"]);
  assert.deepEqual(granted[1]!.slice(1), [buffer]);
});

test("PackTraffic: a thread that stands still while its buffer is on the way gets no second one", async () => {
  const granted: number[] = [0, 0];
  const traffic = new PackTraffic(
    { openPack: async () => ({ packId: "p" as BlobId }) } as unknown as StoreHost,
    new EngineMemory(planMemory(2, 20_000_000, false)),
    (thread) => void granted[thread]!++,
    (error) => {
      throw error;
    },
  );
  traffic.onWant(0, { op: "want", blocked: true, received: 0 });
  await setImmediate();
  // It asks ahead, runs out before the answer, and asks again: one of both is enough.
  traffic.onWant(0, { op: "want", blocked: false, received: 1 });
  traffic.onWant(0, { op: "want", blocked: true, received: 1 });
  await setImmediate();
  traffic.onWant(0, { op: "want", blocked: true, received: 1 });
  traffic.onWant(1, { op: "want", blocked: true, received: 0 });
  await setImmediate();
  assert.deepEqual(granted, [2, 1]);
});
