/** The sources of `snapshot create`: all that there are, others in their place, and those made by hand alone. */
import type { ClientIdentity, Repository } from "../../repository/index.ts";
import {
  effectivePolicy,
  EMPTY_POLICY,
  getPolicy,
  listSnapshots,
  parseSource,
  setPolicy,
  type SnapshotSource,
} from "../../snapshot/index.ts";
import type { CommandContext } from "../context.ts";
import { usageError } from "../usage-error.ts";

/** Paths of this user and host that were backed up before and are not to be backed up by hand only. */
export async function allSources(
  context: CommandContext,
  repository: Repository,
): Promise<readonly string[]> {
  const { signal } = context;
  const { username, hostname } = repository.identity;
  const snapshots = await listSnapshots(repository, { source: { username, hostname }, signal });
  const paths: string[] = [];
  for (const path of new Set(snapshots.map(({ source }) => source.path))) {
    const source = { username, hostname, path };
    const policy = await effectivePolicy(repository.manifests, source, { signal });
    if (policy.scheduling.manual !== true) paths.push(path);
  }
  return paths;
}

/** `--override-source`. @throws SEJF_INVALID_ARGUMENT unless it has a user, a host and a path. */
export function overridingSource(given: string, identity: ClientIdentity): SnapshotSource {
  const withoutPath = given === "(global)" || /^[^:]*@[^:]*$/.test(given);
  const source = withoutPath ? undefined : parseSource(given, identity);
  if (source === undefined || source.path === "")
    throw usageError(
      `--override-source: ${JSON.stringify(given)} does not resolve into host, user and path`,
      "expected user@host:/path, or a path of this user and host",
    );
  return source;
}

/** Says in the source's own policy that no schedule is for it. @throws SEJF_INVALID_ARGUMENT when it has one. */
export async function setManual(repository: Repository, source: SnapshotSource): Promise<void> {
  const stored = await getPolicy(repository.manifests, source);
  const policy = stored?.policy ?? EMPTY_POLICY;
  if (policy.scheduling.manual === true) return;
  const scheduling = { ...policy.scheduling, manual: true };
  await setPolicy(repository.manifests, source, { ...policy, scheduling });
}
