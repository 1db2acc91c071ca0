/** Pins: names in a snapshot's manifest that keep it from expiring. */
import type { CallOptions } from "../bytes/index.ts";
import type { Repository } from "../repository/index.ts";
import { editSnapshot } from "./manifest-edit.ts";
import type { SnapshotManifest } from "./types.ts";

/**
 * Adds, then removes. Gives the snapshot under its new ID, pending until the repository is flushed unless a server does it, or `undefined` when
 * nothing changed.
 */
export async function changePins(
  repository: Repository,
  snapshot: SnapshotManifest,
  add: readonly string[],
  remove: readonly string[],
  options: CallOptions = {},
): Promise<SnapshotManifest | undefined> {
  const before = new Set(snapshot.pins);
  const after = new Set(snapshot.pins);
  for (const pin of add) after.add(pin);
  for (const pin of remove) after.delete(pin);
  if (after.size === before.size && [...after].every((pin) => before.has(pin))) return undefined;
  const pins = [...after].toSorted();
  const id =
    repository.changePins === undefined
      ? await editSnapshot(repository, snapshot.id, { pins }, options)
      : await repository.changePins(snapshot.id, pins, options);
  return { ...snapshot, id, pins };
}
