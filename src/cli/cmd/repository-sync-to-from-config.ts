/** `repository sync-to from-config`: a copy of the whole repository where a token or another connection file says. */
import { type Command, defineCommand } from "../command.ts";
import { SYNC_FLAGS, syncTo } from "../shared/sync-to.ts";
import { describedConnection, TOKEN_FLAGS } from "../shared/token-flags.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary:
    "Synchronize repository data to another repository using the provided configuration file",
  flags: { ...SYNC_FLAGS, ...TOKEN_FLAGS },
  async run(context, flags) {
    const described = await describedConnection(context, flags);
    if ("server" in described)
      throw usageError(
        "the destination is a repository server, which takes no copy of a repository",
        "name a connection to the storage itself",
      );
    await syncTo(context, described.storage, flags);
    return 0;
  },
});
