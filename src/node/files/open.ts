/**
 * Opening local files for backup and restore. SECURITY: the tree that is restored into may hold symlinks, planted by
 * an earlier entry of a hostile snapshot or by another user; the last component is never followed, and what is
 * written to is always a regular file.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  renameSync,
  unlinkSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { SejfError } from "../../errors/index.ts";
import type { LocalName } from "../../format/index.ts";
import { isPlainName, joinLocal, nameText, pathLike } from "./names.ts";

// Absent on Windows, where the open flags do not exist.
const NOFOLLOW: number = constants.O_NOFOLLOW ?? 0;
const NONBLOCK: number = constants.O_NONBLOCK ?? 0;
const DIRECTORY: number = constants.O_DIRECTORY ?? 0;

/** For reading: no symlink is followed, and a pipe does not block. */
export const SOURCE_FLAGS: number = constants.O_RDONLY | NOFOLLOW | NONBLOCK;

/** Opens a file for reading: no symlink is followed, and a pipe in its place does not block. System errors pass. */
export function openSource(path: LocalName): number {
  return openSync(pathLike(path), SOURCE_FLAGS);
}

/** `path` is a directory and not a symlink to one. System errors pass as they are. @throws SEJF_ALREADY_EXISTS. */
export function assertRealDirectory(path: LocalName): void {
  if (process.platform === "win32") {
    // Directories cannot be opened there.
    if (!lstatSync(pathLike(path)).isDirectory())
      throw new SejfError("SEJF_ALREADY_EXISTS", `${nameText(path)} is not a directory`);
    return;
  }
  closeSync(openSync(pathLike(path), constants.O_RDONLY | DIRECTORY | NOFOLLOW));
}

/** A file that is being restored. */
export interface RestoreTarget {
  readonly fd: number;
  /** Where it is written: the final path, or a temporary one beside it. */
  readonly writtenPath: LocalName;
  readonly finalPath: LocalName;
  /** A new file; else one that was there. */
  readonly isNew: boolean;
}

export interface OpenRestoreOptions {
  readonly overwrite: boolean;
  readonly atomically: boolean;
}

/**
 * A new file, or with `overwrite` an existing one, empty; open for writing with mode 0600. The caller ends it with
 * `finishRestoreFile` or `discardRestoreFile`. System errors pass as they are.
 * @throws SEJF_INVALID_ARGUMENT for a name that is not plain; SEJF_ALREADY_EXISTS.
 */
export function openRestoreFile(
  directory: LocalName,
  name: LocalName,
  options: OpenRestoreOptions,
): RestoreTarget {
  if (!isPlainName(name)) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `${JSON.stringify(nameText(name))} is not a plain file name`,
    );
  }
  const finalPath = joinLocal(directory, name);
  if (options.atomically) return openBeside(directory, finalPath, options.overwrite);
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NOFOLLOW;
    const fd = openSync(pathLike(finalPath), flags, 0o600);
    return { fd, writtenPath: finalPath, finalPath, isNew: true };
  } catch (error) {
    if (!isSystemError(error, "EEXIST")) throw error;
  }
  if (!options.overwrite) throw alreadyExists(finalPath, "exists already");
  try {
    return { fd: openExisting(finalPath), writtenPath: finalPath, finalPath, isNew: false };
  } catch (error) {
    // One that is read-only, as one is that was restored before, can be replaced where it cannot be rewritten.
    if (!isSystemError(error, "EACCES")) throw error;
    return openBeside(directory, finalPath, true);
  }
}

/** Whether a name is one that `atomically` writes to: left behind where a restore was killed. */
export function isTemporaryName(name: LocalName): boolean {
  return typeof name === "string" && /^\.sejf-[0-9a-f]{16}\.tmp$/.test(name);
}

/** Closes the file and gives it its final name. */
export function finishRestoreFile(target: RestoreTarget): void {
  closeSync(target.fd);
  if (target.writtenPath === target.finalPath) return;
  try {
    renameSync(pathLike(target.writtenPath), pathLike(target.finalPath));
  } catch (error) {
    removeQuietly(target.writtenPath);
    throw error;
  }
}

/** Closes and removes what was written: half a file is worse than none. */
export function discardRestoreFile(target: RestoreTarget): void {
  closeSync(target.fd);
  removeQuietly(target.writtenPath);
}

function openBeside(directory: LocalName, finalPath: LocalName, overwrite: boolean): RestoreTarget {
  const existing = lstatSync(pathLike(finalPath), { throwIfNoEntry: false });
  if (existing?.isDirectory() === true) throw alreadyExists(finalPath, "is a directory");
  if (existing !== undefined && !overwrite) throw alreadyExists(finalPath, "exists already");
  const writtenPath = joinLocal(directory, `.sejf-${randomBytes(8).toString("hex")}.tmp`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NOFOLLOW;
  return { fd: openSync(pathLike(writtenPath), flags, 0o600), writtenPath, finalPath, isNew: true };
}

function openExisting(path: LocalName): number {
  let fd: number;
  try {
    fd = openSync(pathLike(path), constants.O_WRONLY | NOFOLLOW | NONBLOCK);
  } catch (error) {
    if (isSystemError(error, "ELOOP")) throw alreadyExists(path, "is a symbolic link");
    if (isSystemError(error, "EISDIR")) throw alreadyExists(path, "is a directory");
    if (isSystemError(error, "ENXIO")) throw alreadyExists(path, "is not a regular file");
    throw error;
  }
  try {
    if (!fstatSync(fd).isFile()) throw alreadyExists(path, "is not a regular file");
    ftruncateSync(fd, 0);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function alreadyExists(path: LocalName, what: string): SejfError {
  return new SejfError("SEJF_ALREADY_EXISTS", `${nameText(path)} ${what}`, {
    hint: "remove it or restore to another place",
  });
}

function removeQuietly(path: LocalName): void {
  try {
    unlinkSync(pathLike(path));
  } catch {
    // It may be gone already; the error that led here is the one to report.
  }
}

/** Whether an error is the system's with this code. */
export function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
