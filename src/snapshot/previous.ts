/** Directories of earlier snapshots, to find what has not changed. Spec: kopia-snapshots 4.2, 4.3. */
import type { CallOptions } from "../bytes/index.ts";
import { type ErrorCode, SejfError } from "../errors/index.ts";
import type { ContentReader } from "../format/index.ts";
import type { EntryStat } from "../node/index.ts";
import type { ObjectId } from "../object/index.ts";
import { readDirectory } from "./read-directory.ts";
import type { DirectorySummary, DirEntry } from "./types.ts";

/** What makes an earlier directory useless, but not the upload: it is then read anew. */
const UNREADABLE: ReadonlySet<ErrorCode> = new Set([
  "SEJF_CONTENT_NOT_FOUND",
  "SEJF_BLOB_NOT_FOUND",
  "SEJF_CORRUPT",
  "SEJF_INVALID_ID",
  "SEJF_UNSUPPORTED",
]);

export interface PreviousDirectory {
  readonly object: ObjectId;
  readonly entries: ReadonlyMap<string, DirEntry>;
  readonly summary: DirectorySummary | undefined;
}

/** The entries of a directory object by name; the reason where it cannot be read. */
export async function loadPrevious(
  contents: ContentReader,
  object: ObjectId,
  options: CallOptions,
): Promise<PreviousDirectory | SejfError> {
  try {
    const directory = await readDirectory(contents, object, options);
    return {
      object,
      entries: new Map(directory.entries.map((entry) => [entry.name, entry])),
      summary: directory.summary,
    };
  } catch (error) {
    if (error instanceof SejfError && UNREADABLE.has(error.code)) return error;
    throw error;
  }
}

/** An earlier entry with the same name, kind, time, mode, owner and size; the first directory that has one. */
export function findUnchanged(
  previous: readonly PreviousDirectory[],
  name: string,
  type: string,
  stat: EntryStat,
): DirEntry | undefined {
  for (const { entries } of previous) {
    const entry = entries.get(name);
    if (entry === undefined || entry.type !== type) continue;
    const { mtimeNs, mode, uid, gid, sizeBytes } = entry;
    const same =
      mtimeNs === stat.mtimeNs && sizeBytes === stat.sizeBytes && mode === (stat.mode & 0o7777);
    if (same && uid === stat.uid && gid === stat.gid) return entry;
  }
  return undefined;
}

/** Objects of the same-named child directories, each once. */
export function previousChildren(
  previous: readonly PreviousDirectory[],
  name: string,
): readonly ObjectId[] {
  const objects = new Set<ObjectId>();
  for (const { entries } of previous) {
    const entry = entries.get(name);
    if (entry?.type === "d") objects.add(entry.object);
  }
  return [...objects];
}

/** Whether two summaries say the same, apart from errors, of which neither may have any. */
export function isSameCleanSummary(a: DirectorySummary, b: DirectorySummary | undefined): boolean {
  return (
    b !== undefined &&
    a.sizeBytes === b.sizeBytes &&
    a.files === b.files &&
    a.symlinks === b.symlinks &&
    a.directories === b.directories &&
    a.maxTimeNs === b.maxTimeNs &&
    [a, b].every(
      ({ failed, ignoredErrors, errors, incomplete }) =>
        failed + ignoredErrors + errors.length === 0 && incomplete === undefined,
    )
  );
}
