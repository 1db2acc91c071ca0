import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { numRuns } from "../../testkit/property.ts";
import { BufferPool } from "./buffer-pool.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

test("BufferPool: exactly the length asked for, in at most a third more memory, long ones in at most twice as much", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20 * MIB }), (length) => {
      const bytes = new BufferPool(MIB).take(length);
      assert.equal(bytes.byteLength, length);
      const most = length > 2 * MIB ? 2 * length + 64 * KIB : length * (4 / 3) + 64;
      assert.ok(bytes.buffer.byteLength <= most);
    }),
    { numRuns: numRuns(50) },
  );
});

test("BufferPool: what was given back is used again, for messages that are not much shorter", () => {
  const pool = new BufferPool(32 * MIB);
  const first = pool.take(5 * MIB);
  pool.give(first);
  assert.equal(pool.take(MIB).buffer === first.buffer, false);
  const second = pool.take(8 * MIB + 100);
  assert.equal(second.buffer, first.buffer);
  assert.equal(second.byteLength, 8 * MIB + 100);
  assert.equal(pool.spareBytes, 0);
  assert.notEqual(pool.take(5 * MIB).buffer, first.buffer);
  const short = pool.take(700 * KIB);
  pool.give(short);
  assert.equal(pool.take(600 * KIB).buffer, short.buffer);
});

test("BufferPool: what waits is bounded; the sizes that were given back longest ago go first", () => {
  const pool = new BufferPool(9 * MIB);
  const old = [4 * MIB, 4 * MIB].map((length) => pool.take(length));
  const young = pool.take(8 * MIB);
  for (const bytes of old) pool.give(bytes);
  pool.give(young);
  assert.equal(pool.spareBytes, 8 * MIB + 64 * KIB);
  assert.equal(pool.take(8 * MIB).buffer, young.buffer);
  pool.give(pool.take(20 * MIB));
  assert.equal(pool.spareBytes, 0);
});

test("BufferPool: short messages have memory of their own", () => {
  const pool = new BufferPool(MIB);
  pool.give(pool.take(60 * KIB));
  assert.equal(pool.spareBytes, 0);
});
