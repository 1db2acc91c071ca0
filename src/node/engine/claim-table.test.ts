import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { numRuns } from "../../testkit/property.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { ClaimTable } from "./claim-table.ts";

test("ClaimTable: a model of a set, with releases, for every key length", () => {
  const key = fc.record({
    prefix: fc.constantFrom(0, 0x6b, 0x7a),
    hash: fc.integer({ min: 0, max: 7 }),
  });
  const step = fc.record({ op: fc.constantFrom("claim", "claim", "has", "release", "clear"), key });
  fc.assert(
    fc.property(fc.constantFrom(16, 28, 32), fc.array(step, { maxLength: 60 }), (length, steps) => {
      const table = ClaimTable.create(length, 32);
      const model = new Set<string>();
      for (const {
        op,
        key: { prefix, hash },
      } of steps) {
        const bytes = new Uint8Array(1 + length);
        bytes[0] = prefix;
        // Keys that begin alike share a first slot and differ at the end.
        bytes[length] = hash;
        const name = `${prefix}:${hash}`;
        if (op === "claim") {
          assert.equal(table.claim(bytes), !model.has(name));
          model.add(name);
        } else if (op === "has") {
          assert.equal(table.has(bytes), model.has(name));
        } else if (op === "release") {
          table.release(bytes);
          model.delete(name);
        } else {
          table.clear();
          model.clear();
        }
      }
    }),
    { numRuns: numRuns() },
  );
});

test("ClaimTable: full is a RangeError, not a silent second claim", () => {
  const table = ClaimTable.create(16, 8);
  const random = new SeededRandom();
  for (let i = 0; i < 16; i++) table.claim(random.bytes(17));
  assert.throws(() => table.claim(random.bytes(17)), RangeError);
  assert.equal(table.count, 16);
});

test("ClaimTable: threads that claim the same keys at once get each key exactly once", async () => {
  const keys = 20_000;
  const table = ClaimTable.create(16, 1 << 15);
  const gate = new SharedArrayBuffer(4);
  const workers = [1, 2, 3, 4].map(
    (number) =>
      new Worker(new URL("../../testkit/claim-contender.ts", import.meta.url), {
        workerData: { table: table.descriptor(), gate, keys, number },
      }),
  );
  await Promise.all(workers.map((worker) => once(worker, "message")));
  const results = workers.map((worker) => once(worker, "message") as Promise<[Uint32Array]>);
  Atomics.store(new Int32Array(gate), 0, 1);
  Atomics.notify(new Int32Array(gate), 0);
  const claimed = new Uint8Array(keys);
  for (const [won] of await Promise.all(results))
    for (const key of won) claimed[key] = (claimed[key] ?? 0) + 1;
  assert.ok(claimed.every((count) => count === 1));
  assert.equal(table.count, keys);
});
