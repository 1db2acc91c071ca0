/** The cache settings that can be changed one by one, and what they are called in messages. */
import { formatDuration } from "../../bytes/index.ts";
import type { CachingOptions } from "../../repository/index.ts";
import { duration, type Flag, type FlagValues, integer, text } from "../flags.ts";
import { formatBytes } from "../output/units.ts";
import { usageError } from "../usage-error.ts";

/** The flags of `cache set`. */
export type CacheFlags = {
  readonly contentCacheSizeMb: Flag<number | undefined>;
  readonly contentCacheSizeLimitMb: Flag<number | undefined>;
  readonly contentMinSweepAge: Flag<bigint | undefined>;
  readonly metadataCacheSizeMb: Flag<number | undefined>;
  readonly metadataCacheSizeLimitMb: Flag<number | undefined>;
  readonly metadataMinSweepAge: Flag<bigint | undefined>;
  readonly indexMinSweepAge: Flag<bigint | undefined>;
  readonly maxListCacheDuration: Flag<bigint | undefined>;
  readonly cacheDirectory: Flag<string | undefined>;
};

export const CACHE_FLAGS: CacheFlags = {
  contentCacheSizeMb: integer("Desired size of local content cache (soft limit)", {
    placeholder: "MB",
  }),
  contentCacheSizeLimitMb: integer("Maximum size of local content cache (hard limit)", {
    placeholder: "MB",
  }),
  contentMinSweepAge: duration("Minimal age of content cache item to be subject to sweeping"),
  metadataCacheSizeMb: integer("Desired size of local metadata cache (soft limit)", {
    placeholder: "MB",
  }),
  metadataCacheSizeLimitMb: integer("Maximum size of local metadata cache (hard limit)", {
    placeholder: "MB",
  }),
  metadataMinSweepAge: duration(
    "Minimal age of metadata cache item to be subject to sweeping, for kopia",
  ),
  indexMinSweepAge: duration(
    "Minimal age of index cache item to be subject to sweeping, for kopia",
  ),
  maxListCacheDuration: duration(
    "Duration of index cache, for kopia: sejf always asks the storage",
  ),
  cacheDirectory: text("Directory where to store cache files", { placeholder: "PATH" }),
};

export type CacheFlagValues = FlagValues<CacheFlags>;

const MEGABYTE = 1e6;

type SizeField =
  | "maxCacheSize"
  | "contentCacheSizeLimitBytes"
  | "maxMetadataCacheSize"
  | "metadataCacheSizeLimitBytes";
type AgeField =
  | "maxListCacheDuration"
  | "minMetadataSweepAge"
  | "minContentSweepAge"
  | "minIndexSweepAge";

/** The settings given, each told through `tell`. @throws SEJF_INVALID_ARGUMENT for a negative one. */
export function cachingChanges(
  values: CacheFlagValues,
  tell: (message: string) => void,
): CachingOptions {
  const changes: { -readonly [K in keyof CachingOptions]: CachingOptions[K] } = {};
  const size = (field: SizeField, what: string, megabytes: number | undefined): void => {
    if (megabytes === undefined) return;
    if (megabytes < 0) throw usageError(`the ${what} is ${megabytes} MB, expected 0 or more`);
    changes[field] = megabytes * MEGABYTE;
    tell(`changing ${what} to ${formatBytes(megabytes * MEGABYTE)}`);
  };
  const age = (field: AgeField, what: string, ageNs: bigint | undefined): void => {
    if (ageNs === undefined) return;
    if (ageNs < 0n) throw usageError(`the ${what} is negative, expected 0 or more`);
    changes[field] = Number(ageNs) / 1e9;
    tell(`changing ${what} to ${formatDuration(ageNs)}`);
  };
  if (values.cacheDirectory !== undefined && values.cacheDirectory !== "") {
    changes.cacheDirectory = values.cacheDirectory;
    tell(`setting cache directory to ${values.cacheDirectory}`);
  }
  size("maxCacheSize", "content cache size", values.contentCacheSizeMb);
  size("contentCacheSizeLimitBytes", "content cache size limit", values.contentCacheSizeLimitMb);
  size("maxMetadataCacheSize", "metadata cache size", values.metadataCacheSizeMb);
  size("metadataCacheSizeLimitBytes", "metadata cache size limit", values.metadataCacheSizeLimitMb);
  age("maxListCacheDuration", "list cache duration", values.maxListCacheDuration);
  age("minMetadataSweepAge", "minimum metadata sweep age", values.metadataMinSweepAge);
  age("minContentSweepAge", "minimum content sweep age", values.contentMinSweepAge);
  age("minIndexSweepAge", "minimum index sweep age", values.indexMinSweepAge);
  return changes;
}
