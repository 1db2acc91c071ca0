/**
 * Placeholders of a shallow restore: `f.kopia-entry` stands for the file `f`, `d.kopia-entry/.kopia-entry` for the
 * directory `d`. An upload takes the entry they hold as it is. Spec: kopia-snapshots 3.7.
 */
import { closeSync, constants, fstatSync, readFileSync } from "node:fs";
import type { CallOptions } from "../bytes/index.ts";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import type { ContentReader, LocalName } from "../format/index.ts";
import { type EntryKind, joinLocal, lstatExact, nameText, openSource } from "../node/index.ts";
import { objectContents } from "../object/index.ts";
import { decodeEntry } from "./dir-entry.ts";
import type { DirEntry } from "./types.ts";

export const PLACEHOLDER_SUFFIX = ".kopia-entry";
/** An entry with a summary that names many failed files is still far below. */
const MAX_PLACEHOLDER_BYTES = 16 * 1024 * 1024;

export interface Placeholder {
  /** The placeholder's own name. */
  readonly local: LocalName;
  /** What it stands for. */
  readonly name: string;
  readonly path: string;
  readonly ofDirectory: boolean;
}

/** Whether an entry of this name and kind is a placeholder. Symlinks never are. */
export function isPlaceholder(name: string, kind: EntryKind | undefined): boolean {
  return name.endsWith(PLACEHOLDER_SUFFIX) && (kind === "file" || kind === "directory");
}

/** The name of what it stands for. */
export function placeholderName(name: string): string {
  return name.slice(0, -PLACEHOLDER_SUFFIX.length);
}

/**
 * The entry that a placeholder holds, all of whose contents exist. SECURITY: whoever can write into the tree can
 * refer to any object whose ID he knows; the ID is what he must know, as with `restore`.
 * @throws SEJF_SOURCE when the real one is there as well, or it is no entry; SEJF_NOT_FOUND when contents are missing.
 */
export async function readPlaceholder(
  contents: ContentReader,
  directory: LocalName,
  { local, name, ofDirectory }: Placeholder,
  options: CallOptions,
): Promise<DirEntry> {
  const real = joinLocal(directory, name);
  if (name === "" || lstatExact(real) !== undefined) {
    throw new SejfError(
      "SEJF_SOURCE",
      `${nameText(real)} and its placeholder both exist: a shallow restore was interrupted`,
      { hint: "remove the placeholder, or restore again" },
    );
  }
  const path = joinLocal(directory, local);
  const entry = readEntryFile(ofDirectory ? joinLocal(path, PLACEHOLDER_SUFFIX) : path);
  if ((entry.type === "d") !== ofDirectory)
    throw new SejfError("SEJF_SOURCE", `placeholder ${nameText(path)} stands for another kind`);
  for await (const refs of objectContents(contents, entry.object, options)) {
    for (const ref of refs) {
      const isThere =
        (await contents.has?.(ref, options)) ?? (await contents.stat(ref, options)) !== undefined;
      if (isThere) continue;
      throw new SejfError(
        "SEJF_NOT_FOUND",
        `placeholder ${nameText(path)} refers to the object ${entry.object}, which is not in this repository`,
      );
    }
  }
  return entry;
}

/** The entry in a placeholder's file. @throws SEJF_SOURCE, SEJF_PERMISSION, SEJF_IO. */
export function readEntryFile(path: LocalName): DirEntry {
  try {
    const fd = openSource(path);
    try {
      const stat = fstatSync(fd);
      if ((stat.mode & constants.S_IFMT) !== constants.S_IFREG || stat.size > MAX_PLACEHOLDER_BYTES)
        throw new SejfError("SEJF_SOURCE", `placeholder ${nameText(path)} is no small file`);
      const json: unknown = JSON.parse(readFileSync(fd, "utf8"));
      return decodeEntry(json, `placeholder ${nameText(path)}`);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new SejfError("SEJF_SOURCE", `placeholder ${nameText(path)} is not JSON`);
    if (error instanceof SejfError && error.code === "SEJF_CORRUPT")
      throw new SejfError("SEJF_SOURCE", error.message, { cause: error });
    throw errorFromUnknown(error, `reading the placeholder ${nameText(path)}`);
  }
}
