/** `server refresh`: as SIGHUP does. */
import { type Command, defineCommand } from "../command.ts";
import { CONTROL_FLAGS, ControlClient } from "../shared/control-client.ts";

export const command: Command = defineCommand({
  summary: "Refresh the server to observe new sources, accounts and snapshots",
  flags: CONTROL_FLAGS,
  async run(context, flags) {
    await new ControlClient(context, flags).post("refresh");
    return 0;
  },
});
