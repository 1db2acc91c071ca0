/** The snapshots that a command works on. One that cannot be read is told of, never left out silently. */
import type { CallOptions } from "../bytes/index.ts";
import { errorFromUnknown } from "../errors/index.ts";
import type { Labels, ManifestDamage, ManifestId } from "../manifest/index.ts";
import type { Repository } from "../repository/index.ts";
import { decodeSnapshot } from "./manifest-json.ts";
import { bySourceAndTime } from "./snapshot-order.ts";
import type { SnapshotManifest, SnapshotSource } from "./types.ts";

export interface UnreadableSnapshot {
  readonly id: ManifestId;
  readonly labels: Labels;
  readonly message: string;
}

export interface LoadedSnapshots {
  /** By source, then oldest start first. */
  readonly snapshots: readonly SnapshotManifest[];
  readonly unreadable: readonly UnreadableSnapshot[];
}

/** Of one source, or of all that match what is given of it. */
export async function loadSnapshots(
  repository: Repository,
  source: Partial<SnapshotSource>,
  options: CallOptions = {},
): Promise<LoadedSnapshots> {
  const { username = "", hostname = "", path = "" } = source;
  const labels: Labels = {
    type: "snapshot",
    ...(hostname === "" ? {} : { hostname }),
    ...(username === "" ? {} : { username }),
    ...(path === "" ? {} : { path }),
  };
  const snapshots: SnapshotManifest[] = [];
  const unreadable: UnreadableSnapshot[] = [];
  for (const item of await repository.manifests.find(labels, options)) {
    try {
      const { data } = await repository.manifests.get(item.id, options);
      snapshots.push(decodeSnapshot(item.id, data));
    } catch (error) {
      options.signal?.throwIfAborted();
      const { message } = errorFromUnknown(error, "reading the manifest");
      unreadable.push({ id: item.id, labels: item.labels, message });
    }
  }
  return { snapshots: snapshots.toSorted(bySourceAndTime), unreadable };
}

/** Contents with manifests that cannot be read: whatever is in them is missing from every list of snapshots. */
export async function manifestDamage(
  { manifests }: Pick<Repository, "manifests">,
  options: CallOptions = {},
): Promise<readonly ManifestDamage[]> {
  return (await manifests.damage?.(options)) ?? [];
}
