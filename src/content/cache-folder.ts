/** The cache as a folder: what lies in it, emptying it, and filling it beforehand. */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { mapUnordered } from "../bytes/index.ts";
import { METADATA_PACK_PREFIX } from "../format/index.ts";
import type { ContentLoader } from "./content-loader.ts";
import type { Context } from "./context.ts";
import { type CachePart, CACHE_PARTS } from "./disk-cache.ts";
import type { FillCacheOptions, FillCacheResult } from "./types.ts";

export interface FolderUsage {
  readonly path: string;
  readonly files: number;
  readonly sizeBytes: number;
}

export interface CachePartUsage extends FolderUsage {
  readonly part: CachePart;
}

const PARALLEL_PACKS = 16;

/** The parts of the cache in this folder that exist. Files that vanish meanwhile are not counted. */
export async function cacheUsage(directory: string): Promise<readonly CachePartUsage[]> {
  const parts: CachePartUsage[] = [];
  for (const part of CACHE_PARTS) {
    const usage = await folderUsage(join(directory, part));
    if (usage !== undefined) parts.push({ part, ...usage });
  }
  return parts;
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

/** Empties the named parts of the cache in this folder, all when none are named. Safe while others use it: they miss. */
export async function clearCache(
  directory: string,
  parts: readonly CachePart[] = CACHE_PARTS,
): Promise<void> {
  for (const part of parts) {
    await rm(join(directory, part), { recursive: true, force: true });
    await mkdir(join(directory, part), { recursive: true, mode: 0o700 });
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
