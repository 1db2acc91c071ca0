/**
 * Kopia's rules of access, as its server has them, for tests that show an attack before they show that ours refuses it.
 * Spec: kopia-server 8. Never used by the program.
 */
import type { Labels } from "../manifest/index.ts";
import type { AccessLevel, AclEntry, Account } from "../server/index.ts";

const LEVELS: readonly AccessLevel[] = ["NONE", "READ", "APPEND", "FULL"];

/** Without entries. */
export function kopiaLegacyLevel({ name, hostname }: Account, labels: Labels): AccessLevel {
  if (labels["type"] === "policy") {
    if (labels["policyType"] === "global") return "READ";
    if (labels["policyType"] === "host" && labels["hostname"] === hostname) return "READ";
  }
  return `${labels["username"] ?? ""}@${labels["hostname"] ?? ""}` === name ? "FULL" : "NONE";
}

/** With entries: the highest of those whose pairs the labels contain. */
export function kopiaAclLevel(
  entries: readonly AclEntry[],
  { username, hostname }: Account,
  labels: Labels,
): AccessLevel {
  let highest = 0;
  for (const { user, target, access } of entries) {
    const [name, host] = user.split("@");
    if (name !== "*" && name !== username) continue;
    if (host !== "*" && host !== hostname) continue;
    const matches = Object.entries(target).every(
      ([key, value]) =>
        labels[key] === value.replaceAll("OWN_USER", username).replaceAll("OWN_HOST", hostname),
    );
    if (matches) highest = Math.max(highest, LEVELS.indexOf(access));
  }
  return LEVELS[highest] ?? "NONE";
}
