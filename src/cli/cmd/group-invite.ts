/** `group invite`: a code for one more member. */
import { type Command, defineCommand } from "../command.ts";
import { text } from "../flags.ts";
import { JSON_FLAGS, jsonText } from "../output/json.ts";
import { parseLifeMs } from "../output/life.ts";
import { withGroups } from "../shared/group-command.ts";

export const command: Command = defineCommand({
  summary: "Make a code with which one more account joins a group",
  description:
    "Give the code to that person alone, by a way that the server has no part in: whoever has it first reads the group's secret. It is shown once, and counts once.",
  flags: {
    expires: text("How long it counts, 31 days at most", {
      placeholder: "DURATION",
      default: "7d",
    }),
    for: text("The only account that may use it", { placeholder: "USER@HOST" }),
    ...JSON_FLAGS,
  },
  arguments: [{ name: "group", help: "Its name here, or the beginning of its ID", required: true }],
  async run(context, flags, [name = ""]) {
    const lifeMs = parseLifeMs("--expires", flags.expires);
    const { code, expires, isForAdmin } = await withGroups(
      context,
      async (groups) => await groups.invite(name, lifeMs, flags.for?.toLowerCase()),
    );
    if (flags.json) context.out.line(jsonText({ code, expires }, flags));
    else {
      context.out.line(code);
      context.log.info(`It counts once, until ${expires}: sejf group join CODE`);
    }
    if (isForAdmin)
      context.log.info(
        "An admin of the group needs it too: `sejf group accept GROUP --code=ask` makes its owner a member.",
      );
    return 0;
  },
});
