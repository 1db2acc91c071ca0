/** Merging the levels of a policy, most specific first. Spec: kopia-snapshots 5.3, 5.4. */
import type { JsonObject } from "./json-fields.ts";
import { compareNames } from "./names.ts";
import type { Policy, TimeOfDay } from "./policy.ts";
import { type Field, isZero, POLICY_GROUPS } from "./policy-fields.ts";
import { DEFAULT_POLICY, groupOf, setGroup } from "./policy-json.ts";

/**
 * `levels` most specific first, the target's own (or an empty policy) in front. A level that wants no parent ends the
 * merge at once: neither the defaults nor the folder actions are applied then.
 */
export function mergePolicies(levels: readonly Policy[]): Policy {
  const end = levels.findIndex((level) => level.noParent === true);
  const used = end === -1 ? [...levels, DEFAULT_POLICY] : levels.slice(0, end + 1);
  const merged: Record<string, unknown> = {};
  for (const [path, group] of POLICY_GROUPS) {
    const values: Record<string, unknown> = {};
    for (const [key, rule] of Object.entries(group)) {
      if (rule.merge === "own" && end !== -1) continue;
      const value = mergeField(
        key,
        rule,
        used.map((level) => groupOf(level, path) ?? {}),
      );
      if (value !== undefined) values[key] = value;
    }
    setGroup(merged, path, values);
  }
  return merged as unknown as Policy;
}

function mergeField(key: string, { merge, stop }: Field, levels: readonly JsonObject[]): unknown {
  switch (merge) {
    case "first":
      return levels.find((level) => level[key] !== undefined)?.[key];
    case "nonZero":
      return levels.find((level) => !isZero(level[key]))?.[key];
    case "own":
      return levels[0]?.[key];
    case "union": {
      const all = untilStop(levels, stop as string).flatMap(
        (level) => (level[key] as readonly string[] | undefined) ?? [],
      );
      return all.length === 0 ? undefined : [...new Set(all)].toSorted(compareNames);
    }
    case "times": {
      const all = untilStop(levels, stop as string).flatMap(
        (level) => (level[key] as readonly TimeOfDay[] | undefined) ?? [],
      );
      return all.length === 0 ? undefined : sortedTimes(all);
    }
  }
}

function untilStop(levels: readonly JsonObject[], stop: string): readonly JsonObject[] {
  const end = levels.findIndex((level) => level[stop] === true);
  return end === -1 ? levels : levels.slice(0, end + 1);
}

function sortedTimes(times: readonly TimeOfDay[]): readonly TimeOfDay[] {
  const byMinute = new Map(times.map((time) => [time.hour * 60 + time.min, time]));
  return [...byMinute].toSorted(([a], [b]) => a - b).map(([, time]) => time);
}
