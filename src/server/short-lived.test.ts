import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../testkit/clock.ts";
import { ShortLived } from "./short-lived.ts";

const LIFE_MS = 1000;

interface Scene {
  readonly clock: FakeClock;
  readonly view: ShortLived<number>;
  /** Readings that are under way: each is ended with a value. */
  readonly under: ((value: number | Error) => void)[];
}

function scene(): Scene {
  const clock = new FakeClock();
  const under: ((value: number | Error) => void)[] = [];
  const read = async (): Promise<number> =>
    await new Promise<number>((resolve, reject) => {
      under.push((value) => (typeof value === "number" ? resolve(value) : reject(value)));
    });
  return { clock, under, view: new ShortLived({ clock, lifeMs: LIFE_MS, read }) };
}

test("ShortLived: one reading for all who ask, kept for its life from when it began", async () => {
  const { clock, view, under } = scene();
  const both = [view.get(), view.get()];
  clock.advance(LIFE_MS - 1);
  under[0]?.(1);
  assert.deepEqual(await Promise.all(both), [1, 1]);
  assert.equal(await view.get(), 1);
  clock.advance(1);
  const next = view.get();
  under[1]?.(2);
  assert.equal(await next, 2);
  clock.set(clock.nowMs() - 5);
  const back = view.get();
  under[2]?.(3);
  assert.equal(await back, 3);
  assert.equal(under.length, 3);
});

test("ShortLived: what is forgotten while it is read is not kept; a failure is told to those who wait, and tried again", async () => {
  const { view, under } = scene();
  const old = view.get();
  view.forget();
  const fresh = view.get();
  under[1]?.(2);
  assert.equal(await fresh, 2);
  under[0]?.(1);
  assert.equal(await old, 1);
  assert.equal(await view.get(), 2);
  view.forget();
  const failing = view.get();
  under[2]?.(new Error("gone"));
  await assert.rejects(failing, /gone/);
  const again = view.get();
  under[3]?.(4);
  assert.equal(await again, 4);
  await assert.rejects(async () => {
    view.forget();
    await view.get({ signal: AbortSignal.abort(new Error("stopped")) });
  }, /stopped/);
  assert.equal(under.length, 4);
});
