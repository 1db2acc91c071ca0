/** Agreed signatures whose bodies follow file by file. */
import type { CallOptions, TimestampNs } from "../bytes/index.ts";
import type { LocalName } from "../format/index.ts";
import type { ObjectId } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import type { RestoreOptions, RestoreSummary } from "./restore-types.ts";
import type { DirEntry, Directory, SnapshotManifest } from "./types.ts";

// --- reading ---
/** The entries of a directory object. @throws SEJF_NOT_FOUND (not a directory), SEJF_CORRUPT, SEJF_CONTENT_NOT_FOUND. */
export declare function listDirectory(
  repository: Repository,
  object: ObjectId,
  options?: CallOptions,
): Promise<Directory>;
export interface ResolvedObject {
  /** Name, type, attributes and object; of a bare object ID made up as Kopia does: directory 0555, file 0644. */
  readonly entry: DirEntry;
  /** The snapshot it was found in. */
  readonly snapshot: SnapshotManifest | undefined;
  /** Below the snapshot's root, empty for the root. */
  readonly path: string;
}
/** `<snapshot ID>[/path]`, `<object ID>[/path]`, or `[user@host:]/path`: the newest snapshot that holds it. @throws SEJF_NOT_FOUND. */
export declare function resolveObjectPath(
  repository: Repository,
  text: string,
  options?: CallOptions & { readonly notAfterNs?: TimestampNs | undefined },
): Promise<ResolvedObject>;
/** The tree below an entry, in pages, parents before children; the entry itself is not given. */
export declare function walkTree(
  repository: Repository,
  root: DirEntry,
  options?: CallOptions,
): AsyncIterable<readonly { readonly path: string; readonly entry: DirEntry }[]>;

// --- restore ---
/** A directory, file or symlink from a snapshot to `target`, which becomes it. Never writes outside of `target`. */
export declare function restoreTree(
  repository: Repository,
  entry: DirEntry,
  target: LocalName,
  options?: RestoreOptions,
): Promise<RestoreSummary>;
