/** The cache as a folder: what lies in it, emptying it, and filling it beforehand. */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { mapUnordered } from "../bytes/index.ts";
import { METADATA_PACK_PREFIX } from "../format/index.ts";
import type { ContentLoader } from "./content-loader.ts";
import type { Context } from "./context.ts";
import { type CachePart, CACHE_PARTS } from "./disk-cache.ts";
import type { FillCacheOptions, FillCacheResult } from "./types.ts";

/** The folder of a server's contents, which `rpc/` keeps. */
export const SERVER_CONTENTS = "server-contents";

/** The folders of a cache, whoever keeps what is in them. */
export type CacheFolder = CachePart | typeof SERVER_CONTENTS;

const CACHE_FOLDERS: readonly CacheFolder[] = [...CACHE_PARTS, SERVER_CONTENTS];

export interface FolderUsage {
  readonly path: string;
  readonly files: number;
  readonly sizeBytes: number;
}

export interface CacheFolderUsage extends FolderUsage {
  readonly folder: CacheFolder;
}

const PARALLEL_PACKS = 16;

/** The folders of the cache in this one that exist. Files that vanish meanwhile are not counted. */
export async function cacheUsage(directory: string): Promise<readonly CacheFolderUsage[]> {
  const folders: CacheFolderUsage[] = [];
  for (const folder of CACHE_FOLDERS) {
    const usage = await folderUsage(join(directory, folder));
    if (usage !== undefined) folders.push({ folder, ...usage });
  }
  return folders;
}

/** All files below a folder; `undefined` when there is no such folder. */
export async function folderUsage(path: string): Promise<FolderUsage | undefined> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(
    () => undefined,
  );
  if (entries === undefined) return undefined;
  let files = 0;
  let sizeBytes = 0;
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const found = await stat(join(entry.parentPath, entry.name)).catch(() => undefined);
    if (found === undefined) continue;
    files++;
    sizeBytes += found.size;
  }
  return { path, files, sizeBytes };
}

/**
 * Empties the named folders of the cache in this one, all when none are named. Safe while others use it: they miss, or
 * go on with a database that has no name any more.
 */
export async function clearCache(
  directory: string,
  folders: readonly CacheFolder[] = CACHE_FOLDERS,
): Promise<void> {
  for (const folder of folders) {
    await rm(join(directory, folder), { recursive: true, force: true });
    await mkdir(join(directory, folder), { recursive: true, mode: 0o700 });
  }
}

/** All `q` packs into the cache. */
export async function fillMetadataCache(
  context: Context,
  loader: ContentLoader,
  options: FillCacheOptions,
): Promise<FillCacheResult> {
  let packs = 0;
  let cached = 0;
  for await (const page of context.storage.list(METADATA_PACK_PREFIX, options)) {
    const kept = mapUnordered(
      page,
      options.parallel ?? PARALLEL_PACKS,
      async (blob) => await loader.cachePack(blob.id),
      options.signal,
    );
    for await (const isKept of kept) {
      packs++;
      if (isKept) cached++;
    }
  }
  return { packs, cached };
}
