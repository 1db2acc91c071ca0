/** `cache set`: changes the cache settings of this connection. */
import { setCachingOptions } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { CACHE_FLAGS, cachingChanges } from "../shared/cache-flags.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary: "Sets parameters local caching of repository data",
  description: "A content cache of 0 MB switches all caching off.",
  flags: CACHE_FLAGS,
  async run(context, flags) {
    const changes = cachingChanges(flags, (message) => context.log.info(message));
    if (Object.keys(changes).length === 0)
      throw usageError("no changes", "see sejf cache set --help for what can be set");
    await setCachingOptions(context.configFile, changes, context.env);
    return 0;
  },
});
