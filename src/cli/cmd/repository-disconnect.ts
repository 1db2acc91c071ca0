/** `repository disconnect`: forgets the connection, its caches and its password. The repository stays. */
import { disconnectRepository, forgetPassword } from "../../repository/index.ts";
import { rm } from "node:fs/promises";
import { type Command, defineCommand } from "../command.ts";

export const command: Command = defineCommand({
  summary: "Disconnect from a repository",
  description:
    "Removes the connection file, the caches and the kept password from this machine; the repository is not touched. Of a sealed account this device's keys go too: with the account key from the recovery kit or card it can be added again.",
  flags: {},
  async run(context) {
    await disconnectRepository(context.configFile, context.env);
    await forgetPassword(context.configFile);
    await rm(`${context.configFile}.sejf-sealed`, { force: true });
    await rm(`${context.configFile}.sejf-kept`, { recursive: true, force: true });
    return 0;
  },
});
