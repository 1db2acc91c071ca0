/** Expiring snapshots of a source by its policy: here, or by the server whose task it is. */
import type { CallOptions } from "../bytes/index.ts";
import type { Repository } from "../repository/index.ts";
import { effectivePolicy } from "./policies.ts";
import { retentionReasons } from "./retention.ts";
import { listSnapshots } from "./snapshots.ts";
import { manifestDamage } from "./verify-roots.ts";
import type { SnapshotManifest, SnapshotSource } from "./types.ts";

/** A repository whose server applies retention. */
export type ServedRepository = Repository & Required<Pick<Repository, "applyRetention">>;

/** Of the client's own source it is the server that deletes, which may be allowed to where the client is not. */
export function isServersTask(
  repository: Repository,
  { username, hostname }: SnapshotSource,
): repository is ServedRepository {
  const { identity } = repository;
  return (
    typeof repository.applyRetention === "function" &&
    username === identity.username &&
    hostname === identity.hostname
  );
}

/**
 * The snapshots of the source that no rule and no pin keeps; their manifests are deleted unless `dryRun`, pending
 * until the repository is flushed. @throws SEJF_CORRUPT for a policy or manifest that cannot be read.
 */
export async function applyRetention(
  repository: Repository,
  source: SnapshotSource,
  options: CallOptions & { readonly dryRun?: boolean | undefined } = {},
): Promise<readonly SnapshotManifest[]> {
  const { signal, dryRun = false } = options;
  if (isServersTask(repository, source)) {
    const snapshots = await listSnapshots(repository, { source, signal });
    const ids = new Set(await repository.applyRetention(source.path, !dryRun, { signal }));
    return snapshots.filter(({ id }) => ids.has(id));
  }
  const expired = await expiredSnapshots(repository, source, { signal });
  if (!dryRun) for (const { id } of expired) await repository.manifests.delete(id, { signal });
  return expired;
}

/**
 * The snapshots of the source that no rule and no pin keeps; none while the repository has manifests that cannot be
 * read, among which may be newer snapshots or the policy. @throws SEJF_CORRUPT.
 */
export async function expiredSnapshots(
  repository: Pick<Repository, "manifests">,
  source: SnapshotSource,
  options: CallOptions = {},
): Promise<readonly SnapshotManifest[]> {
  if ((await manifestDamage(repository, options)).length > 0) return [];
  const snapshots = await listSnapshots(repository, { source, signal: options.signal });
  const policy = await effectivePolicy(repository.manifests, source, options);
  const reasons = retentionReasons(snapshots, policy.retention);
  return snapshots.filter(
    (snapshot, index) => reasons[index]?.length === 0 && snapshot.pins.length === 0,
  );
}
