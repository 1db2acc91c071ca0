/** `repository disconnect`: forgets the connection, its caches and its password. The repository stays. */
import { disconnectRepository, forgetPassword } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";

export const command: Command = defineCommand({
  summary: "Disconnect from a repository",
  description:
    "Removes the connection file, the caches and the kept password from this machine; the repository is not touched.",
  flags: {},
  async run(context) {
    await disconnectRepository(context.configFile, context.env);
    await forgetPassword(context.configFile);
    return 0;
  },
});
