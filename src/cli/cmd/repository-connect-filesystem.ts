/** `repository connect filesystem`: connects to a repository in a folder. */
import { type Command, defineCommand } from "../command.ts";
import { CONNECT_FLAGS, connect, openUnconnected } from "../shared/connect-flags.ts";
import { FILESYSTEM_FLAGS, filesystemConnection } from "../shared/filesystem-flags.ts";

export const command: Command = defineCommand({
  summary: "Connect to repository in a filesystem",
  flags: { ...FILESYSTEM_FLAGS, ...CONNECT_FLAGS },
  async run(context, flags) {
    await using storage = await openUnconnected(context, filesystemConnection(flags, context.env));
    await connect(context, storage, await context.passwordToConnect(), flags);
    return 0;
  },
});
