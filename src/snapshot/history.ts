/** Copying or moving snapshots to another user, host or path: only manifests change. Reference: kopia cli/command_snapshot_copy_move_history.go. */
import type { CallOptions } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { ClientIdentity, Repository } from "../repository/index.ts";
import { editSnapshot } from "./manifest-edit.ts";
import { parseSource } from "./source.ts";
import type { SnapshotManifest, SnapshotSource } from "./types.ts";
import { loadSnapshots } from "./verify-roots.ts";

/** `user@host`, `@host`, `user@host:/path` or a path of this client; absent parts are empty. @throws SEJF_INVALID_ARGUMENT. */
export function parsePartialSource(text: string, identity: ClientIdentity): SnapshotSource {
  const at = text.indexOf("@");
  if (at === -1 || text.includes(":")) return parseSource(text, identity);
  const hostname = text.slice(at + 1);
  if (hostname === "")
    throw new SejfError("SEJF_INVALID_ARGUMENT", `invalid hostname in ${JSON.stringify(text)}`);
  return { username: text.slice(0, at), hostname, path: "" };
}

/** What becomes of one snapshot. */
export interface HistoryStep {
  readonly snapshot: SnapshotManifest;
  readonly destination: SnapshotSource;
  /** `exists`: the destination has one with the same start and root; a move then deletes the source's. */
  readonly outcome: "copied" | "exists";
}

export interface HistoryOptions extends CallOptions {
  /** Sources are deleted. */
  readonly move: boolean;
  readonly dryRun: boolean;
}

/**
 * The parts of `destination` that are given replace those of the source; pending until the repository is flushed.
 * @throws SEJF_INVALID_ARGUMENT where snapshots of several users or paths would be thrown together; SEJF_CORRUPT for a
 * snapshot that cannot be read, before anything is changed.
 */
export async function* copyHistory(
  repository: Repository,
  source: SnapshotSource,
  destination: SnapshotSource,
  options: HistoryOptions,
): AsyncGenerator<HistoryStep, void, void> {
  const { signal, move, dryRun } = options;
  if (destination.path !== "" && source.path === "")
    throw new SejfError("SEJF_INVALID_ARGUMENT", "path specified on destination but not source");
  if (destination.username !== "" && source.username === "")
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      "username specified on destination but not source",
    );
  const present = new Set((await readable(repository, destination, signal)).map(identityOf));
  for (const snapshot of await readable(repository, source, signal)) {
    const target = overridden(snapshot.source, destination);
    if (sameSource(target, snapshot.source)) continue;
    const moved = { ...snapshot, source: target };
    const exists = present.has(identityOf(moved));
    if (!exists) present.add(identityOf(moved));
    if (!dryRun && !exists)
      await editSnapshot(repository, snapshot.id, { source: target }, { signal, keepOld: !move });
    if (!dryRun && exists && move) await repository.manifests.delete(snapshot.id, { signal });
    yield { snapshot, destination: target, outcome: exists ? "exists" : "copied" };
  }
}

async function readable(
  repository: Repository,
  source: SnapshotSource,
  signal: AbortSignal | undefined,
): Promise<readonly SnapshotManifest[]> {
  const { snapshots, unreadable } = await loadSnapshots(repository, source, { signal });
  const [first] = unreadable;
  if (first === undefined) return snapshots;
  throw new SejfError("SEJF_CORRUPT", `snapshot ${first.id} cannot be read: ${first.message}`);
}

/** Two snapshots with the same source, start and root are the same. */
function identityOf({ source, startTimeNs, rootEntry }: SnapshotManifest): string {
  return JSON.stringify([
    source.username,
    source.hostname,
    source.path,
    String(startTimeNs),
    rootEntry?.object ?? "",
  ]);
}

function overridden(source: SnapshotSource, by: SnapshotSource): SnapshotSource {
  return {
    username: by.username || source.username,
    hostname: by.hostname || source.hostname,
    path: by.path || source.path,
  };
}

function sameSource(a: SnapshotSource, b: SnapshotSource): boolean {
  return a.username === b.username && a.hostname === b.hostname && a.path === b.path;
}
