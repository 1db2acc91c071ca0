/** The files in a directory that decide what is stored of it: dot-ignore files and the mark of a cache directory. */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import type { LocalName } from "../format/index.ts";
import {
  fstatExact,
  joinLocal,
  lstatExact,
  nameText,
  openSource,
  pathLike,
  statExact,
} from "../node/index.ts";
import { CACHE_DIRECTORY_SIGNATURE, CACHE_DIRECTORY_TAG } from "./ignore.ts";

/** More rules than anybody writes; bounds what is read into memory. */
const MAX_RULE_FILE_BYTES = 16 * 1024 * 1024;

/**
 * The texts of those of `names` that are among the `present` ones, in that order; a symlink to a file counts as one.
 * @throws SEJF_SOURCE for a symlink that leads nowhere; SEJF_PERMISSION, SEJF_IO.
 */
export function readRuleFiles(
  directory: LocalName,
  present: readonly LocalName[],
  names: readonly string[],
): readonly string[] {
  const texts: string[] = [];
  for (const name of names) {
    if (!present.includes(name)) continue;
    const path = joinLocal(directory, name);
    const kind = lstatExact(path)?.kind;
    if (kind === "file" || kind === "symlink") texts.push(readRuleFile(path));
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
export function isCacheDirectory(directory: LocalName, present: readonly LocalName[]): boolean {
  if (!present.includes(CACHE_DIRECTORY_TAG)) return false;
  const length = CACHE_DIRECTORY_SIGNATURE.length;
  try {
    const fd = openSource(joinLocal(directory, CACHE_DIRECTORY_TAG));
    try {
      if (fstatExact(fd).kind !== "file") return false;
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
