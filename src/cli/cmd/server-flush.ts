/** `server flush`: what the server itself has written and not flushed. */
import { type Command, defineCommand } from "../command.ts";
import { CONTROL_FLAGS, ControlClient } from "../shared/control-client.ts";

export const command: Command = defineCommand({
  summary: "Flush the state of the server to persistent storage",
  flags: CONTROL_FLAGS,
  async run(context, flags) {
    await new ControlClient(context, flags).post("flush");
    return 0;
  },
});
