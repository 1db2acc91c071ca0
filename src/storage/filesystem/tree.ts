/** Walks the folders of a store, level by level, with a bounded number of folders read at once. */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type BlobMetadata, blobIdOfFile, couldHold } from "../../blob/index.ts";
import { type CallOptions, collect, mapConcurrent, mapUnordered } from "../../bytes/index.ts";
import { systemCode } from "./system-errors.ts";

const PAGE_BLOBS = 1000;
const STATS_AT_ONCE = 64;

export interface TreeOptions extends CallOptions {
  readonly parallel: number;
}

export interface TreeFolder {
  readonly path: string;
  /** The folder names down to here, one behind the other: how the IDs in it begin. */
  readonly idPrefix: string;
  /** Names of regular files. */
  readonly files: readonly string[];
}

interface Branch {
  readonly path: string;
  readonly idPrefix: string;
}

/** Every folder that can hold an ID that begins with `prefix`. System errors of the root pass; lower ones may vanish. */
export async function* walkTree(
  root: string,
  prefix: string,
  options: TreeOptions,
): AsyncGenerator<TreeFolder, void, void> {
  let level: readonly Branch[] = [{ path: root, idPrefix: "" }];
  while (level.length > 0) {
    const next: Branch[] = [];
    const read = mapUnordered(
      level,
      options.parallel,
      (branch) => readBranch(branch, prefix, branch.path === root),
      options.signal,
    );
    for await (const { folder, branches } of read) {
      next.push(...branches);
      yield folder;
    }
    level = next;
  }
}

/** The blobs of a tree whose IDs begin with `prefix`, whatever the sharding. */
export async function* listTree(
  root: string,
  prefix: string,
  options: TreeOptions,
): AsyncGenerator<readonly BlobMetadata[], void, void> {
  for await (const folder of walkTree(root, prefix, options)) {
    const names = folder.files.filter(
      (name) => blobIdOfFile(folder.idPrefix, name)?.startsWith(prefix) === true,
    );
    for (let at = 0; at < names.length; at += PAGE_BLOBS) {
      options.signal?.throwIfAborted();
      const page = mapConcurrent(
        names.slice(at, at + PAGE_BLOBS),
        STATS_AT_ONCE,
        (name) => metadataOf(folder, name),
        options.signal,
      );
      yield (await collect(page)).filter((blob) => blob !== undefined);
    }
  }
}

async function readBranch(
  branch: Branch,
  prefix: string,
  isRoot: boolean,
): Promise<{ readonly folder: TreeFolder; readonly branches: readonly Branch[] }> {
  const entries = await readdir(branch.path, { withFileTypes: true }).catch((error: unknown) => {
    if (!isRoot && systemCode(error) === "ENOENT") return [];
    throw error;
  });
  const files: string[] = [];
  const branches: Branch[] = [];
  for (const entry of entries) {
    if (entry.isFile()) files.push(entry.name);
    // SECURITY: only real folders are entered; a symlink could lead anywhere, or in a circle
    else if (entry.isDirectory() && couldHold(branch.idPrefix + entry.name, prefix)) {
      branches.push({
        path: join(branch.path, entry.name),
        idPrefix: branch.idPrefix + entry.name,
      });
    }
  }
  return { folder: { ...branch, files }, branches };
}

/** `undefined` when the blob was deleted since its folder was read. */
async function metadataOf(folder: TreeFolder, name: string): Promise<BlobMetadata | undefined> {
  const id = blobIdOfFile(folder.idPrefix, name);
  if (id === undefined) return undefined;
  try {
    const stat = await lstat(join(folder.path, name), { bigint: true });
    return { id, lengthBytes: Number(stat.size), timestamp: stat.mtimeNs };
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
