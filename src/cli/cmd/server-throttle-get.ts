/** `server throttle get`: the limits of a running server's storage. */
import type { ThrottlingLimits } from "../../blob/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { JSON_FLAGS } from "../output/json.ts";
import { CONTROL_FLAGS, ControlClient } from "../shared/control-client.ts";
import { showLimits } from "../shared/throttle-limits.ts";

export const command: Command = defineCommand({
  summary: "Get throttling parameters for a running server",
  flags: { ...CONTROL_FLAGS, ...JSON_FLAGS },
  async run(context, flags) {
    const limits = await new ControlClient(context, flags).get("throttle");
    showLimits(context, limits as ThrottlingLimits, flags);
    return 0;
  },
});
