/** `server throttle set`: limits of a running server's storage, until it stops. */
import type { ThrottlingLimits } from "../../blob/index.ts";
import { throttlingJson } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { CONTROL_FLAGS, ControlClient } from "../shared/control-client.ts";
import { changedLimits, LIMIT_FLAGS } from "../shared/throttle-limits.ts";

export const command: Command = defineCommand({
  summary: "Set throttling parameters for a running server",
  description:
    "Each limit is a number, or `unlimited`. They last until the server stops; `repository throttle set` on the server's own connection keeps them.",
  flags: { ...CONTROL_FLAGS, ...LIMIT_FLAGS },
  async run(context, flags) {
    const client = new ControlClient(context, flags);
    const before = (await client.get("throttle")) as ThrottlingLimits;
    const limits = changedLimits(context, before, flags);
    if (limits !== undefined) await client.put("throttle", throttlingJson(limits));
    return 0;
  },
});
