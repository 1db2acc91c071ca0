/** `repository throttle get`: the limits of this connection. */
import { loadConfig, throttlingOf } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { JSON_FLAGS } from "../output/json.ts";
import { showLimits } from "../shared/throttle-limits.ts";

export const command: Command = defineCommand({
  summary: "Get throttling parameters for a repository",
  flags: JSON_FLAGS,
  async run(context, flags) {
    showLimits(
      context,
      throttlingOf(await loadConfig(context.configFile, context.env), context.configFile),
      flags,
    );
    return 0;
  },
});
