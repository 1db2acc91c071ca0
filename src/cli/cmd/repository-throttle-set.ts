/** `repository throttle set`: limits of this connection, kept in the connection file. */
import { loadConfig, setClientOptions, throttlingOf } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { changedLimits, LIMIT_FLAGS } from "../shared/throttle-limits.ts";

export const command: Command = defineCommand({
  summary: "Set throttling parameters for a repository",
  description: "Each limit is a number, or `unlimited`.",
  flags: LIMIT_FLAGS,
  async run(context, flags) {
    const before = throttlingOf(
      await loadConfig(context.configFile, context.env),
      context.configFile,
    );
    const throttling = changedLimits(context, before, flags);
    if (throttling !== undefined)
      await setClientOptions(context.configFile, { throttling }, context.env);
    return 0;
  },
});
