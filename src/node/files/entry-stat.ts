/** What is known of an entry of a directory without opening it. */
import { constants } from "node:fs";
import type { LocalStat } from "../../format/index.ts";

export type EntryKind = "file" | "directory" | "symlink" | "other";

/** A LocalStat with what a walk needs besides. */
export interface EntryStat extends LocalStat {
  readonly kind: EntryKind;
  /** `st_dev`: differs where another file system is mounted. */
  readonly device: number;
}

/** By the type in a mode. */
export function kindOf(mode: number): EntryKind {
  switch (mode & constants.S_IFMT) {
    case constants.S_IFREG:
      return "file";
    case constants.S_IFDIR:
      return "directory";
    case constants.S_IFLNK:
      return "symlink";
    default:
      return "other";
  }
}
