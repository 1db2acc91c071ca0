/**
 * What is told of single entries, as much as the policy of each wants. Spec: kopia-snapshots 5.10.
 * Levels: 1 how long it took, 3 size, 5 counts of a directory, 6 time, 7 object ID; 0 nothing.
 */
import { formatTimestamp, type TimestampNs } from "../bytes/index.ts";
import type { EntryFields, UploadEvent } from "./create-types.ts";
import { joinPath } from "./names.ts";
import type { Policy } from "./policy.ts";
import type { DirEntry } from "./types.ts";
import type { DirectoryNode } from "./upload-node.ts";

const DURATION_LEVEL = 1;
const SIZE_LEVEL = 3;
const COUNTS_LEVEL = 5;
const TIME_LEVEL = 6;
const OBJECT_LEVEL = 7;

export interface EntryLogOptions {
  readonly tell: ((event: UploadEvent) => void) | undefined;
  readonly nowMs: () => number;
  /** Instead of what policies say. */
  readonly directoryDetail?: number | undefined;
  readonly entryDetail?: number | undefined;
}

export class EntryLog {
  readonly #options: EntryLogOptions;

  constructor(options: EntryLogOptions) {
    this.#options = options;
  }

  /** Milliseconds, only looked at where the directory's entries are told. */
  begun(policy: Policy): number {
    return this.#entryLevel(policy, "snapshotted") > 0 ? this.#options.nowMs() : 0;
  }

  begunDirectory(policy: Policy): number {
    return this.#directoryLevel(policy, "snapshotted") > 0 ? this.#options.nowMs() : 0;
  }

  snapshotted(
    what: "file" | "symlink" | "streaming file",
    policy: Policy,
    directory: string,
    entry: DirEntry,
    begunMs: number,
  ): void {
    const level = this.#entryLevel(policy, "snapshotted");
    if (level > 0)
      this.#told(level, `snapshotted ${what}`, joinPath(directory, entry.name), entry, begunMs);
  }

  directory(policy: Policy, path: string, entry: DirEntry, begunMs?: number): void {
    const level = this.#directoryLevel(policy, "snapshotted");
    if (level > 0)
      this.#told(level, "snapshotted directory", path === "" ? "." : path, entry, begunMs);
  }

  cached(node: DirectoryNode, entry: DirEntry): void {
    const level = this.#entryLevel(node.policy.policy, "cacheHit");
    if (level > 0) this.#told(level, "cached", joinPath(node.path, entry.name), entry, undefined);
  }

  ignored(path: string, isDirectory: boolean, policy: Policy): void {
    const level = isDirectory
      ? this.#directoryLevel(policy, "ignored")
      : this.#entryLevel(policy, "ignored");
    if (level > 0)
      this.#told(level, isDirectory ? "ignored directory" : "ignored", path, undefined, undefined);
  }

  #entryLevel(policy: Policy, what: keyof Policy["logging"]["entries"]): number {
    if (this.#options.tell === undefined) return 0;
    return this.#options.entryDetail ?? (policy.logging.entries[what] as number | undefined) ?? 0;
  }

  #directoryLevel(policy: Policy, what: keyof Policy["logging"]["directories"]): number {
    if (this.#options.tell === undefined) return 0;
    return (
      this.#options.directoryDetail ?? (policy.logging.directories[what] as number | undefined) ?? 0
    );
  }

  #told(
    level: number,
    what: string,
    path: string,
    entry: DirEntry | undefined,
    begunMs: number | undefined,
  ): void {
    const fields: EntryFields = { path };
    if (level >= DURATION_LEVEL && begunMs !== undefined)
      fields.dur = `${Math.max(0, this.#options.nowMs() - begunMs).toFixed(3)}ms`;
    if (entry !== undefined) {
      const { summary } = entry;
      if (level >= SIZE_LEVEL) fields.size = summary?.sizeBytes ?? entry.sizeBytes;
      if (level >= COUNTS_LEVEL && summary !== undefined) {
        fields.files = summary.files;
        fields.dirs = summary.directories;
        fields.errors = summary.failed + summary.ignoredErrors;
      }
      if (level >= TIME_LEVEL) fields.mtime = wholeSeconds(summary?.maxTimeNs ?? entry.mtimeNs);
      if (level >= OBJECT_LEVEL) fields.oid = entry.object;
    }
    this.#options.tell?.({ kind: "entry", what, fields });
  }
}

function wholeSeconds(timeNs: TimestampNs): string {
  return formatTimestamp(timeNs).replace(/\.\d+/, "");
}
