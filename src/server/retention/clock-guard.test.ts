import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../testkit/clock.ts";
import { type ClockEvidence, ClockGuard } from "./clock-guard.ts";

const HOUR = 3_600_000;
const DAY: number = 24 * HOUR;

class Scene {
  readonly clock = new FakeClock();
  monotonic = 5000;
  /** Of the newest manifest and index, as ages in milliseconds. */
  ages: { readonly manifest?: number; readonly store?: number } = { manifest: 0, store: 0 };
  readonly guard = new ClockGuard({
    clock: this.clock,
    monotonicMs: () => this.monotonic,
    // oxlint-disable-next-line require-await
    evidence: async (nowNs): Promise<ClockEvidence> => {
      const { manifest, store } = this.ages;
      const ago = (ms: number): bigint => nowNs - BigInt(ms) * 1_000_000n;
      return {
        manifestNs: manifest === undefined ? undefined : ago(manifest),
        storeNs: store === undefined ? undefined : ago(store),
      };
    },
  });

  /** Both go on. */
  pass(ms: number): void {
    this.clock.advance(ms);
    this.monotonic += ms;
  }
}

test("a clock that goes on is trusted, also after days without a look at it", async () => {
  const scene = new Scene();
  for (const ms of [0, HOUR, 40 * DAY, HOUR]) {
    scene.pass(ms);
    assert.equal(await scene.guard.check(), undefined);
  }
});

test("a repository where nothing was written yet is no reason for distrust", async () => {
  const scene = new Scene();
  scene.ages = {};
  assert.equal(await scene.guard.check(), undefined);
});

for (const jump of [2 * DAY, 365 * DAY]) {
  test(`a jump of ${jump / DAY} days is waited out for a day of the server's running`, async () => {
    const scene = new Scene();
    await scene.guard.check();
    scene.clock.advance(jump);
    assert.match((await scene.guard.check()) ?? "", /jumped/);
    scene.pass(23 * HOUR);
    assert.match((await scene.guard.check()) ?? "", /1 more hours/);
    scene.pass(2 * HOUR);
    assert.equal(await scene.guard.check(), undefined);
  });
}

test("small jumps one after the other do not add up unseen", async () => {
  const scene = new Scene();
  await scene.guard.check();
  let refused = 0;
  for (let hour = 0; hour < 30; hour++) {
    scene.pass(HOUR);
    scene.clock.advance(23 * HOUR);
    if ((await scene.guard.check()) !== undefined) refused++;
  }
  assert.ok(refused >= 28, `${refused} of 30`);
});

test("an hour forward or back, and nights in which the computer sleeps, are no jumps", async () => {
  const scene = new Scene();
  for (const ms of [HOUR, -HOUR, HOUR]) {
    scene.clock.advance(ms);
    assert.equal(await scene.guard.check(), undefined);
  }
  for (let day = 0; day < 30; day++) {
    scene.pass(8 * HOUR);
    scene.clock.advance(16 * HOUR);
    assert.equal(await scene.guard.check(), undefined, `day ${day}`);
  }
});

test("put back by a year and put right again, it has jumped", async () => {
  const scene = new Scene();
  await scene.guard.check();
  scene.clock.advance(-365 * DAY);
  assert.equal(await scene.guard.check(), undefined);
  scene.clock.advance(365 * DAY);
  assert.match((await scene.guard.check()) ?? "", /jumped/);
});

test("a server that starts long after the last trace of writing waits", async () => {
  const scene = new Scene();
  scene.ages = { manifest: 4 * DAY, store: 4 * DAY };
  assert.match((await scene.guard.check()) ?? "", /last written 96 hours ago/);
  scene.pass(25 * HOUR);
  assert.equal(await scene.guard.check(), undefined);
  const other = new Scene();
  other.ages = { manifest: 9 * DAY, store: DAY };
  assert.equal(await other.guard.check(), undefined, "an index was written yesterday");
});

test("a clock ahead of the storage's is not trusted however long it lasts", async () => {
  const scene = new Scene();
  scene.ages = { manifest: 0, store: 2 * HOUR };
  for (let i = 0; i < 3; i++) {
    assert.match((await scene.guard.check()) ?? "", /2 hours ahead of the storage's/);
    scene.pass(2 * DAY);
  }
});
