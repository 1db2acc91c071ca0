/** What a restore finds at its target, and what it does about it. Spec: kopia-snapshots 6.2. */
import { mkdirSync, rmSync, unlinkSync } from "node:fs";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import type { LocalName, RestoreAttributes } from "../format/index.ts";
import {
  createDirectory,
  createSymlink,
  isPlainName,
  joinLocal,
  lstatExact,
  nameText,
  pathLike,
  readNames,
} from "../node/index.ts";
import { nameOf } from "./names.ts";
import type { RestoreOptions } from "./restore-types.ts";
import type { DirEntry } from "./types.ts";

const SAME_TIME_NS = 2_000_000_000n;

/** The attributes of an entry that are to be restored. */
export function attributesOf(
  { mode, uid, gid, mtimeNs }: DirEntry,
  options: RestoreOptions,
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

/** Makes a directory inside a restored one. @throws SEJF_ALREADY_EXISTS for a symlink or file in its place. */
export function makeChild(
  parent: LocalName,
  name: string,
): { readonly local: LocalName; readonly existed: boolean } {
  const existed = isPlainName(name) && lstatExact(joinLocal(parent, name)) !== undefined;
  return { local: createDirectory(parent, [name]), existed };
}

/** An existing directory may have to be empty, or is cleared of what the snapshot does not have. */
export function prepareExisting(
  local: LocalName,
  entries: readonly DirEntry[],
  options: RestoreOptions,
): void {
  const names = readNames(local);
  if (options.overwriteDirectories === false && names.length > 0) {
    throw new SejfError("SEJF_ALREADY_EXISTS", `${nameText(local)} exists and is not empty`, {
      hint: "restore to a new place, or allow existing directories to be filled",
    });
  }
  if (options.deleteExtra !== true) return;
  const wanted = new Map(entries.map((entry) => [entry.name, entry.type === "d"]));
  for (const name of names) {
    const path = joinLocal(local, name);
    const isDirectory = lstatExact(path)?.kind === "directory";
    if (wanted.get(nameOf(name)) !== isDirectory) remove(path);
  }
}

function remove(path: LocalName): void {
  try {
    rmSync(pathLike(path), { recursive: true, force: true });
  } catch (error) {
    throw errorFromUnknown(error, `removing ${nameText(path)}`);
  }
}

/** Whether a file can stay: a regular file of equal size, its time within two seconds. */
export function isSameFile(directory: LocalName, { name, sizeBytes, mtimeNs }: DirEntry): boolean {
  const stat = isPlainName(name) ? lstatExact(joinLocal(directory, name)) : undefined;
  if (stat?.kind !== "file" || stat.sizeBytes !== sizeBytes) return false;
  const difference = stat.mtimeNs - mtimeNs;
  return difference < SAME_TIME_NS && difference > -SAME_TIME_NS;
}

/** The path of the symlink made; `undefined` when the one that is there stays. @throws SEJF_ALREADY_EXISTS. */
export function placeSymlink(
  directory: LocalName,
  name: string,
  target: LocalName,
  options: RestoreOptions,
): LocalName | undefined {
  const path = joinLocal(directory, name);
  const existing = isPlainName(name) ? lstatExact(path) : undefined;
  if (existing?.kind === "symlink") {
    if (options.skipExisting === true) return undefined;
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
