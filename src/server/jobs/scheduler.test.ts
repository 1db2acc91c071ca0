import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../testkit/clock.ts";
import { KeptLog, until } from "../../testkit/server-log.ts";
import { type ScheduledItem, Scheduler } from "./scheduler.ts";

/** One item that runs and moves its time on. */
function every(clock: FakeClock, periodMs: number, ran: number[]): () => ScheduledItem[] {
  let dueMs = clock.nowMs() + periodMs;
  const run = (): void => {
    ran.push(clock.nowMs());
    dueMs = clock.nowMs() + periodMs;
  };
  return () => [{ name: "item", dueMs, run }];
}

test("Scheduler: runs what is due when the clock comes to it, not before", async () => {
  const clock = new FakeClock(0);
  const ran: number[] = [];
  const items = every(clock, 10_000, ran);
  await using scheduler = new Scheduler({ clock, sleep: clock.sleep, log: new KeptLog(), items });
  scheduler.start();
  await until(() => clock.sleeping === 1, "it sleeps");
  clock.advance(9999);
  assert.deepEqual(ran, []);
  clock.advance(1);
  await until(() => ran.length === 1, "it ran");
  await until(() => clock.sleeping === 1, "it sleeps again");
  clock.advance(10_000);
  await until(() => ran.length === 2, "it ran again");
  assert.deepEqual(ran, [10_000, 20_000]);
});

test("Scheduler: a new item counts at once when it is woken", async () => {
  const clock = new FakeClock(0);
  const ran: number[] = [];
  const items: ScheduledItem[] = [];
  const log = new KeptLog();
  await using scheduler = new Scheduler({ clock, sleep: clock.sleep, log, items: () => items });
  scheduler.start();
  await until(() => clock.sleeping === 1, "it sleeps");
  items.push({ name: "now", dueMs: 0, run: () => ran.push(items.splice(0).length) });
  scheduler.wake();
  await until(() => ran.length === 1, "it ran");
});

test("Scheduler: an item that throws is logged, the others run, and nothing spins", async () => {
  const clock = new FakeClock(0);
  let good = 0;
  const log = new KeptLog();
  const items = (): ScheduledItem[] => [
    {
      name: "bad",
      dueMs: 0,
      run: () => {
        throw new Error("boom");
      },
    },
    { name: "good", dueMs: 0, run: () => good++ },
  ];
  await using scheduler = new Scheduler({ clock, sleep: clock.sleep, log, items });
  scheduler.start();
  await until(() => clock.sleeping === 1, "it sleeps although both stay due");
  assert.equal(good, 1);
  assert.match(log.messages("error")[0] ?? "", /boom/);
  clock.advance(999);
  assert.equal(good, 1);
  clock.advance(1);
  await until(() => good === 2, "the next turn");
});

test("Scheduler: a clock that jumps forward is noticed within a minute of sleeping", async () => {
  const clock = new FakeClock(0);
  const ran: number[] = [];
  const items = every(clock, 86_400_000, ran);
  await using scheduler = new Scheduler({ clock, sleep: clock.sleep, log: new KeptLog(), items });
  scheduler.start();
  await until(() => clock.sleeping === 1, "it sleeps");
  clock.advance(60_000);
  await until(() => clock.sleeping === 1, "it looked and sleeps again");
  assert.deepEqual(ran, []);
});
