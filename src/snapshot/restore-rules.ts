/** What a restore finds at its target, and what it does about it. Spec: kopia-snapshots 6.2. */
import { mkdirSync, rmSync, unlinkSync } from "node:fs";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import type { LocalName, RestoreAttributes } from "../format/index.ts";
import {
  createSymlink,
  type EntryStat,
  isPlainName,
  isTemporaryName,
  joinLocal,
  lstatExact,
  nameText,
  pathLike,
  readNames,
} from "../node/index.ts";
import { nameOf } from "./names.ts";
import { isPlaceholder, PLACEHOLDER_SUFFIX, placeholderName } from "./placeholder.ts";
import type { RestoreTally } from "./restore-tally.ts";
import type { RestoreCallOptions, RestoreOptions } from "./restore-types.ts";
import type { DirEntry } from "./types.ts";

/** How exactly file systems keep times, in ns: NTFS 100 ns, others µs, ms, s; FAT 2 s. */
const GRANULARITIES_NS: readonly bigint[] = [
  100n,
  1_000n,
  1_000_000n,
  1_000_000_000n,
  2_000_000_000n,
];

/** The attributes of an entry that are to be restored. */
export function attributesOf(
  { mode, uid, gid, mtimeNs }: DirEntry,
  options: RestoreCallOptions,
): RestoreAttributes {
  return {
    mode: options.skipPermissions === true ? undefined : mode,
    owner: options.skipOwners === true ? undefined : { uid, gid },
    mtimeNs: options.skipTimes === true ? undefined : mtimeNs,
  };
}

/**
 * Makes the directory that becomes the root, with its parents. A symlink given as target is the user's own choice and
 * followed. @throws SEJF_ALREADY_EXISTS, SEJF_PERMISSION, SEJF_IO.
 */
export function makeRoot(target: LocalName): { readonly existed: boolean } {
  try {
    const made = mkdirSync(pathLike(target), { recursive: true, mode: 0o700 });
    return { existed: made === undefined };
  } catch (error) {
    throw errorFromUnknown(error, `making the directory ${nameText(target)}`);
  }
}

/**
 * An existing directory may have to be empty, or is cleared of what the snapshot does not have. Gives the names of
 * entries that have a placeholder.
 */
export function prepareExisting(
  local: LocalName,
  entries: readonly DirEntry[],
  options: RestoreOptions,
  tally: RestoreTally,
): ReadonlySet<string> {
  const names = readNames(local);
  if (options.overwriteDirectories === false && names.length > 0) {
    throw new SejfError("SEJF_ALREADY_EXISTS", `${nameText(local)} exists and is not empty`, {
      hint: "restore to a new place, or allow existing directories to be filled",
    });
  }
  const placeholders = new Set<string>();
  const mayDelete = options.deleteExtra === true || options.writeFilesAtomically === true;
  if (!mayDelete && !names.some((name) => nameOf(name).endsWith(PLACEHOLDER_SUFFIX)))
    return placeholders;
  const wanted = new Map(entries.map((entry) => [entry.name, entry.type === "d"]));
  for (const name of names) {
    const text = nameOf(name);
    const path = joinLocal(local, name);
    const isDirectory = (): boolean => lstatExact(path)?.kind === "directory";
    if (!wanted.has(text) && text.endsWith(PLACEHOLDER_SUFFIX)) {
      const standsFor = placeholderName(text);
      if (wanted.has(standsFor) && isPlaceholder(text, lstatExact(path)?.kind)) {
        placeholders.add(standsFor);
        continue;
      }
    }
    if (options.deleteExtra === true && wanted.get(text) !== isDirectory()) remove(path, tally);
    else if (options.writeFilesAtomically === true && isTemporaryName(name) && !wanted.has(text))
      remove(path, undefined);
  }
  return placeholders;
}

function remove(path: LocalName, tally: RestoreTally | undefined): void {
  try {
    const kind = lstatExact(path)?.kind;
    rmSync(pathLike(path), { recursive: true, force: true });
    if (tally === undefined) return;
    if (kind === "directory") tally.counters.deletedDirectories++;
    else if (kind === "symlink") tally.counters.deletedSymlinks++;
    else tally.counters.deletedFiles++;
  } catch (error) {
    throw errorFromUnknown(error, `removing ${nameText(path)}`);
  }
}

/** Whether a file can stay: a regular file of the recorded size and time. */
export function isSameFile(directory: LocalName, { name, sizeBytes, mtimeNs }: DirEntry): boolean {
  const stat = isPlainName(name) ? lstatExact(joinLocal(directory, name)) : undefined;
  return stat?.kind === "file" && stat.sizeBytes === sizeBytes && isSameTime(stat, mtimeNs);
}

/**
 * Whether a file has the recorded time, as the file system keeps it. A file that was left half written has the time of
 * its last write, which is not it: so a difference of less than two seconds alone, as Kopia takes it, does not do.
 */
function isSameTime({ mtimeNs: found }: EntryStat, recorded: bigint): boolean {
  if (found === recorded) return true;
  const difference = found > recorded ? found - recorded : recorded - found;
  return GRANULARITIES_NS.some((unit) => found % unit === 0n && difference < unit);
}

/** The path of the symlink made; `undefined` when the one that is there stays. @throws SEJF_ALREADY_EXISTS. */
export function placeSymlink(
  directory: LocalName,
  entry: DirEntry,
  target: LocalName,
  options: RestoreOptions,
): LocalName | undefined {
  const { name } = entry;
  const path = joinLocal(directory, name);
  const existing = isPlainName(name) ? lstatExact(path) : undefined;
  if (existing?.kind === "symlink") {
    if (options.skipExisting === true && isSameLink(existing, entry, options)) return undefined;
    if (options.overwriteSymlinks === false)
      throw new SejfError("SEJF_ALREADY_EXISTS", `${nameText(path)} exists already`);
    try {
      unlinkSync(pathLike(path));
    } catch (error) {
      throw errorFromUnknown(error, `replacing the symbolic link ${nameText(path)}`);
    }
  }
  return createSymlink(directory, name, target);
}

/** One that may not be replaced stays whatever it is. */
function isSameLink(stat: EntryStat, entry: DirEntry, options: RestoreOptions): boolean {
  if (options.overwriteSymlinks === false) return true;
  return stat.sizeBytes === entry.sizeBytes && isSameTime(stat, entry.mtimeNs);
}
