/** Snapshot manifests in the repository: listed, found, saved, deleted. */
import { type CallOptions, utf8ToBytes } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import type { Labels, ManifestId } from "../manifest/index.ts";
import { isObjectId } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import { decodeSnapshot, snapshotToJson } from "./manifest-json.ts";
import { bySourceAndTime } from "./snapshot-order.ts";
import type { SnapshotManifest, SnapshotSource } from "./types.ts";

const TYPE = "snapshot";
const MAX_DESCRIPTION_BYTES = 1024;
const OWN_LABELS: ReadonlySet<string> = new Set(["type", "hostname", "username", "path"]);

export interface ListSnapshotsOptions extends CallOptions {
  /** Only those of this source, or of what is given of it. */
  readonly source?: Partial<SnapshotSource> | undefined;
}

/** Complete and incomplete ones, by source, then oldest start first. @throws SEJF_CORRUPT, naming the manifest. */
export async function listSnapshots(
  repository: Pick<Repository, "manifests">,
  options: ListSnapshotsOptions = {},
): Promise<readonly SnapshotManifest[]> {
  const { username, hostname, path } = options.source ?? {};
  const labels: Labels = {
    type: TYPE,
    ...(hostname === undefined ? {} : { hostname }),
    ...(username === undefined ? {} : { username }),
    ...(path === undefined ? {} : { path }),
  };
  const found: SnapshotManifest[] = [];
  for (const { id } of await repository.manifests.find(labels, options)) {
    found.push(decodeSnapshot(id, (await repository.manifests.get(id, options)).data));
  }
  return found.toSorted(bySourceAndTime);
}

/** @throws SEJF_NOT_FOUND; SEJF_CORRUPT, naming the manifest. */
export async function loadSnapshot(
  repository: Repository,
  id: ManifestId,
  options: CallOptions = {},
): Promise<SnapshotManifest> {
  try {
    const manifest = await repository.manifests.get(id, options);
    if (manifest.labels["type"] !== TYPE) throw noSnapshot(id);
    return decodeSnapshot(id, manifest.data);
  } catch (error) {
    throw isSejfError(error, "SEJF_MANIFEST_NOT_FOUND") ? noSnapshot(id) : error;
  }
}

function noSnapshot(text: string): SejfError {
  return new SejfError("SEJF_NOT_FOUND", `there is no snapshot ${text}`, {
    hint: "`snapshot list` shows the snapshots and their IDs",
  });
}

/** By manifest ID, else all whose root is this object, oldest start first. @throws SEJF_NOT_FOUND when there is none. */
export async function findSnapshots(
  repository: Repository,
  text: string,
  options: CallOptions = {},
): Promise<readonly SnapshotManifest[]> {
  try {
    return [await loadSnapshot(repository, text as ManifestId, options)];
  } catch (error) {
    if (!isSejfError(error, "SEJF_NOT_FOUND")) throw error;
  }
  const found = isObjectId(text)
    ? (await listSnapshots(repository, options)).filter(
        (snapshot) => snapshot.rootEntry?.object === text,
      )
    : [];
  if (found.length === 0) throw noSnapshot(text);
  return found.toSorted((a, b) => (a.startTimeNs < b.startTimeNs ? -1 : 1));
}

/**
 * Saves as a new item, pending until the repository is flushed; with `replaces` the old one is deleted, as pins and
 * descriptions are changed. Gives the manifest with its new ID. @throws SEJF_INVALID_ARGUMENT.
 */
export async function saveSnapshot(
  repository: Repository,
  manifest: SnapshotManifest,
  options: CallOptions & { readonly replaces?: ManifestId | undefined } = {},
): Promise<SnapshotManifest> {
  const labels = labelsOf(manifest);
  const sorted = { ...manifest, pins: [...new Set(manifest.pins)].toSorted() };
  const data = { ...snapshotToJson(sorted), id: "" };
  const id = await repository.manifests.put(labels, data, options);
  if (options.replaces !== undefined) await repository.manifests.delete(options.replaces, options);
  return { ...sorted, id };
}

function labelsOf({ source, tags, description }: SnapshotManifest): Labels {
  const { hostname, username, path } = source;
  if (hostname === "" || username === "" || path === "") {
    throw new SejfError("SEJF_INVALID_ARGUMENT", "a snapshot needs a user, a host and a path");
  }
  assertDescription(description);
  const clash = Object.keys(tags).find((key) => OWN_LABELS.has(key));
  if (clash !== undefined)
    throw new SejfError("SEJF_INVALID_ARGUMENT", `a tag cannot be called ${clash}`);
  return { ...tags, type: TYPE, hostname, username, path };
}

/** @throws SEJF_INVALID_ARGUMENT. */
export function assertDescription(description: string): void {
  if (utf8ToBytes(description).length <= MAX_DESCRIPTION_BYTES) return;
  throw new SejfError(
    "SEJF_INVALID_ARGUMENT",
    `description is longer than ${MAX_DESCRIPTION_BYTES} bytes`,
  );
}

/** Only the manifest; contents go at maintenance. @throws SEJF_NOT_FOUND. */
export async function deleteSnapshot(
  repository: Repository,
  id: ManifestId,
  options: CallOptions = {},
): Promise<void> {
  const { id: found } = await loadSnapshot(repository, id, options);
  await repository.manifests.delete(found, options);
}

/**
 * What a new snapshot of the source is compared with: the newest complete one, then all incomplete ones that began
 * later. Spec: kopia-snapshots 4.2.
 */
export function previousSnapshots(
  snapshots: readonly SnapshotManifest[],
): readonly SnapshotManifest[] {
  let newest: SnapshotManifest | undefined;
  for (const snapshot of snapshots) {
    if (
      snapshot.incomplete === undefined &&
      (newest === undefined || snapshot.startTimeNs > newest.startTimeNs)
    )
      newest = snapshot;
  }
  const after = newest?.startTimeNs;
  const incomplete = snapshots.filter(
    (one) => one.incomplete !== undefined && (after === undefined || one.startTimeNs > after),
  );
  return newest === undefined ? incomplete : [newest, ...incomplete];
}
