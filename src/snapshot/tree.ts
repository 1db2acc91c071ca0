/** Reading trees from a repository: one directory, or everything below an entry. */
import type { CallOptions } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { type ObjectId, objectPrefix } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import { joinPath } from "./names.ts";
import { readDirectory } from "./read-directory.ts";
import type { Directory, DirEntry } from "./types.ts";

/** Directories fetched before they are asked for. */
const READ_AHEAD = 16;
/** Deeper than any file system goes; a hostile tree ends here. */
export const MAX_DEPTH = 4096;
const PAGE_ENTRIES = 1024;

/** The entries of a directory object. @throws SEJF_NOT_FOUND (not a directory), SEJF_CORRUPT, SEJF_CONTENT_NOT_FOUND. */
export async function listDirectory(
  repository: Repository,
  object: ObjectId,
  options: CallOptions = {},
): Promise<Directory> {
  if (objectPrefix(object) !== "k")
    throw new SejfError("SEJF_NOT_FOUND", `object ${object} is not a directory`);
  try {
    return await readDirectory(repository.contents, object, options);
  } catch (error) {
    if (!(error instanceof SejfError) || error.code !== "SEJF_CORRUPT") throw error;
    throw new SejfError(error.code, `directory ${object} cannot be read: ${error.message}`, {
      cause: error,
    });
  }
}

export interface TreeEntry {
  /** Below the root, with `/`. */
  readonly path: string;
  readonly entry: DirEntry;
}

/** A directory that is to be listed, perhaps being fetched already. */
interface Waiting {
  readonly path: string;
  readonly object: ObjectId;
  readonly depth: number;
  listing?: Promise<Directory>;
}

/** The tree below an entry, in pages, parents before children; the entry itself is not given. A file has nothing below. */
export async function* walkTree(
  repository: Repository,
  root: DirEntry,
  options: CallOptions = {},
): AsyncGenerator<readonly TreeEntry[], void, void> {
  if (root.type !== "d") return;
  const fetch = (waiting: Waiting): Promise<Directory> => {
    if (waiting.listing === undefined) {
      waiting.listing = listDirectory(repository, waiting.object, options);
      waiting.listing.catch(() => undefined);
    }
    return waiting.listing;
  };
  const stack: Waiting[] = [{ path: "", object: root.object, depth: 0 }];
  for (let waiting = stack.pop(); waiting !== undefined; waiting = stack.pop()) {
    for (const ahead of stack.slice(-READ_AHEAD)) void fetch(ahead);
    const { path, depth } = waiting;
    assertDepth(path, depth);
    const { entries } = await fetch(waiting);
    for (let at = 0; at < entries.length; at += PAGE_ENTRIES) {
      yield entries
        .slice(at, at + PAGE_ENTRIES)
        .map((entry) => ({ path: joinPath(path, entry.name), entry }));
    }
    for (const entry of entries.toReversed()) {
      if (entry.type === "d")
        stack.push({ path: joinPath(path, entry.name), object: entry.object, depth: depth + 1 });
    }
  }
}

/** @throws SEJF_CORRUPT. */
export function assertDepth(path: string, depth: number): void {
  if (depth > MAX_DEPTH)
    throw new SejfError(
      "SEJF_CORRUPT",
      `a directory lies more than ${MAX_DEPTH} levels deep: ${path.slice(0, 80)}…`,
    );
}

/** The entry at a path below another, which may be empty. @throws SEJF_NOT_FOUND, naming what is missing. */
export async function findEntry(
  repository: Repository,
  root: DirEntry,
  path: readonly string[],
  options: CallOptions = {},
): Promise<DirEntry> {
  let entry = root;
  for (const [index, name] of path.entries()) {
    const above = path.slice(0, index).join("/");
    if (entry.type !== "d") throw new SejfError("SEJF_NOT_FOUND", `${above} is not a directory`);
    const found = (await listDirectory(repository, entry.object, options)).entries.find(
      (one) => one.name === name,
    );
    if (found === undefined)
      throw new SejfError(
        "SEJF_NOT_FOUND",
        `there is no ${path.slice(0, index + 1).join("/")} in the snapshot`,
      );
    entry = found;
  }
  return entry;
}
