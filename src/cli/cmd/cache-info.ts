/** `cache info`: what lies in the cache of this connection. Kopia's own files in the same folder are not counted. */
import { formatDuration } from "../../bytes/index.ts";
import { type CacheFolder, cacheUsage, SERVER_CONTENTS } from "../../content/index.ts";
import {
  cacheLimits,
  type CachingOptions,
  DEFAULT_CONTENT_SWEEP_AGE_S,
  loadConfig,
  ownCacheDirectory,
} from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { flag } from "../flags.ts";
import { formatBytes } from "../output/units.ts";

export const command: Command = defineCommand({
  summary: "Displays cache information and statistics",
  flags: { path: flag("Only display cache path") },
  async run(context, flags) {
    const config = await loadConfig(context.configFile, context.env);
    if (flags.path) {
      context.out.line(config.caching?.cacheDirectory ?? "");
      return 0;
    }
    const directory = ownCacheDirectory(config);
    if (directory === undefined) {
      context.log.info("This connection has no cache.");
      return 0;
    }
    const { contentBytes = 0, metadataBytes = 0 } = cacheLimits(config);
    for (const { folder, path, files, sizeBytes } of await cacheUsage(directory)) {
      const limit = isContents(folder) ? contentBytes : metadataBytes;
      const limits = limitText(folder, limit, config.caching ?? {});
      context.out.line(`${path}: ${files} files ${formatBytes(sizeBytes)}${limits}`);
    }
    context.log.info("To adjust cache sizes use 'sejf cache set'.");
    context.log.info("To clear caches use 'sejf cache clear'.");
    return 0;
  },
});

function limitText(folder: CacheFolder, softBytes: number, caching: CachingOptions): string {
  const hard = isContents(folder)
    ? caching.contentCacheSizeLimitBytes
    : caching.metadataCacheSizeLimitBytes;
  const ageS = caching.minContentSweepAge ?? DEFAULT_CONTENT_SWEEP_AGE_S;
  const age = formatDuration(BigInt(Math.round(ageS * 1e9)));
  const hardText = hard ? formatBytes(hard) : "none";
  return ` (soft limit: ${formatBytes(softBytes)}, hard limit: ${hardText}, min sweep age: ${age})`;
}

function isContents(folder: CacheFolder): boolean {
  return folder === "contents" || folder === SERVER_CONTENTS;
}
