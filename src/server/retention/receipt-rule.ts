/**
 * Which snapshots of an append-only account stay. Its client may have been taken over: it says when it likes that a
 * snapshot began, sends as many as it likes, and wants the good ones gone. So the server's time of receipt decides, and
 *  - nothing younger than the minimum age goes;
 *  - what ordinary retention would keep stays, and what it would have kept at the minimum age ago, when nothing that came
 *    since was there: whatever is sent, a good snapshot loses its place only when that much time has passed;
 *  - of each day, week, month and year it is also the first one that stays, which nothing that comes later can displace,
 *    and "the latest" are also counted in days.
 * Claimed times that are older than the receipt count too, beside it and never against it: of histories that the operator
 * brought in, all was received on one day. Pure.
 */
import { retentionReasons, type RetentionPolicy } from "../../snapshot/index.ts";
import type { TimestampNs } from "../../bytes/index.ts";

const NS_PER_MS = 1_000_000n;
const HOUR_MS = 3_600_000;
const DAY_MS: number = 24 * HOUR_MS;
const WEEK_MS: number = 7 * DAY_MS;
/** 1970 began on a Thursday, weeks begin on Mondays. */
const MONDAY_MS: number = 3 * DAY_MS;

export interface ReceivedSnapshot {
  /** By the server's clock. */
  readonly receivedNs: TimestampNs;
  /** As the client says. */
  readonly startTimeNs: TimestampNs;
  readonly endTimeNs: TimestampNs;
  readonly incomplete?: string | undefined;
  readonly pins: readonly string[];
}

export interface ReceiptRule {
  /** The operator's. */
  readonly policy: RetentionPolicy;
  readonly nowNs: TimestampNs;
  readonly minimumAgeNs: TimestampNs;
}

/** For each snapshot of one source, whether it stays. */
export function staysByReceipt(
  snapshots: readonly ReceivedSnapshot[],
  { policy, nowNs, minimumAgeNs }: ReceiptRule,
): readonly boolean[] {
  const before = nowNs - minimumAgeNs;
  const kept = new Set([...keptAt(snapshots, policy, nowNs), ...keptAt(snapshots, policy, before)]);
  // What was received in the future, because the clock was wrong then or is now, counts for nothing and stays.
  return snapshots.map((one) => one.pins.length > 0 || one.receivedNs > before || kept.has(one));
}

/** What would be kept if this were the time, and nothing had come since. */
function keptAt(
  snapshots: readonly ReceivedSnapshot[],
  policy: RetentionPolicy,
  timeNs: TimestampNs,
): readonly ReceivedSnapshot[] {
  const known = snapshots.filter(({ receivedNs }) => receivedNs <= timeNs);
  const byReceipt = known.map(({ receivedNs, incomplete }) => ({
    startTimeNs: receivedNs,
    endTimeNs: receivedNs,
    incomplete,
  }));
  const byClaim = known.map((one) => ({
    startTimeNs: earlier(one.startTimeNs, one.receivedNs),
    endTimeNs: earlier(one.endTimeNs, one.receivedNs),
    incomplete: one.incomplete,
  }));
  const received = retentionReasons(byReceipt, policy);
  const claimed = retentionReasons(byClaim, policy);
  const isReason = (index: number): boolean =>
    (received[index]?.length ?? 0) + (claimed[index]?.length ?? 0) > 0;
  return [...known.filter((_, index) => isReason(index)), ...firstsOf(known, policy)];
}

interface Period {
  readonly count: number | undefined;
  /** The number of the period in which this is, in UTC. */
  readonly indexOf: (timeMs: number) => number;
}

/** The first complete one of each of the newest periods, as many as the policy says and the one before. */
function firstsOf(
  snapshots: readonly ReceivedSnapshot[],
  policy: RetentionPolicy,
): readonly ReceivedSnapshot[] {
  const day = (timeMs: number): number => Math.floor(timeMs / DAY_MS);
  const periods: readonly Period[] = [
    { count: policy.keepHourly, indexOf: (timeMs) => Math.floor(timeMs / HOUR_MS) },
    { count: policy.keepDaily, indexOf: day },
    { count: policy.keepWeekly, indexOf: (timeMs) => Math.floor((timeMs + MONDAY_MS) / WEEK_MS) },
    { count: policy.keepMonthly, indexOf: monthOf },
    { count: policy.keepAnnual, indexOf: (timeMs) => new Date(timeMs).getUTCFullYear() },
  ];
  const complete = snapshots
    .filter(({ incomplete }) => incomplete === undefined)
    .toSorted((a, b) => (a.receivedNs < b.receivedNs ? -1 : 1));
  const newest = complete.at(-1);
  if (newest === undefined) return [];
  const newestMs = msOf(newest.receivedNs);
  const kept = periods.flatMap(({ count = 0, indexOf }) =>
    count === 0 ? [] : firsts(complete, indexOf, indexOf(newestMs) - count),
  );
  const latestDays = firsts(complete, day, Number.NEGATIVE_INFINITY);
  const keepLatest = policy.keepLatest ?? 0;
  return [...kept, ...(keepLatest === 0 ? [] : latestDays.slice(-keepLatest))];
}

/** `sorted` ascending; no period before `oldest`. */
function firsts(
  sorted: readonly ReceivedSnapshot[],
  indexOf: Period["indexOf"],
  oldest: number,
): readonly ReceivedSnapshot[] {
  let before: number | undefined;
  return sorted.filter(({ receivedNs }) => {
    const index = indexOf(msOf(receivedNs));
    if (index === before) return false;
    before = index;
    return index >= oldest;
  });
}

function monthOf(timeMs: number): number {
  const date = new Date(timeMs);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

function msOf(timeNs: TimestampNs): number {
  return Number(timeNs / NS_PER_MS);
}

function earlier(a: TimestampNs, b: TimestampNs): TimestampNs {
  return a < b ? a : b;
}
