/** `server shutdown`: sessions may flush for the server's grace period. */
import { type Command, defineCommand } from "../command.ts";
import { CONTROL_FLAGS, ControlClient } from "../shared/control-client.ts";

export const command: Command = defineCommand({
  summary: "Gracefully shutdown the server",
  flags: CONTROL_FLAGS,
  async run(context, flags) {
    await new ControlClient(context, flags).post("shutdown");
    return 0;
  },
});
