/** Single values of a policy, by their path in the JSON: `retention.keepLatest`, `osSnapshots.volumeShadowCopy.enable`. */
import type { Policy } from "./policy.ts";
import { groupOf, setGroup } from "./policy-json.ts";

export function policyValue(policy: Policy, path: string): unknown {
  const [group, key] = splitPath(path);
  return groupOf(policy, group)?.[key];
}

/** A copy with that value; `undefined` leaves it to the levels above. The rest stays, members nobody knows included. */
export function withPolicyValue(policy: Policy, path: string, value: unknown): Policy {
  const [group, key] = splitPath(path);
  const copy: Record<string, unknown> = { ...policy };
  setGroup(copy, group, { ...groupOf(policy, group), [key]: value });
  return copy as unknown as Policy;
}

function splitPath(path: string): readonly [group: string, key: string] {
  const cut = path.lastIndexOf(".");
  return [path.slice(0, cut), path.slice(cut + 1)];
}
