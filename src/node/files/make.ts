/** Directories and symlinks made inside the tree that is restored into, and nowhere else. */
import { mkdirSync, symlinkSync } from "node:fs";
import { errorFromUnknown, SejfError } from "../../errors/index.ts";
import type { LocalName } from "../../format/index.ts";
import { lstatExact } from "./directory.ts";
import { isPlainName, joinLocal, nameText, pathLike } from "./names.ts";
import { isSystemError } from "./open.ts";

/**
 * Makes the directory `components` below `root` where it does not exist, with mode 0700, and returns its path. Every
 * component must be a plain name and a real directory. `root` exists and is trusted.
 * @throws SEJF_INVALID_ARGUMENT for a name that is not plain; SEJF_ALREADY_EXISTS when a component is a symlink or a
 * file; SEJF_PERMISSION, SEJF_IO, SEJF_NO_SPACE.
 */
export function createDirectory(root: LocalName, components: readonly LocalName[]): LocalName {
  let path = root;
  for (const name of components) path = createChild(path, name).path;
  return path;
}

/** One component of `createDirectory`. @throws as it does. */
export function createChild(
  parent: LocalName,
  name: LocalName,
): { readonly path: LocalName; readonly existed: boolean } {
  requirePlain(name);
  const path = joinLocal(parent, name);
  return { path, existed: makeOne(path) };
}

/**
 * Makes a symlink; its target is stored as it is.
 * @throws SEJF_INVALID_ARGUMENT, SEJF_ALREADY_EXISTS, SEJF_PERMISSION, SEJF_IO.
 */
export function createSymlink(directory: LocalName, name: LocalName, target: LocalName): LocalName {
  requirePlain(name);
  const path = joinLocal(directory, name);
  try {
    symlinkSync(pathLike(target), pathLike(path));
    return path;
  } catch (error) {
    if (isSystemError(error, "EEXIST"))
      throw new SejfError("SEJF_ALREADY_EXISTS", `${nameText(path)} exists already`);
    throw errorFromUnknown(error, `making the symbolic link ${nameText(path)}`);
  }
}

/** Whether it existed. */
function makeOne(path: LocalName): boolean {
  try {
    mkdirSync(pathLike(path), { mode: 0o700 });
    return false;
  } catch (error) {
    if (!isSystemError(error, "EEXIST"))
      throw errorFromUnknown(error, `making the directory ${nameText(path)}`);
  }
  const kind = lstatExact(path)?.kind;
  if (kind !== "directory") {
    throw new SejfError(
      "SEJF_ALREADY_EXISTS",
      `${nameText(path)} is a ${kind ?? "vanished entry"}, expected a directory`,
    );
  }
  return true;
}

function requirePlain(name: LocalName): void {
  if (!isPlainName(name)) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `${JSON.stringify(nameText(name))} is not a plain name`,
    );
  }
}
