/**
 * When the next snapshot of a source is due. Pure but for the local time zone, in which times of day and crontab
 * expressions are meant. Spec: kopia-snapshots 5.9.
 */
import type { TimestampNs } from "../bytes/index.ts";
import { nextCronTimeMs } from "./cron.ts";
import type { SchedulingPolicy, TimeOfDay } from "./policy.ts";

const NS_PER_MS = 1_000_000n;
const NS_PER_S = 1_000_000_000n;
const DAY_MS = 24 * 60 * 60 * 1000;
const HALF_HOUR_NS = 1800n * NS_PER_S;
/** 0001-01-01T00:00:00Z: intervals are counted from it, and it stands for a snapshot that never was. */
const YEAR_ONE_NS = -62_135_596_800n * NS_PER_S;

/**
 * The start of the next snapshot, `nowNs` or later; `undefined` when nothing is scheduled. `scheduling` is of the
 * merged policy; `previousNs` is the start of the newest snapshot, `undefined` before the first one.
 */
export function nextSnapshotTime(
  scheduling: SchedulingPolicy,
  previousNs: TimestampNs | undefined,
  nowNs: TimestampNs,
): TimestampNs | undefined {
  if (scheduling.manual === true) return undefined;
  const previous = previousNs ?? YEAR_ONE_NS;
  const next = earliest([
    nextByInterval(scheduling.intervalSeconds ?? 0, previous, nowNs),
    nextTimeOfDay(scheduling.timeOfDay ?? [], nowNs),
    nextByCron(scheduling.cron ?? [], nowNs),
  ]);
  if (next === undefined) return undefined;
  return scheduling.runMissed === true && wasMissed(scheduling, previous, nowNs, next)
    ? nowNs
    : next;
}

function nextByInterval(
  seconds: number,
  previousNs: TimestampNs,
  nowNs: TimestampNs,
): TimestampNs | undefined {
  if (seconds <= 0) return undefined;
  const interval = BigInt(seconds) * NS_PER_S;
  const due = previousNs + interval;
  const whole = due - ((due - YEAR_ONE_NS) % interval);
  return whole < nowNs ? nowNs : whole;
}

/** Today, else 24 hours later, which differs from tomorrow's time where clocks change: as Kopia has it. */
function nextTimeOfDay(times: readonly TimeOfDay[], nowNs: TimestampNs): TimestampNs | undefined {
  if (times.length === 0) return undefined;
  const today = new Date(Number(floorMs(nowNs)));
  return earliest(
    times.map(({ hour, min }) => {
      const at = new Date(today);
      at.setHours(hour, min, 0, 0);
      const atNs = BigInt(at.getTime()) * NS_PER_MS;
      return nowNs > atNs ? atNs + BigInt(DAY_MS) * NS_PER_MS : atNs;
    }),
  );
}

function nextByCron(expressions: readonly string[], nowNs: TimestampNs): TimestampNs | undefined {
  const afterMs = Number(floorMs(nowNs));
  return earliest(
    expressions.map((expression) => {
      const next = nextCronTimeMs(expression, afterMs);
      return next === undefined ? undefined : BigInt(next) * NS_PER_MS;
    }),
  );
}

/** A time of day or a crontab entry came after the newest snapshot and passed, and the next one is not near. */
function wasMissed(
  { timeOfDay = [], cron = [] }: SchedulingPolicy,
  previousNs: TimestampNs,
  nowNs: TimestampNs,
  nextNs: TimestampNs,
): boolean {
  const afterPrevious = previousNs + NS_PER_S;
  const due = earliest([nextTimeOfDay(timeOfDay, afterPrevious), nextByCron(cron, afterPrevious)]);
  return due !== undefined && due < nowNs && nextNs > nowNs + HALF_HOUR_NS;
}

function earliest(times: readonly (TimestampNs | undefined)[]): TimestampNs | undefined {
  return times.reduce(
    (first, time) => (first === undefined || (time !== undefined && time < first) ? time : first),
    undefined,
  );
}

function floorMs(timeNs: TimestampNs): bigint {
  return timeNs >= 0n || timeNs % NS_PER_MS === 0n ? timeNs / NS_PER_MS : timeNs / NS_PER_MS - 1n;
}
