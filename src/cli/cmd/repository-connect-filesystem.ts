/** `repository connect filesystem`: connects to a repository in a folder. */
import { type Command, defineCommand } from "../command.ts";
import {
  CONNECT_STORAGE_FLAGS,
  CONNECT_STORAGE_HELP,
  connectStorage,
} from "../shared/connect-storage.ts";
import { FILESYSTEM_FLAGS, filesystemConnection } from "../shared/filesystem-flags.ts";

export const command: Command = defineCommand({
  summary: "Connect to repository in a filesystem",
  description: CONNECT_STORAGE_HELP,
  flags: { ...FILESYSTEM_FLAGS, ...CONNECT_STORAGE_FLAGS },
  async run(context, flags) {
    await connectStorage(context, filesystemConnection(flags, context.env), flags);
    return 0;
  },
});
