/** `repository sync-to filesystem`: a copy of the whole repository in another folder. */
import { type Command, defineCommand } from "../command.ts";
import { FILESYSTEM_FLAGS, filesystemConnection } from "../shared/filesystem-flags.ts";
import { SYNC_FLAGS, syncTo } from "../shared/sync-to.ts";

export const command: Command = defineCommand({
  summary: "Synchronize repository data to another repository in a filesystem",
  flags: { ...SYNC_FLAGS, ...FILESYSTEM_FLAGS },
  async run(context, flags) {
    await syncTo(context, filesystemConnection(flags, context.env), flags);
    return 0;
  },
});
