/**
 * Placeholders that a shallow restore makes, and their end when what they stand for is restored. They hold the entry
 * as the snapshot has it (Kopia writes a directory's with another time and size), so that a snapshot of the shallow
 * tree has the same root as the whole one. Spec: kopia-snapshots 3.7.
 */
import { fsyncSync, rmSync } from "node:fs";
import { basename, dirname } from "node:path";
import { utf8ToBytes } from "../bytes/index.ts";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import type { LocalName } from "../format/index.ts";
import {
  createDirectory,
  discardRestoreFile,
  finishRestoreFile,
  isPlainName,
  joinLocal,
  lstatExact,
  nameText,
  openDirectory,
  openRestoreFile,
  pathLike,
  readNames,
  setFileAttributes,
  writeFully,
} from "../node/index.ts";
import { entryText } from "./dir-entry.ts";
import { nameOf } from "./names.ts";
import {
  isPlaceholder,
  PLACEHOLDER_SUFFIX,
  placeholderName,
  readEntryFile,
} from "./placeholder.ts";
import { attributesOf } from "./restore-rules.ts";
import type { RestoreOptions } from "./restore-types.ts";
import type { DirEntry } from "./types.ts";

const WRITE_BITS = 0o222;

/** Whether an entry becomes a placeholder at this depth below the restored root. */
export function isShallow(entry: DirEntry, depth: number, options: RestoreOptions): boolean {
  const { shallow, shallowMinSizeBytes = 0 } = options;
  if (shallow === undefined || depth <= shallow) return false;
  if (entry.type !== "d" && (entry.type !== "f" || entry.sizeBytes < shallowMinSizeBytes))
    return false;
  // One whose name leaves no room for the ending is restored.
  return isPlainName(entry.name + PLACEHOLDER_SUFFIX);
}

/** @throws SEJF_ALREADY_EXISTS when the real one is there: both together would be refused by a snapshot. */
export function writePlaceholder(
  directory: LocalName,
  entry: DirEntry,
  options: RestoreOptions,
): void {
  const real = joinLocal(directory, entry.name);
  if (lstatExact(real) !== undefined) {
    throw new SejfError(
      "SEJF_ALREADY_EXISTS",
      `${nameText(real)} exists: no placeholder is made for it`,
      { hint: "remove it, or restore to another place" },
    );
  }
  const name = entry.name + PLACEHOLDER_SUFFIX;
  if (entry.type !== "d") {
    writeEntryFile(directory, name, entry, options);
    return;
  }
  const path = createDirectory(directory, [name]);
  using handle = openDirectory(path, path, { follow: false });
  writeEntryFile(handle.path, PLACEHOLDER_SUFFIX, entry, options);
}

function writeEntryFile(
  directory: LocalName,
  name: string,
  entry: DirEntry,
  options: RestoreOptions,
): void {
  const attributes = attributesOf(entry, options);
  const { mode } = attributes;
  const ignorePermissionErrors = options.ignorePermissionErrors !== false;
  try {
    const target = openRestoreFile(directory, name, { overwrite: true, atomically: true });
    try {
      writeFully(target.fd, utf8ToBytes(`${entryText(entry)}\n`), 0);
      setFileAttributes(
        target.fd,
        { ...attributes, mode: mode === undefined ? undefined : mode & ~WRITE_BITS },
        { ignorePermissionErrors },
      );
      if (options.flushFiles === true) fsyncSync(target.fd);
    } catch (error) {
      discardRestoreFile(target);
      throw error;
    }
    finishRestoreFile(target);
  } catch (error) {
    throw errorFromUnknown(
      error,
      `writing the placeholder ${nameText(joinLocal(directory, name))}`,
    );
  }
}

/** What is to be restored where, from a placeholder's path. @throws SEJF_SOURCE, SEJF_PERMISSION, SEJF_IO. */
export function openPlaceholder(path: string): {
  readonly entry: DirEntry;
  readonly target: string;
} {
  const kind = lstatExact(path)?.kind;
  const name = placeholderName(basename(path));
  if (!isPlaceholder(path, kind) || name === "")
    throw new SejfError("SEJF_SOURCE", `there is no placeholder ${path}`);
  const entry = readEntryFile(
    kind === "directory" ? joinLocal(path, PLACEHOLDER_SUFFIX) : (path as LocalName),
  );
  if ((entry.type === "d") !== (kind === "directory"))
    throw new SejfError("SEJF_SOURCE", `placeholder ${path} stands for another kind`);
  return { entry, target: joinLocal(dirname(path), name) as string };
}

/**
 * Removes the placeholder of what has been restored, if there is one. Only what is nothing but a placeholder goes: a
 * file, or a directory with at most the one file in it. @throws SEJF_PERMISSION, SEJF_IO.
 */
export function removePlaceholder(directory: LocalName, name: string): void {
  const full = name + PLACEHOLDER_SUFFIX;
  if (!isPlainName(full)) return;
  const path = joinLocal(directory, full);
  const kind = lstatExact(path)?.kind;
  if (!isPlaceholder(full, kind)) return;
  if (
    kind === "directory" &&
    readNames(path).some((inside) => nameOf(inside) !== PLACEHOLDER_SUFFIX)
  )
    return;
  try {
    rmSync(pathLike(path), { recursive: true, force: true });
  } catch (error) {
    throw errorFromUnknown(error, `removing the placeholder ${nameText(path)}`);
  }
}
