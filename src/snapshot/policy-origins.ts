/** Which level of a merged policy each of its values comes from. Reference: kopia snapshot/policy/policy_merge.go. */
import { GLOBAL_TARGET } from "./policies.ts";
import type { PolicyLevel, PolicyTarget } from "./policy.ts";
import { type Field, isZero, POLICY_GROUPS } from "./policy-fields.ts";
import { groupOf } from "./policy-json.ts";

/** The target that defines a field, by `retention.keepLatest`; fields that nobody sets belong to the global policy. */
export type PolicyOrigins = ReadonlyMap<string, PolicyTarget>;

/** `levels` as they are merged, most specific first. Of a list that several levels add to, the most general one. */
export function policyOrigins(levels: readonly PolicyLevel[]): PolicyOrigins {
  const end = levels.findIndex(({ policy }) => policy.noParent === true);
  const used = end === -1 ? levels : levels.slice(0, end + 1);
  const origins = new Map<string, PolicyTarget>();
  for (const [path, group] of POLICY_GROUPS) {
    for (const [key, field] of Object.entries(group))
      origins.set(`${path}.${key}`, originOf(used, path, key, field)?.target ?? GLOBAL_TARGET);
  }
  return origins;
}

function originOf(
  levels: readonly PolicyLevel[],
  path: string,
  key: string,
  { merge, stop }: Field,
): PolicyLevel | undefined {
  const valueIn = (level: PolicyLevel, name: string): unknown =>
    groupOf(level.policy, path)?.[name];
  switch (merge) {
    case "first":
      return levels.find((level) => valueIn(level, key) !== undefined);
    case "nonZero":
      return levels.find((level) => !isZero(valueIn(level, key)));
    case "own":
      return levels[0];
    case "union":
    case "times": {
      const last = levels.findIndex((level) => valueIn(level, stop as string) === true);
      const adding = last === -1 ? levels : levels.slice(0, last + 1);
      return adding.findLast((level) => !isZero(valueIn(level, key)));
    }
  }
}
