/** Snapshots in the order in which they are worked on. */
import { formatSource } from "./source.ts";
import type { SnapshotManifest } from "./types.ts";

/** By source, then oldest start first. */
export function bySourceAndTime(a: SnapshotManifest, b: SnapshotManifest): number {
  const [left, right] = [formatSource(a.source), formatSource(b.source)];
  if (left !== right) return left < right ? -1 : 1;
  if (a.startTimeNs !== b.startTimeNs) return a.startTimeNs < b.startTimeNs ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}
