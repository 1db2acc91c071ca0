/** `cache clear`: empties the cache of this connection. Kopia's own files in the same folder stay. */
import { type CacheFolder, clearCache, SERVER_CONTENTS } from "../../content/index.ts";
import { SejfError } from "../../errors/index.ts";
import { loadConfig, ownCacheDirectory } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { choice } from "../flags.ts";

const PARTS = ["contents", "indexes", "metadata", "own-writes", "blob-list"] as const;

/** Kopia's names; it keeps two caches that sejf needs not. */
const FOLDERS: Readonly<Record<(typeof PARTS)[number], readonly CacheFolder[]>> = {
  contents: ["contents", SERVER_CONTENTS],
  indexes: ["index-blobs", "index-files"],
  metadata: ["metadata"],
  "own-writes": [],
  "blob-list": [],
};

export const command: Command = defineCommand({
  summary: "Clears the cache",
  flags: { partial: choice("Specifies the cache to clear", PARTS) },
  async run(context, flags) {
    const directory = ownCacheDirectory(await loadConfig(context.configFile, context.env));
    if (directory === undefined)
      throw new SejfError("SEJF_UNSUPPORTED", "caching not enabled", {
        hint: "this connection has no cache; see cache set",
      });
    if (flags.partial === undefined) {
      context.log.info(`Clearing cache directory: ${directory}.`);
      await clearCache(directory);
      return 0;
    }
    const folders = FOLDERS[flags.partial];
    if (folders.length === 0) context.log.info(`sejf has no ${flags.partial} cache.`);
    else context.log.info(`Clearing ${flags.partial} in cache directory: ${directory}.`);
    await clearCache(directory, folders);
    return 0;
  },
});
