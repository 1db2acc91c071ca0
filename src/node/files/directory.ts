/**
 * Directories with exact metadata, read synchronously: asynchronous calls of node:fs cost four times as much on small
 * files, and `source-directory.ts` is faster still. Names are decoded once; only a directory in which the replacement
 * character appears is read again as bytes.
 */
import {
  type BigIntStats,
  fstatSync,
  lstatSync,
  readdirSync,
  readlinkSync,
  statSync,
} from "node:fs";
import { errorFromUnknown, type SejfError } from "../../errors/index.ts";
import type { LocalName, LocalStat } from "../../format/index.ts";
import { type EntryStat, kindOf } from "./entry-stat.ts";
import { joinLocal, localName, nameText, pathLike } from "./names.ts";
import { SourceDirectory, statOpenFile } from "./source-directory.ts";

/** One entry of a directory; `stat` is of the entry itself, never of what a symlink points to. */
export type DirectoryEntry =
  | {
      readonly name: LocalName;
      readonly stat: EntryStat;
      readonly error?: undefined;
      readonly isDirectory?: undefined;
    }
  | {
      readonly name: LocalName;
      readonly stat?: undefined;
      readonly error: SejfError;
      /** As the listing has it. */
      readonly isDirectory: boolean;
    };

/**
 * All entries but `.` and `..`, in the system's order. An entry that vanished meanwhile is left out, one whose stat
 * fails comes with the error. @throws SEJF_PERMISSION, SEJF_IO when the directory itself cannot be read.
 */
export function readDirectory(path: LocalName): DirectoryEntry[] {
  return statEntries(path, readNames(path));
}

/** As `readDirectory`, of some of the names that `readNames` gave. */
export function statEntries(path: LocalName, names: readonly LocalName[]): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  let directories: ReadonlySet<string> | undefined;
  using directory = new SourceDirectory(path, names.length);
  for (const name of names) {
    const stat = directory.stat(name);
    if (stat !== undefined) {
      entries.push({ name, stat });
      continue;
    }
    try {
      const stat = lstatSync(pathLike(joinLocal(path, name)), {
        bigint: true,
        throwIfNoEntry: false,
      });
      if (stat !== undefined) entries.push({ name, stat: entryStat(stat) });
    } catch (error) {
      const what = `reading the metadata of ${nameText(joinLocal(path, name))}`;
      directories ??= subdirectories(path);
      entries.push({
        name,
        error: errorFromUnknown(error, what),
        isDirectory: directories.has(nameText(name)),
      });
    }
  }
  return entries;
}

/** Names of what the listing calls directories; for entries whose metadata cannot be read. */
function subdirectories(path: LocalName): ReadonlySet<string> {
  try {
    const entries = readdirSync(pathLike(path), { withFileTypes: true });
    return new Set(entries.filter((entry) => entry.isDirectory()).map(({ name }) => name));
  } catch {
    return new Set();
  }
}

/** The names in a directory, in the system's order. @throws SEJF_PERMISSION, SEJF_IO. */
export function readNames(path: LocalName): LocalName[] {
  try {
    const names = readdirSync(pathLike(path), "utf8");
    if (!names.some((name) => name.includes("\ufffd"))) return names;
    return readdirSync(pathLike(path), "buffer").map(localName);
  } catch (error) {
    throw errorFromUnknown(error, `listing ${nameText(path)}`);
  }
}

/** The entry itself; `undefined` when absent. @throws SEJF_PERMISSION, SEJF_IO. */
export function lstatExact(path: LocalName): EntryStat | undefined {
  try {
    const stat = lstatSync(pathLike(path), { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? undefined : entryStat(stat);
  } catch (error) {
    throw errorFromUnknown(error, `reading the metadata of ${nameText(path)}`);
  }
}

/** What the path leads to, symlinks followed; `undefined` when absent. @throws SEJF_PERMISSION, SEJF_IO. */
export function statExact(path: LocalName): EntryStat | undefined {
  try {
    const stat = statSync(pathLike(path), { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? undefined : entryStat(stat);
  } catch (error) {
    throw errorFromUnknown(error, `reading the metadata of ${nameText(path)}`);
  }
}

/** Of an open file. System errors pass as they are. */
export function fstatExact(fd: number): EntryStat {
  return statOpenFile(fd) ?? entryStat(fstatSync(fd, { bigint: true }));
}

/** Only what a LocalStat has. */
export function localStat({ sizeBytes, mode, mtimeNs, uid, gid }: EntryStat): LocalStat {
  return { sizeBytes, mode, mtimeNs, uid, gid };
}

/** Where a symlink points to. @throws SEJF_PERMISSION, SEJF_IO. */
export function readLink(path: LocalName): LocalName {
  try {
    const target = readlinkSync(pathLike(path), "utf8");
    return target.includes("\ufffd") ? localName(readlinkSync(pathLike(path), "buffer")) : target;
  } catch (error) {
    throw errorFromUnknown(error, `reading the symbolic link ${nameText(path)}`);
  }
}

function entryStat(stat: BigIntStats): EntryStat {
  const mode = Number(stat.mode);
  return {
    sizeBytes: Number(stat.size),
    mode,
    mtimeNs: stat.mtimeNs,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    kind: kindOf(mode),
    device: Number(stat.dev),
  };
}
