/** Owner, permissions and times of restored entries, set in the one order that keeps them all. */
import { closeSync, constants, fchmodSync, fchownSync, lchownSync, openSync } from "node:fs";
import { errorFromUnknown } from "../../errors/index.ts";
import type { LocalName, RestoreAttributes } from "../../format/index.ts";
import { nameText, pathLike } from "./names.ts";
import { setFileTimes } from "./times.ts";

const PERMISSION_BITS = 0o7777;

export interface AttributeOptions {
  /** EPERM and EACCES from chown, chmod or utimes is not an error. */
  readonly ignorePermissionErrors: boolean;
}

/**
 * Owner first (it clears setuid), then permissions, then the time. System errors are thrown as they are.
 * On Windows only the read-only bit and the time exist.
 */
export function setFileAttributes(
  fd: number,
  attributes: RestoreAttributes,
  options: AttributeOptions,
): void {
  const { owner, mode, mtimeNs } = attributes;
  if (owner !== undefined && process.platform !== "win32") {
    attempt(options, () => fchownSync(fd, owner.uid, owner.gid));
  }
  if (mode !== undefined) attempt(options, () => fchmodSync(fd, mode & PERMISSION_BITS));
  if (mtimeNs !== undefined) attempt(options, () => setFileTimes(fd, { mtimeNs }));
}

/** As for files; the directory is opened without following a symlink. @throws SEJF_PERMISSION, SEJF_IO. */
export function setDirectoryAttributes(
  path: LocalName,
  attributes: RestoreAttributes,
  options: AttributeOptions,
): void {
  try {
    if (process.platform === "win32") {
      const { mtimeNs } = attributes;
      if (mtimeNs !== undefined) attempt(options, () => setFileTimes(path, { mtimeNs }));
      return;
    }
    const fd = openSync(
      pathLike(path),
      constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0),
    );
    try {
      setFileAttributes(fd, attributes, options);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw errorFromUnknown(error, `setting the attributes of ${nameText(path)}`);
  }
}

/** Owner and time of a symlink itself; its permissions mean nothing. @throws SEJF_PERMISSION, SEJF_IO. */
export function setLinkAttributes(
  path: LocalName,
  attributes: RestoreAttributes,
  options: AttributeOptions,
): void {
  const { owner, mtimeNs } = attributes;
  try {
    if (owner !== undefined && process.platform !== "win32") {
      attempt(options, () => lchownSync(pathLike(path), owner.uid, owner.gid));
    }
    if (mtimeNs !== undefined) attempt(options, () => setFileTimes(path, { mtimeNs }));
  } catch (error) {
    throw errorFromUnknown(error, `setting the attributes of ${nameText(path)}`);
  }
}

function attempt(options: AttributeOptions, set: () => void): void {
  try {
    set();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (!(options.ignorePermissionErrors && (code === "EPERM" || code === "EACCES"))) throw error;
  }
}
