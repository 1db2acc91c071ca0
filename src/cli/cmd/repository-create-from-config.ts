/** `repository create from-config`: a new repository where a token says. */
import { type Command, defineCommand } from "../command.ts";
import { CREATE_FLAGS, create } from "../shared/create-flags.ts";
import { describedConnection, TOKEN_FLAGS } from "../shared/token-flags.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary: "Create repository in the provided configuration file",
  flags: { ...TOKEN_FLAGS, ...CREATE_FLAGS },
  async run(context, flags) {
    const described = await describedConnection(context, flags);
    if ("server" in described)
      throw usageError("this is a connection to a repository server, nothing can be created there");
    await create(context, described.storage, flags, described.password);
    return 0;
  },
});
