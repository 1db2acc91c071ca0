/**
 * Changing a stored snapshot: its JSON and its labels are taken as they are stored, so that members which this program
 * does not know survive, and put as a new item. Spec: kopia-snapshots 3.4.
 */
import type { CallOptions } from "../bytes/index.ts";
import type { Labels, ManifestId } from "../manifest/index.ts";
import type { Repository } from "../repository/index.ts";
import { entryText } from "./dir-entry.ts";
import { asObject, type JsonObject } from "./json-fields.ts";
import { sourceToJson } from "./manifest-json.ts";
import { assertDescription } from "./snapshots.ts";
import type { DirEntry, SnapshotSource } from "./types.ts";

export interface SnapshotChanges {
  /** Sorted, each once. */
  readonly pins?: readonly string[] | undefined;
  /** At most 1024 bytes. */
  readonly description?: string | undefined;
  readonly rootEntry?: DirEntry | undefined;
  readonly source?: SnapshotSource | undefined;
}

/** A stored snapshot as it is, for another repository or for a changed copy. */
export interface RawSnapshot {
  readonly labels: Labels;
  readonly data: JsonObject;
}

/** @throws SEJF_MANIFEST_NOT_FOUND, SEJF_CORRUPT. */
export async function rawSnapshot(
  repository: Repository,
  id: ManifestId,
  options: CallOptions = {},
): Promise<RawSnapshot> {
  const { labels, data } = await repository.manifests.get(id, options);
  return { labels, data: asObject(data, `snapshot ${id}`) };
}

export function changedSnapshot(raw: RawSnapshot, changes: SnapshotChanges): RawSnapshot {
  const { pins, description, rootEntry, source } = changes;
  const data: Record<string, unknown> = { ...raw.data, id: "" };
  if (source !== undefined) data["source"] = sourceToJson(source);
  if (rootEntry !== undefined) data["rootEntry"] = JSON.parse(entryText(rootEntry)) as unknown;
  if (description !== undefined) {
    assertDescription(description);
    data["description"] = description;
  }
  if (pins !== undefined) {
    if (pins.length > 0) data["pins"] = pins;
    else delete data["pins"];
  }
  const labels = source === undefined ? raw.labels : { ...raw.labels, ...labelsOf(source) };
  return { labels, data };
}

function labelsOf({ username, hostname, path }: SnapshotSource): Labels {
  return { username, hostname, path };
}

/** Saves a changed copy, pending until the repository is flushed, and deletes the old one unless it is to be kept. */
export async function editSnapshot(
  repository: Repository,
  id: ManifestId,
  changes: SnapshotChanges,
  options: CallOptions & { readonly keepOld?: boolean | undefined } = {},
): Promise<ManifestId> {
  const { signal, keepOld = false } = options;
  const { labels, data } = changedSnapshot(await rawSnapshot(repository, id, { signal }), changes);
  const newId = await repository.manifests.put(labels, data, { signal });
  if (!keepOld) await repository.manifests.delete(id, { signal });
  return newId;
}
