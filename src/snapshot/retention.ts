/**
 * Which snapshots of one source are kept, and why. Pure but for the local time zone, in which Kopia takes cut-offs
 * and weeks. Spec: kopia-snapshots 5.7.
 */
import type { RetentionPolicy } from "./policy.ts";
import type { SnapshotManifest } from "./types.ts";

const NS_PER_MS = 1_000_000n;
const HOUR_NS = 3_600_000_000_000n;
const MAX_INCOMPLETE_AGE_NS = 4n * HOUR_NS;
/** So many of the newest incomplete ones stay, whatever their age. */
const KEEP_INCOMPLETE = 3;

type Subject = Pick<SnapshotManifest, "startTimeNs" | "endTimeNs" | "incomplete">;

interface RetentionClass {
  readonly name: string;
  /** How many; 0: the class keeps nothing. */
  readonly count: number;
  /** Older snapshots do not count. */
  readonly cutoffNs: bigint | undefined;
  /** Snapshots with one key share a place. */
  readonly key: (snapshot: Subject, index: number) => string;
}

/** The order in which reasons are listed. */
const DISPLAY_ORDER = ["latest", "hourly", "daily", "weekly", "monthly", "annual", "incomplete"];

/** Why each snapshot of one source is kept (`latest-1`, `incomplete`), in the order given; no reason and no pin: expired. */
export function retentionReasons(
  snapshots: readonly Subject[],
  policy: RetentionPolicy,
): readonly (readonly string[])[] {
  const order = snapshots
    .map((_, index) => index)
    .toSorted((a, b) => newestFirst(snapshots[a] as Subject, snapshots[b] as Subject));
  const sorted = order.map((index) => snapshots[index] as Subject);
  const reasons = keepComplete(sorted, classesOf(sorted, policy));
  keepIncomplete(sorted, reasons);
  const result: string[][] = snapshots.map(() => []);
  for (const [position, index] of order.entries())
    result[index] = (reasons[position] as string[]).toSorted(byDisplayOrder);
  return result;
}

function newestFirst(a: Subject, b: Subject): number {
  if (a.startTimeNs !== b.startTimeNs) return a.startTimeNs > b.startTimeNs ? -1 : 1;
  return a.endTimeNs === b.endTimeNs ? 0 : a.endTimeNs > b.endTimeNs ? -1 : 1;
}

function byDisplayOrder(a: string, b: string): number {
  const rank = (reason: string): number => DISPLAY_ORDER.indexOf(reason.split("-")[0] as string);
  return rank(a) - rank(b);
}

/** In the order in which they take keys, which they share. */
function classesOf(sorted: readonly Subject[], policy: RetentionPolicy): readonly RetentionClass[] {
  const { keepLatest, keepHourly, keepDaily, keepWeekly, keepMonthly, keepAnnual } = policy;
  const numbers = [keepLatest, keepHourly, keepDaily, keepWeekly, keepMonthly, keepAnnual];
  const nothingSet = numbers.reduce<number>((sum, count) => sum + (count ?? 0), 0) === 0;
  const newest = sorted.find((snapshot) => snapshot.incomplete === undefined)?.startTimeNs ?? 0n;
  const calendar = (
    name: string,
    count: number | undefined,
    cutoff: (count: number) => bigint,
    key: RetentionClass["key"],
  ): RetentionClass => ({
    name,
    count: count ?? 0,
    cutoffNs: count === undefined ? undefined : cutoff(count),
    key,
  });
  const utc =
    (length: number) =>
    (snapshot: Subject): string =>
      dateOf(snapshot.startTimeNs).toISOString().slice(0, length).replace("T", " ");
  return [
    {
      name: "latest",
      count: nothingSet ? Number.POSITIVE_INFINITY : (keepLatest ?? 0),
      cutoffNs: undefined,
      key: (_, index) => String(index),
    },
    calendar("annual", keepAnnual, (count) => localBefore(newest, count, 0, 0), utc(4)),
    calendar("monthly", keepMonthly, (count) => localBefore(newest, 0, count, 0), utc(7)),
    calendar(
      "weekly",
      keepWeekly,
      (count) => localBefore(newest, 0, 0, 7 * count),
      (snapshot) => isoWeek(snapshot.startTimeNs),
    ),
    calendar("daily", keepDaily, (count) => localBefore(newest, 0, 0, count), utc(10)),
    calendar("hourly", keepHourly, (count) => newest - BigInt(count) * HOUR_NS, utc(13)),
  ];
}

function keepComplete(sorted: readonly Subject[], classes: readonly RetentionClass[]): string[][] {
  const keys = new Set<string>();
  const counts = new Map<string, number>();
  return sorted.map((snapshot, index) => {
    const reasons: string[] = [];
    if (snapshot.incomplete !== undefined) return reasons;
    for (const one of classes) {
      const taken = counts.get(one.name) ?? 0;
      if (taken >= one.count || (one.cutoffNs !== undefined && snapshot.startTimeNs < one.cutoffNs))
        continue;
      const key = one.key(snapshot, index);
      if (keys.has(key)) continue;
      keys.add(key);
      counts.set(one.name, taken + 1);
      reasons.push(`${one.name}-${taken + 1}`);
    }
    return reasons;
  });
}

/** Incomplete ones newer than the newest complete one, while they are young or few. */
function keepIncomplete(sorted: readonly Subject[], reasons: readonly string[][]): void {
  const newest = sorted[0]?.startTimeNs ?? 0n;
  for (const [index, snapshot] of sorted.entries()) {
    if (snapshot.incomplete === undefined) return;
    if (newest - snapshot.startTimeNs >= MAX_INCOMPLETE_AGE_NS && index >= KEEP_INCOMPLETE) return;
    reasons[index]?.push("incomplete");
  }
}

function dateOf(timeNs: bigint): Date {
  return new Date(Number(timeNs / NS_PER_MS));
}

/** So many years, months or days earlier on the local calendar; days that do not exist run over. */
function localBefore(timeNs: bigint, years: number, months: number, days: number): bigint {
  const date = dateOf(timeNs);
  const belowMs = timeNs % NS_PER_MS;
  const moved = new Date(
    date.getFullYear() - years,
    date.getMonth() - months,
    date.getDate() - days,
    date.getHours(),
    date.getMinutes(),
    date.getSeconds(),
    date.getMilliseconds(),
  );
  return BigInt(moved.getTime()) * NS_PER_MS + belowMs;
}

/** ISO year and week in local time: `2024-01`. */
function isoWeek(timeNs: bigint): string {
  const date = dateOf(timeNs);
  const day = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86_400_000;
  const weekday = (((day + 3) % 7) + 7) % 7;
  const thursday = day - weekday + 3;
  const year = new Date(thursday * 86_400_000).getUTCFullYear();
  const week = Math.floor((thursday - Date.UTC(year, 0, 1) / 86_400_000) / 7) + 1;
  return `${String(year).padStart(4, "0")}-${String(week).padStart(2, "0")}`;
}
