/** Trees put straight into a repository, without local files: what tests of stored snapshots work on. */
import type { TimestampNs } from "../bytes/index.ts";
import { openObject, writeObject } from "../object/index.ts";
import type { ManifestId } from "../manifest/index.ts";
import type { Repository } from "../repository/types.ts";
import {
  type DirectorySummary,
  type DirEntry,
  encodeDirectory,
  listDirectory,
  saveSnapshot,
  type SnapshotManifest,
  type SnapshotSource,
  sortEntries,
  summaryOf,
} from "../snapshot/index.ts";

/** A file by its text, a symlink by its target, or a directory. */
export type TreeModel = { readonly [name: string]: string | Symlink | TreeModel };

export interface Symlink {
  readonly link: string;
}

export const TREE_TIME: TimestampNs = 1_767_323_045_123_456_789n;

const ATTRIBUTES = { mtimeNs: TREE_TIME, uid: 1, gid: 2 };

/** Bytes as they are, directories sorted, summaries as an upload makes them. */
export async function storeTree(
  repository: Repository,
  model: TreeModel,
  name = "tree",
): Promise<DirEntry> {
  const entries: DirEntry[] = [];
  for (const [child, value] of Object.entries(model)) {
    if (typeof value === "string") entries.push(await storeFile(repository, child, value, "f"));
    else if (typeof value["link"] === "string")
      entries.push(await storeFile(repository, child, value["link"], "s"));
    else entries.push(await storeTree(repository, value as TreeModel, child));
  }
  return await storeDirectory(repository, name, entries, summaryOf(entries, TREE_TIME));
}

export async function storeDirectory(
  repository: Repository,
  name: string,
  entries: readonly DirEntry[],
  summary: DirectorySummary,
): Promise<DirEntry> {
  const bytes = encodeDirectory({ entries: sortEntries([...entries]), summary });
  const options = { format: repository.parameters, prefix: "k" as const };
  const { id: object } = await writeObject(repository.contents, bytes, options);
  return { name, type: "d", mode: 0o755, sizeBytes: 0, object, summary, ...ATTRIBUTES };
}

async function storeFile(
  repository: Repository,
  name: string,
  text: string,
  type: "f" | "s",
): Promise<DirEntry> {
  const options = { format: repository.parameters, prefix: "" as const };
  const { id: object, sizeBytes } = await writeObject(repository.contents, text, options);
  return { name, type, mode: 0o644, sizeBytes, object, ...ATTRIBUTES };
}

/** Everything below an entry as a model again. */
export async function loadTree(repository: Repository, entry: DirEntry): Promise<TreeModel> {
  const model: Record<string, TreeModel[string]> = {};
  const { entries } = await listDirectory(repository, entry.object);
  for (const child of entries) {
    if (child.type === "d") model[child.name] = await loadTree(repository, child);
    else {
      const text = await textOf(repository, child);
      model[child.name] = child.type === "s" ? { link: text } : text;
    }
  }
  return model;
}

export async function textOf(repository: Repository, { object }: DirEntry): Promise<string> {
  const reader = await openObject(repository.contents, object);
  return new TextDecoder().decode(await reader.readRange(0, reader.sizeBytes));
}

export interface StoredSnapshotOptions {
  readonly source?: Partial<SnapshotSource> | undefined;
  readonly startTimeNs?: TimestampNs | undefined;
  readonly incomplete?: string | undefined;
  readonly pins?: readonly string[] | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly unknown?: Readonly<Record<string, unknown>> | undefined;
}

/** A snapshot of a stored tree, pending like any other. */
export async function storeSnapshot(
  repository: Repository,
  rootEntry: DirEntry,
  options: StoredSnapshotOptions = {},
): Promise<SnapshotManifest> {
  const { source, startTimeNs = TREE_TIME, incomplete, pins = [], tags = {} } = options;
  const counts = { excludedFileCount: 0, excludedDirCount: 0, ignoredErrorCount: 0 };
  const sizes = { totalSize: 7, excludedTotalSize: 0, fileCount: 1, cachedFiles: 0 };
  return await saveSnapshot(repository, {
    id: "" as ManifestId,
    source: { username: "user", hostname: "host", path: "/tree", ...source },
    description: "stored",
    startTimeNs,
    endTimeNs: startTimeNs + 1_000_000_000n,
    stats: { ...sizes, ...counts, nonCachedFiles: 1, dirCount: 1, errorCount: 0 },
    rootEntry,
    tags,
    pins,
    unknown: options.unknown ?? {},
    ...(incomplete === undefined ? {} : { incomplete }),
  });
}
