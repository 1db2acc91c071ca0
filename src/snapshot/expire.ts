/** Expiring snapshots by the policies of their sources, and why the others stay. */
import type { CallOptions } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { Repository } from "../repository/index.ts";
import { isServersTask } from "./apply-retention.ts";
import { effectivePolicy } from "./policies.ts";
import { retentionReasons } from "./retention.ts";
import { formatSource } from "./source.ts";
import type { SnapshotManifest, SnapshotSource } from "./types.ts";
import { loadSnapshots, manifestDamage } from "./verify-roots.ts";

export interface RetentionDecision {
  readonly snapshot: SnapshotManifest;
  /** `latest-1`, `incomplete`, `pin:name`; none: it expires. */
  readonly reasons: readonly string[];
}

/**
 * What the policy says of each snapshot of exactly this source, oldest first. @throws SEJF_CORRUPT for a policy or a
 * snapshot that cannot be read: without it the others would be judged wrongly.
 */
export async function retentionDecisions(
  repository: Repository,
  source: SnapshotSource,
  options: CallOptions = {},
): Promise<readonly RetentionDecision[]> {
  const { snapshots, unreadable } = await loadSnapshots(repository, source, options);
  const [first] = unreadable;
  if (first !== undefined) {
    throw new SejfError(
      "SEJF_CORRUPT",
      `snapshot ${first.id} of ${formatSource(source)} cannot be read: ${first.message}`,
    );
  }
  const policy = await effectivePolicy(repository.manifests, source, options);
  const reasons = retentionReasons(snapshots, policy.retention);
  return snapshots.map((snapshot, index) => ({
    snapshot,
    reasons: [...(reasons[index] ?? []), ...snapshot.pins.map((pin) => `pin:${pin}`)],
  }));
}

/**
 * As `retentionDecisions`, and deletes what expires unless `dryRun`, pending until the repository is flushed. Of the
 * client's own source behind a server it is the server that decides and deletes. @throws SEJF_CORRUPT, before anything
 * is deleted, also while manifests cannot be read.
 */
export async function expireSnapshots(
  repository: Repository,
  source: SnapshotSource,
  options: CallOptions & { readonly dryRun?: boolean | undefined } = {},
): Promise<readonly RetentionDecision[]> {
  const { signal, dryRun = false } = options;
  const decisions = await retentionDecisions(repository, source, { signal });
  const [damage] = dryRun ? [] : await manifestDamage(repository, { signal });
  if (damage !== undefined) {
    throw new SejfError("SEJF_CORRUPT", damage.message, {
      hint: "nothing was expired: newer snapshots or the policy may be among what is lost",
    });
  }
  if (isServersTask(repository, source)) {
    const ids = new Set(await repository.applyRetention(source.path, !dryRun, { signal }));
    return decisions.map(({ snapshot, reasons }) => ({
      snapshot,
      reasons: ids.has(snapshot.id) ? [] : reasons.length > 0 ? reasons : ["kept-by-the-server"],
    }));
  }
  for (const { snapshot, reasons } of decisions)
    if (!dryRun && reasons.length === 0) await repository.manifests.delete(snapshot.id, { signal });
  return decisions;
}
