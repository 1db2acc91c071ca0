/** `repository create from-config`: a new repository where a token says. */
import { type Command, defineCommand } from "../command.ts";
import { CREATE_FLAGS, create } from "../shared/create-flags.ts";
import { describedConnection, TOKEN_FLAGS } from "../shared/token-flags.ts";

export const command: Command = defineCommand({
  summary: "Create repository in the provided configuration file",
  flags: { ...TOKEN_FLAGS, ...CREATE_FLAGS },
  async run(context, flags) {
    const { storage, password } = await describedConnection(context, flags);
    await create(context, storage, flags, password);
    return 0;
  },
});
