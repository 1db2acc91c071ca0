import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { numRuns } from "../../testkit/property.ts";
import { retentionReasons, type RetentionPolicy } from "../../snapshot/index.ts";
import { type ReceivedSnapshot, staysByReceipt } from "./receipt-rule.ts";

const MINUTE = 60_000_000_000n;
const HOUR: bigint = 60n * MINUTE;
const DAY: bigint = 24n * HOUR;
/** The first hour of a day. */
const START: bigint = 20_660n * DAY + HOUR / 2n;
const MINIMUM_AGE: bigint = 30n * DAY;
const POLICY: RetentionPolicy = {
  keepLatest: 10,
  keepHourly: 48,
  keepDaily: 7,
  keepWeekly: 4,
  keepMonthly: 24,
  keepAnnual: 3,
};

function honest(receivedNs: bigint, changes: Partial<ReceivedSnapshot> = {}): ReceivedSnapshot {
  const startTimeNs = receivedNs - 2n * MINUTE;
  return { receivedNs, startTimeNs, endTimeNs: receivedNs - MINUTE, pins: [], ...changes };
}

/** One a day for so many days, the newest at `START`. */
function daily(days: number): ReceivedSnapshot[] {
  return Array.from({ length: days }, (_, i) => honest(START - BigInt(days - 1 - i) * DAY));
}

function stays(
  snapshots: readonly ReceivedSnapshot[],
  nowNs: bigint,
  policy: RetentionPolicy = POLICY,
): ReceivedSnapshot[] {
  const kept = staysByReceipt(snapshots, { policy, nowNs, minimumAgeNs: MINIMUM_AGE });
  return snapshots.filter((_, index) => kept[index]);
}

/** What ordinary retention keeps of what was received. */
function ordinary(snapshots: readonly ReceivedSnapshot[], policy = POLICY): ReceivedSnapshot[] {
  const subjects = snapshots.map((one) => ({ ...one, startTimeNs: one.receivedNs }));
  const reasons = retentionReasons(subjects, policy);
  return snapshots.filter((_, index) => (reasons[index]?.length ?? 0) > 0);
}

/** Runs the schedule now and then, as a server does, with the deletions of each run. */
function afterRuns(
  snapshots: readonly ReceivedSnapshot[],
  times: readonly bigint[],
  policy: RetentionPolicy = POLICY,
): ReceivedSnapshot[] {
  let left = [...snapshots];
  for (const nowNs of times) {
    const there = left.filter(({ receivedNs }) => receivedNs <= nowNs);
    const kept = new Set(stays(there, nowNs, policy));
    left = left.filter((one) => kept.has(one) || !there.includes(one));
  }
  return left;
}

function assertAllThere(
  expected: readonly ReceivedSnapshot[],
  found: readonly ReceivedSnapshot[],
): void {
  const left = new Set(found);
  const gone = expected.filter((one) => !left.has(one));
  assert.deepEqual(gone, [], `${gone.length} of ${expected.length} are gone`);
}

test("without an attacker old snapshots expire as usual, the young ones wait for their age", () => {
  const all = daily(400);
  const left = stays(all, START);
  const young = left.filter(({ receivedNs }) => receivedNs > START - MINIMUM_AGE);
  assert.equal(young.length, 30);
  assert.ok(left.length < 90, `${left.length} stay`);
  assertAllThere(ordinary(all), left);
});

test("snapshots dated next century push nothing out", () => {
  const good = daily(60);
  const future = 4_102_444_800_000_000_000n;
  const bad = Array.from({ length: 200 }, (_, i) =>
    honest(START + BigInt(i + 1) * MINUTE, {
      startTimeNs: future + BigInt(i) * DAY,
      endTimeNs: future + BigInt(i) * DAY,
    }),
  );
  for (const days of [1n, 10n, 29n])
    assertAllThere(ordinary(good), stays([...good, ...bad], START + days * DAY));
});

test("one a minute with right dates pushes nothing out while the minimum age runs", () => {
  const good = daily(60);
  const bad = Array.from({ length: 5 * 1440 }, (_, i) => honest(START + BigInt(i + 1) * MINUTE));
  const times = [1n, 2n, 3n, 4n, 5n, 29n].map((day) => START + day * DAY);
  assertAllThere(ordinary(good), afterRuns([...good, ...bad], times));
});

test("after the minimum age a flood of a day counts as one day, and first snapshots of periods still stand", () => {
  const good = daily(60);
  const bad = Array.from({ length: 1440 }, (_, i) => honest(START + BigInt(i + 1) * MINUTE));
  const left = new Set(afterRuns([...good, ...bad], [START + 32n * DAY, START + 100n * DAY]));
  const latestDays = good.slice(-9);
  for (const one of latestDays) assert.ok(left.has(one), `${one.receivedNs}`);
});

test("claimed dates within real days, earlier or later, displace nothing", () => {
  const good = daily(60);
  const bad = good.flatMap(({ startTimeNs }, i) => [
    honest(START + BigInt(2 * i + 1) * MINUTE, { startTimeNs: startTimeNs - MINUTE }),
    honest(START + BigInt(2 * i + 2) * MINUTE, { startTimeNs: startTimeNs + MINUTE }),
  ]);
  assertAllThere(ordinary(good), stays([...good, ...bad], START + 29n * DAY));
});

test("incomplete ones, however many, push nothing out and go in the end", () => {
  const good = daily(60);
  const bad = Array.from({ length: 100 }, (_, i) =>
    honest(START + BigInt(i + 1) * MINUTE, { incomplete: "checkpoint" }),
  );
  assertAllThere(ordinary(good), stays([...good, ...bad], START + 29n * DAY));
  const later = honest(START + 10n * DAY);
  assert.ok(stays([...good, ...bad, later], START + 50n * DAY).length < good.length);
});

test("what was received in the future of a clock that was wrong stays and moves nothing", () => {
  const good = daily(60);
  const wrong = Array.from({ length: 20 }, (_, i) =>
    honest(START + 3650n * DAY + BigInt(i) * HOUR),
  );
  const left = stays([...good, ...wrong], START + DAY);
  assertAllThere([...ordinary(good), ...wrong], left);
});

test("a history that the operator brought in on one day is judged by the times of its snapshots", () => {
  const months = Array.from({ length: 24 }, (_, i) => {
    const startTimeNs = BigInt(Date.UTC(2024, 7 + i, 15, 12)) * 1_000_000n;
    return honest(START, { startTimeNs, endTimeNs: startTimeNs + MINUTE });
  });
  assertAllThere(months, stays(months, START + 60n * DAY));
});

test("pins hold, and a policy without numbers keeps all", () => {
  const pinned = honest(START - 5000n * DAY, { pins: ["keep"] });
  assert.ok(stays([pinned, ...daily(400)], START).includes(pinned));
  assert.equal(stays(daily(400), START, {}).length, 400);
});

const policies: fc.Arbitrary<RetentionPolicy> = fc.record({
  keepLatest: fc.option(fc.nat({ max: 12 }), { nil: undefined }),
  keepHourly: fc.option(fc.nat({ max: 60 }), { nil: undefined }),
  keepDaily: fc.option(fc.nat({ max: 20 }), { nil: undefined }),
  keepWeekly: fc.option(fc.nat({ max: 8 }), { nil: undefined }),
  keepMonthly: fc.option(fc.nat({ max: 24 }), { nil: undefined }),
  keepAnnual: fc.option(fc.nat({ max: 5 }), { nil: undefined }),
});

/** Times before `START`, in minutes: honest clients come now and then, for up to three years. */
const honestTimes = fc
  .array(fc.integer({ min: 1, max: 3 * 365 * 1440 }), { minLength: 1, maxLength: 40 })
  .map((ages) => [...new Set(ages)].map((age) => honest(START - BigInt(age) * MINUTE)));

const hostileOnes = fc.array(
  fc.record({
    after: fc.integer({ min: 1, max: 60 * 1440 }),
    startNs: fc.bigInt({ min: -START, max: 8_000_000_000_000_000_000n }),
    incomplete: fc.constantFrom(undefined, "checkpoint"),
    pins: fc.constantFrom([], ["x"]),
    many: fc.constantFrom(1, 1, 20),
  }),
  { maxLength: 15 },
);

test("whatever is sent and whenever the schedule runs, what ordinary retention would keep stays for the minimum age", () => {
  fc.assert(
    fc.property(
      honestTimes,
      hostileOnes,
      policies,
      fc.array(fc.integer({ min: 0, max: 30 * 1440 - 1 }), { maxLength: 6 }),
      (good, hostile, policy, runs) => {
        const bad = hostile.flatMap(({ after, startNs, incomplete, pins, many }) =>
          Array.from({ length: many }, (_, i): ReceivedSnapshot => {
            const receivedNs = START + BigInt(after) * MINUTE + BigInt(i);
            return {
              receivedNs,
              startTimeNs: startNs + BigInt(i),
              endTimeNs: startNs,
              incomplete,
              pins,
            };
          }),
        );
        // Earlier runs, before the attack, have done their part.
        const before = afterRuns(good, [START], policy);
        const times = runs
          .toSorted((a, b) => a - b)
          .map((minutes) => START + BigInt(minutes) * MINUTE);
        const left = afterRuns([...before, ...bad], times, policy);
        assertAllThere(ordinary(good, policy), left);
        // And the young ones, kept by a rule or not.
        const end = times.at(-1) ?? START;
        assertAllThere(
          [...before, ...bad].filter(({ receivedNs }) => receivedNs > end - MINIMUM_AGE),
          left,
        );
      },
    ),
    { numRuns: numRuns(100) },
  );
});

test("whatever comes later, the first snapshot of a day stays as long as its day is among those that are kept", () => {
  const policy = { keepDaily: 40 };
  const minutes = fc.integer({ min: 1, max: 39 * 1440 });
  fc.assert(
    fc.property(honestTimes, fc.array(minutes, { maxLength: 60 }), (good, after) => {
      const first = honest(START);
      const bad = after.map((one) => honest(START + BigInt(one) * MINUTE));
      const older = good.filter(({ receivedNs }) => receivedNs < START - DAY);
      const times = [10n, 35n, 39n].map((day) => START + day * DAY);
      assertAllThere([first], afterRuns([...older, first, ...bad], times, policy));
    }),
    { numRuns: numRuns() },
  );
});
