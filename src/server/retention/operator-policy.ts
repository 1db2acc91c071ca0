/**
 * The retention policy that counts for an append-only account: the server's operator's. What is stored for all or for a
 * host, no account can write. What is stored for the user or a path may be older than the append-only setting, or the
 * client's: it can make what is kept more, never less.
 */
import type { CallOptions } from "../../bytes/index.ts";
import type { ManifestStore } from "../../manifest/index.ts";
import {
  effectivePolicy,
  policyLevels,
  type RetentionPolicy,
  type SnapshotSource,
} from "../../snapshot/index.ts";

const NUMBERS = [
  "keepLatest",
  "keepHourly",
  "keepDaily",
  "keepWeekly",
  "keepMonthly",
  "keepAnnual",
] as const satisfies readonly (keyof RetentionPolicy)[];

/** @throws SEJF_CORRUPT for a policy that cannot be read. */
export async function operatorRetention(
  manifests: ManifestStore,
  source: SnapshotSource,
  options: CallOptions = {},
): Promise<RetentionPolicy> {
  const ofHost = { username: "", hostname: source.hostname, path: "" };
  const { retention } = await effectivePolicy(manifests, ofHost, options);
  // With nothing set everything is kept: no number can be more than that.
  if (NUMBERS.every((name) => (retention[name] ?? 0) === 0)) return retention;
  const levels = await policyLevels(manifests, source, options);
  const own = levels.filter(({ target }) => target.username !== "");
  const widest: { -readonly [Name in keyof RetentionPolicy]: RetentionPolicy[Name] } = {
    ...retention,
  };
  for (const name of NUMBERS)
    for (const { policy } of own) {
      const wanted = policy.retention[name];
      if (wanted !== undefined) widest[name] = Math.max(wanted, widest[name] ?? 0);
    }
  return widest;
}
