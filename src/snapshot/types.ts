/** What snapshots are made of: directory entries, summaries, manifests, sources. Spec: kopia-snapshots 3. */
import type { TimestampNs } from "../bytes/index.ts";
import type { ManifestId } from "../manifest/index.ts";
import type { ObjectId } from "../object/index.ts";

/** `f` file, `d` directory, `s` symlink; others are kept when read and refused when used. */
export type EntryType = "f" | "d" | "s" | (string & { readonly __other?: never });

/** Parsed JSON by key, written back behind what is known. */
export type UnknownMembers = Readonly<Record<string, unknown>>;

export interface FailedEntry {
  /** Below the snapshot's root, with `/`. */
  readonly path: string;
  readonly error: string;
}

/** Totals of a subtree. */
export interface DirectorySummary {
  /** Bytes of all files below. */
  readonly sizeBytes: number;
  readonly files: number;
  readonly symlinks: number;
  /** This one included. */
  readonly directories: number;
  /** The newest modification below, directories included; of an empty directory its own. */
  readonly maxTimeNs: TimestampNs;
  /** `checkpoint`, `canceled`, `limit reached`; absent when complete. */
  readonly incomplete?: string | undefined;
  readonly failed: number;
  readonly ignoredErrors: number;
  readonly errors: readonly FailedEntry[];
  /** Members that this program does not know, as read; a summary that is made anew has none. */
  readonly unknown?: UnknownMembers | undefined;
}

export interface DirEntry {
  /** A lone surrogate stands for a byte that is not UTF-8; it is stored as U+FFFD. */
  readonly name: string;
  readonly type: EntryType;
  /** Permission bits with setuid, setgid and sticky where Unix has them: 0o4755. */
  readonly mode: number;
  readonly sizeBytes: number;
  readonly mtimeNs: TimestampNs;
  readonly uid: number;
  readonly gid: number;
  readonly object: ObjectId;
  /** Of a directory, and of the root of a single-file snapshot. */
  readonly summary?: DirectorySummary | undefined;
  /** Members that this program does not know, as read. */
  readonly unknown?: UnknownMembers | undefined;
}

/** A directory object. */
export interface Directory {
  /** Directories first, then all others, each by the bytes of their names. */
  readonly entries: readonly DirEntry[];
  readonly summary: DirectorySummary | undefined;
  /** Members that this program does not know, as read. */
  readonly unknown?: UnknownMembers | undefined;
}

/** Whose tree it is: `user@host:/path`. */
export interface SnapshotSource {
  readonly username: string;
  readonly hostname: string;
  readonly path: string;
}

/** Counts of the run that made a snapshot. The totals of the tree are in the root entry's summary. */
export interface SnapshotStats {
  readonly totalSize: number;
  readonly excludedTotalSize: number;
  /** Files, or parts of big files, that were read. */
  readonly fileCount: number;
  readonly cachedFiles: number;
  readonly nonCachedFiles: number;
  readonly dirCount: number;
  readonly excludedFileCount: number;
  readonly excludedDirCount: number;
  readonly ignoredErrorCount: number;
  readonly errorCount: number;
}

export interface SnapshotManifest {
  /** The manifest's. */
  readonly id: ManifestId;
  readonly source: SnapshotSource;
  readonly description: string;
  readonly startTimeNs: TimestampNs;
  readonly endTimeNs: TimestampNs;
  readonly stats: SnapshotStats;
  /** Why it is not complete; absent when it is. */
  readonly incomplete?: string | undefined;
  readonly rootEntry: DirEntry | undefined;
  /** Keys begin with `tag:`. */
  readonly tags: Readonly<Record<string, string>>;
  readonly pins: readonly string[];
  /** Members that this program does not know, as read. */
  readonly unknown: Readonly<Record<string, unknown>>;
}
