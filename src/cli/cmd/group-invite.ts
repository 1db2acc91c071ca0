/** `group invite`: a code for one more member, or admin. */
import { type Command, defineCommand } from "../command.ts";
import { flag, text } from "../flags.ts";
import { JSON_FLAGS, jsonText } from "../output/json.ts";
import { parseLifeMs } from "../output/life.ts";
import { usageError } from "../usage-error.ts";
import { GROUP_ARGUMENT, withGroups } from "../shared/group-command.ts";

export const command: Command = defineCommand({
  summary: "Make a code with which one more account joins a group",
  description:
    "Give the code to that person alone, by a way that the server has no part in: whoever has it first reads the group's secret. It is shown once, and counts once. With --admin it makes an admin, also of who is a member already: admins let others in, remove members and one another, and make further admins.",
  flags: {
    expires: text("How long it counts, 31 days at most", {
      placeholder: "DURATION",
      default: "7d",
    }),
    admin: flag("Who uses the code becomes an admin of the group; name that account with --for"),
    for: text("The only account that may use it", { placeholder: "USER@HOST" }),
    ...JSON_FLAGS,
  },
  arguments: [GROUP_ARGUMENT],
  async run(context, flags, [name = ""]) {
    const account = flags.for?.toLowerCase();
    if (flags.admin && account === undefined)
      throw usageError("--admin needs --for USER@HOST", "an admin can remove you from the group");
    const lifeMs = parseLifeMs("--expires", flags.expires);
    const { code, expires, isForAdmin } = await withGroups(
      context,
      async (groups) => await groups.invite(name, { lifeMs, account, admin: flags.admin }),
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
