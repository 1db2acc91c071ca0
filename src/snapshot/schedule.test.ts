import { execFileSync } from "node:child_process";
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import type { TimestampNs } from "../bytes/index.ts";
import { numRuns } from "../testkit/property.ts";
import { isCronExpression, nextSnapshotTime, type SchedulingPolicy } from "./index.ts";

const zone = process.env["TZ"];
before(() => {
  process.env["TZ"] = "Europe/Warsaw";
});
after(() => {
  if (zone === undefined) delete process.env["TZ"];
  else process.env["TZ"] = zone;
});

function at(text: string): TimestampNs {
  return BigInt(Date.parse(text)) * 1_000_000n;
}

function next(scheduling: SchedulingPolicy, previous: string | undefined, now: string): string {
  const time = nextSnapshotTime(
    scheduling,
    previous === undefined ? undefined : at(previous),
    at(now),
  );
  return time === undefined ? "never" : new Date(Number(time / 1_000_000n)).toISOString();
}

interface Case {
  readonly name: string;
  readonly policy: SchedulingPolicy;
  readonly previous?: string;
  readonly now: string;
  readonly next: string;
}

const EVERY_DAY_AT_3 = { timeOfDay: [{ hour: 3, min: 0 }] };
const CASES: readonly Case[] = [
  { name: "nothing is set", policy: {}, now: "2026-01-10T12:00:00Z", next: "never" },
  {
    name: "manual wins over an interval",
    policy: { manual: true, intervalSeconds: 3600 },
    now: "2026-01-10T12:00:00Z",
    next: "never",
  },
  {
    name: "an interval is rounded down to a multiple of itself",
    policy: { intervalSeconds: 3600 },
    previous: "2026-01-10T12:20:00Z",
    now: "2026-01-10T12:30:00Z",
    next: "2026-01-10T13:00:00.000Z",
  },
  {
    name: "weeks are counted from the year one, whose first day was a Monday",
    policy: { intervalSeconds: 7 * 86400 },
    previous: "2026-01-07T12:00:00Z",
    now: "2026-01-08T00:00:00Z",
    next: "2026-01-12T00:00:00.000Z",
  },
  {
    name: "an interval that is over means now",
    policy: { intervalSeconds: 3600 },
    previous: "2026-01-10T01:00:00Z",
    now: "2026-01-10T12:30:00Z",
    next: "2026-01-10T12:30:00.000Z",
  },
  {
    name: "without any snapshot an interval means now",
    policy: { intervalSeconds: 3600 },
    now: "2026-01-10T12:30:00Z",
    next: "2026-01-10T12:30:00.000Z",
  },
  {
    name: "a time of day is local",
    policy: EVERY_DAY_AT_3,
    now: "2026-01-10T01:00:00Z",
    next: "2026-01-10T02:00:00.000Z",
  },
  {
    name: "a time of day that is just now counts",
    policy: EVERY_DAY_AT_3,
    now: "2026-01-10T02:00:00Z",
    next: "2026-01-10T02:00:00.000Z",
  },
  {
    name: "the earliest of several times",
    policy: {
      timeOfDay: [
        { hour: 3, min: 0 },
        { hour: 17, min: 45 },
      ],
    },
    now: "2026-01-10T03:00:00Z",
    next: "2026-01-10T16:45:00.000Z",
  },
  {
    name: "24 hours are added also on the day on which clocks change",
    policy: EVERY_DAY_AT_3,
    now: "2026-03-28T12:00:00Z",
    next: "2026-03-29T02:00:00.000Z",
  },
  {
    name: "a crontab entry is local, and strictly later",
    policy: { cron: ["30 4 * * 1-5"] },
    now: "2026-01-09T03:30:00Z",
    next: "2026-01-12T03:30:00.000Z",
  },
  {
    name: "comments and unreadable entries are skipped",
    policy: { cron: ["61 * * * *", "15 * * * * # each hour"] },
    now: "2026-01-09T03:30:00Z",
    next: "2026-01-09T04:15:00.000Z",
  },
  {
    name: "the earliest of interval, time and crontab",
    policy: { intervalSeconds: 86400, timeOfDay: [{ hour: 13, min: 0 }], cron: ["0 20 * * *"] },
    previous: "2026-01-09T10:00:00Z",
    now: "2026-01-09T10:30:00Z",
    next: "2026-01-09T12:00:00.000Z",
  },
  {
    name: "a missed time runs now",
    policy: { ...EVERY_DAY_AT_3, runMissed: true },
    previous: "2026-01-08T02:00:00Z",
    now: "2026-01-09T10:30:00Z",
    next: "2026-01-09T10:30:00.000Z",
  },
  {
    name: "a missed time waits when that is not wanted",
    policy: { ...EVERY_DAY_AT_3, runMissed: false },
    previous: "2026-01-08T02:00:00Z",
    now: "2026-01-09T10:30:00Z",
    next: "2026-01-10T02:00:00.000Z",
  },
  {
    name: "a missed time waits when the next one is within half an hour",
    policy: { ...EVERY_DAY_AT_3, runMissed: true },
    previous: "2026-01-08T02:00:00Z",
    now: "2026-01-10T01:45:00Z",
    next: "2026-01-10T02:00:00.000Z",
  },
  {
    name: "a time that was kept is not missed",
    policy: { ...EVERY_DAY_AT_3, runMissed: true },
    previous: "2026-01-09T02:00:01Z",
    now: "2026-01-09T10:30:00Z",
    next: "2026-01-10T02:00:00.000Z",
  },
  {
    name: "a source without any snapshot has missed its crontab entry",
    policy: { cron: ["0 20 * * *"], runMissed: true },
    now: "2026-01-09T10:30:00Z",
    next: "2026-01-09T10:30:00.000Z",
  },
];

for (const one of CASES) {
  test(`nextSnapshotTime: ${one.name}`, () => {
    assert.equal(next(one.policy, one.previous, one.now), one.next);
  });
}

const CRON: readonly (readonly [expression: string, next: string])[] = [
  ["*/5 * * * *", "2026-01-01T12:05:00.000Z"],
  ["0 0 1 1 * 2030", "2029-12-31T23:00:00.000Z"],
  ["30 0 13 * * * *", "2026-01-01T12:00:30.000Z"],
  ["@daily", "2026-01-01T23:00:00.000Z"],
  ["@hourly", "2026-01-01T13:00:00.000Z"],
  ["0 12 L * *", "2026-01-31T11:00:00.000Z"],
  ["0 12 LW * *", "2026-01-30T11:00:00.000Z"],
  ["0 12 * * 5L", "2026-01-30T11:00:00.000Z"],
  ["0 12 15 * mon", "2026-01-05T11:00:00.000Z"],
  ["0 12 ? february Sunday", "2026-02-01T11:00:00.000Z"],
  ["0 12 30 2 *", "never"],
];
for (const [expression, expected] of CRON) {
  test(`nextSnapshotTime: crontab entry ${expression}`, () => {
    assert.ok(isCronExpression(expression));
    assert.equal(next({ cron: [expression] }, undefined, "2026-01-01T12:00:00Z"), expected);
  });
}

test("isCronExpression: what Kopia refuses is refused", () => {
  for (const expression of [
    "61 * * * *",
    "* * * *",
    "@reboot",
    "0 0 * * 5#L",
    "2030-01-01T00:00:00",
  ])
    assert.equal(isCronExpression(expression), expression === "0 0 * * 5#L", expression);
  for (const name of ["valueOf", "constructor", "__proto__"])
    assert.equal(isCronExpression(name), false, name);
  assert.ok(isCronExpression("# only a comment"));
});

test("isCronExpression, nextSnapshotTime: any text is an expression or is not, without an error", () => {
  const fields = fc.array(
    fc.constantFrom("*", "*/2", "1-5", "?", "L", "0", "31", "fri", "#", "x"),
    {
      maxLength: 8,
    },
  );
  const texts = fc.oneof(
    fc.string(),
    fields.map((all) => all.join(" ")),
  );
  fc.assert(
    fc.property(texts, (text) => {
      isCronExpression(text);
      const time = nextSnapshotTime({ cron: [text] }, undefined, at("2026-01-01T12:00:00Z"));
      assert.ok(time === undefined || time > at("2026-01-01T12:00:00Z"));
    }),
    { numRuns: numRuns() },
  );
});

const LOAD = `
import { registerHooks } from "node:module";
registerHooks({ resolve(name, context, next) {
  if (name === "croner") console.log("loaded");
  return next(name, context);
} });
const { isCronExpression } = await import(process.argv[1]);
console.log("before");
isCronExpression("0 0 * * *");
`;

test("the library for crontab expressions is loaded by the first of them", () => {
  const index = new URL("./index.ts", import.meta.url).href;
  const args = ["--input-type=module", "--eval", LOAD, index];
  const output = execFileSync(process.execPath, args, { encoding: "utf8" });
  assert.deepEqual(output.trim().split("\n"), ["before", "loaded"]);
});
