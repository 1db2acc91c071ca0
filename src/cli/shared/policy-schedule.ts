/** The schedule part of `policy set`. Reference: kopia cli/command_policy_set_scheduling.go. */
import { formatDuration } from "../../bytes/index.ts";
import type { Policy, TimeOfDay } from "../../snapshot/index.ts";
import { usageError } from "../usage-error.ts";
import { isReset, type PolicyChanges } from "./policy-changes.ts";
import { INHERIT } from "./policy-words.ts";

const NS_PER_S = 1_000_000_000n;

export interface ScheduleFlagValues {
  /** Nanoseconds. */
  readonly snapshotInterval: bigint | undefined;
  readonly snapshotTime: readonly string[];
  readonly snapshotTimeCrontab: string | undefined;
  readonly runMissed: string | undefined;
  readonly manual: boolean | undefined;
}

/** @throws SEJF_INVALID_ARGUMENT. */
export function changeSchedule(changes: PolicyChanges, flags: ScheduleFlagValues): void {
  const { snapshotInterval, snapshotTime, snapshotTimeCrontab, runMissed, manual } = flags;
  const isScheduling =
    snapshotInterval !== undefined ||
    snapshotTime.length > 0 ||
    (snapshotTimeCrontab ?? "") !== "" ||
    runMissed !== undefined;
  if (manual === true) {
    if (isScheduling) throw usageError("cannot set manual field when scheduling snapshots");
    setManual(changes);
    return;
  }
  // Other settings leave it, unlike in Kopia, where each use of the command takes it back.
  if (changes.policy.scheduling.manual === true && (isScheduling || manual === false))
    changes.set("scheduling.manual", undefined, "resetting manual snapshot field to false");
  setInterval(changes, snapshotInterval);
  setTimes(changes, snapshotTime);
  setCron(changes, snapshotTimeCrontab);
  changes.flag("scheduling.runMissed", "run missed snapshots", runMissed);
}

function setInterval(changes: PolicyChanges, interval: bigint | undefined): void {
  if (interval === undefined) return;
  if (interval < 0n) throw usageError("--snapshot-interval: a negative interval is not possible");
  const seconds = interval / NS_PER_S;
  const value = seconds === 0n ? undefined : Number(seconds);
  changes.set(
    "scheduling.intervalSeconds",
    value,
    `setting snapshot interval to ${formatDuration(seconds * NS_PER_S)}`,
  );
}

function setTimes(changes: PolicyChanges, given: readonly string[]): void {
  if (given.length === 0) return;
  const words = given.flatMap((texts) => texts.split(","));
  // What stands before the word is taken back too.
  const after = words.slice(words.findLastIndex(isReset) + 1);
  if (after.length === 0) {
    changes.set("scheduling.timeOfDay", undefined, "resetting snapshot times of day to default");
    return;
  }
  const byMinute = new Map(after.map(parseTime).map((time) => [time.hour * 60 + time.min, time]));
  const times = [...byMinute].toSorted(([a], [b]) => a - b).map(([, time]) => time);
  const shown = times.map(({ hour, min }) => `${hour}:${String(min).padStart(2, "0")}`).join(" ");
  changes.set("scheduling.timeOfDay", times, `setting snapshot times to [${shown}]`);
}

function parseTime(text: string): TimeOfDay {
  const [, hour, min] = /^(\d{1,2}):(\d{1,2})$/.exec(text.trim()) ?? [];
  const time = { hour: Number(hour), min: Number(min) };
  if (time.hour <= 23 && time.min <= 59) return time;
  throw usageError(
    `invalid time of day ${JSON.stringify(text)}, must be HH:MM`,
    `give times from 0:00 to 23:59, or ${INHERIT}`,
  );
}

function setCron(changes: PolicyChanges, given: string | undefined): void {
  if (given === undefined || given === "") return;
  const expressions = isReset(given)
    ? []
    : given
        .split(";")
        .map((part) => part.trim())
        .filter((part) => part !== "");
  if (expressions.length === 0)
    changes.set("scheduling.cron", undefined, "resetting cron snapshot times to default");
  else
    changes.set(
      "scheduling.cron",
      expressions,
      `setting cron snapshot times to [${expressions.join(" ")}]`,
    );
}

/** Nothing of the schedule may stand beside it. */
function setManual(changes: PolicyChanges): void {
  const { scheduling } = changes.policy;
  for (const [field, what] of [
    ["intervalSeconds", "snapshot interval"],
    ["timeOfDay", "snapshot times of day"],
    ["noParentTimeOfDay", "inheritance of times of day"],
    ["cron", "cron snapshot times"],
    ["runMissed", "run missed snapshots"],
  ] as const) {
    if (scheduling[field] !== undefined)
      changes.set(`scheduling.${field}`, undefined, `resetting ${what} to default`);
  }
  const policy: Policy = {
    ...changes.policy,
    scheduling: { ...changes.policy.scheduling, manual: true },
  };
  changes.replace(policy, "setting manual snapshot field to true");
}
