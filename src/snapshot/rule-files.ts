/** The files in a directory that decide what is stored of it: dot-ignore files and the mark of a cache directory. */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import type { LocalName } from "../format/index.ts";
import {
  type DirectoryEntry,
  joinLocal,
  nameText,
  openSource,
  pathLike,
  statExact,
} from "../node/index.ts";
import { CACHE_DIRECTORY_SIGNATURE, CACHE_DIRECTORY_TAG } from "./ignore.ts";

/** More rules than anybody writes; bounds what is read into memory. */
const MAX_RULE_FILE_BYTES = 16 * 1024 * 1024;

/**
 * The texts of those of `names` that exist, in that order; a symlink to a file counts as one.
 * @throws SEJF_SOURCE for a symlink that leads nowhere; SEJF_PERMISSION, SEJF_IO.
 */
export function readRuleFiles(
  directory: LocalName,
  entries: readonly DirectoryEntry[],
  names: readonly string[],
): readonly string[] {
  if (names.length === 0) return [];
  const texts: string[] = [];
  for (const name of names) {
    const kind = entries.find((entry) => entry.name === name)?.stat?.kind;
    if (kind === "file" || kind === "symlink") texts.push(readRuleFile(joinLocal(directory, name)));
  }
  return texts;
}

function readRuleFile(path: LocalName): string {
  const stat = statExact(path);
  if (stat?.kind !== "file")
    throw new SejfError("SEJF_SOURCE", `ignore file ${nameText(path)} does not lead to a file`);
  if (stat.sizeBytes > MAX_RULE_FILE_BYTES) {
    throw new SejfError(
      "SEJF_SOURCE",
      `ignore file ${nameText(path)} is ${stat.sizeBytes} bytes, expected at most ${MAX_RULE_FILE_BYTES}`,
    );
  }
  try {
    const fd = openSync(pathLike(path), "r");
    try {
      return readFileSync(fd, "utf8");
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw errorFromUnknown(error, `reading the ignore file ${nameText(path)}`);
  }
}

/** Whether a valid CACHEDIR.TAG says that the directory's files are worth nothing. */
export function isCacheDirectory(
  directory: LocalName,
  entries: readonly DirectoryEntry[],
): boolean {
  const tag = entries.find((entry) => entry.name === CACHE_DIRECTORY_TAG);
  const length = CACHE_DIRECTORY_SIGNATURE.length;
  if (tag?.stat?.kind !== "file" || tag.stat.sizeBytes < length) return false;
  try {
    const fd = openSource(joinLocal(directory, CACHE_DIRECTORY_TAG));
    try {
      const bytes = Buffer.alloc(length);
      return (
        readSync(fd, bytes, 0, length, 0) === length &&
        bytes.toString("latin1") === CACHE_DIRECTORY_SIGNATURE
      );
    } finally {
      closeSync(fd);
    }
  } catch {
    // A mark that cannot be read is none: the directory is then stored like any other.
    return false;
  }
}
