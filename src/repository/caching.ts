/**
 * The cache of a connection: where it lies, how large it may be, and the settings of it in the connection file. The
 * folder is shared with kopia, neither reads the other's files; settings that only kopia uses are kept for it.
 */
import { join, resolve } from "node:path";
import type { CacheLimits } from "../content/index.ts";
import { SejfError } from "../errors/index.ts";
import { loadConfig, saveConfig } from "./config-file.ts";
import type { CachingOptions, ConnectionConfig } from "./config-json.ts";
import type { Environment } from "./paths.ts";

/** The folder of our own files in the cache folder. */
const OWN_CACHE = "sejf";
export const DEFAULT_CONTENT_SWEEP_AGE_S = 600;

/** Absolute; `undefined` when the connection has no cache: no folder, or, as kopia says it, a size of 0 or none. */
export function ownCacheDirectory(config: ConnectionConfig): string | undefined {
  const { cacheDirectory = "", maxCacheSize = 0 } = config.caching ?? {};
  return cacheDirectory === "" || maxCacheSize === 0 ? undefined : join(cacheDirectory, OWN_CACHE);
}

/** Listings are never cached: a write of another client would be missed, and it costs little to ask. */
export function cacheLimits(config: ConnectionConfig): Partial<CacheLimits> {
  const caching = config.caching ?? {};
  const content = smallerOf(caching.maxCacheSize, caching.contentCacheSizeLimitBytes);
  const metadata = smallerOf(caching.maxMetadataCacheSize, caching.metadataCacheSizeLimitBytes);
  return {
    ...(content === undefined ? {} : { contentBytes: content }),
    ...(metadata === undefined ? {} : { metadataBytes: metadata, indexBytes: metadata }),
    minimumAgeMs: (caching.minContentSweepAge ?? DEFAULT_CONTENT_SWEEP_AGE_S) * 1000,
  };
}

/** A hard limit of 0 is none. */
function smallerOf(soft: number | undefined, hard: number | undefined): number | undefined {
  if (hard === undefined || hard === 0) return soft;
  return soft === undefined ? hard : Math.min(soft, hard);
}

/**
 * Changes cache settings in the connection file; what is not named stays. A content cache of 0 bytes switches the
 * cache off altogether, as with kopia.
 * @throws SEJF_NOT_CONNECTED; SEJF_INVALID_ARGUMENT when the cache is off and no folder is given.
 */
export async function setCachingOptions(
  configFile: string,
  changes: CachingOptions,
  env: Environment,
): Promise<CachingOptions> {
  const config = await loadConfig(configFile, env);
  const given = Object.fromEntries(
    Object.entries(changes).filter(([, value]) => value !== undefined),
  ) as CachingOptions;
  const merged = { ...config.caching, ...given };
  const directory = merged.cacheDirectory ?? "";
  const isOff = merged.maxCacheSize === 0;
  if (!isOff && directory === "") {
    throw new SejfError("SEJF_INVALID_ARGUMENT", "this connection has no cache folder", {
      hint: "name one with --cache-directory, and a size with --content-cache-size-mb",
    });
  }
  const caching = isOff ? {} : { ...merged, cacheDirectory: resolve(directory) };
  await saveConfig(configFile, { ...config, caching });
  return caching;
}
