/** `group demote`: an admin becomes a member like others. */
import { groupNameOf } from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { ACCOUNT_ARGUMENT, GROUP_ARGUMENT, withGroups } from "../shared/group-command.ts";

export const command: Command = defineCommand({
  summary: "Make an admin of a group a member like others",
  description:
    "Any admin can do this to any other, or to himself, but for the last one. group invite --admin makes admins. The secret stays: a member knows it anyway.",
  flags: {},
  arguments: [GROUP_ARGUMENT, ACCOUNT_ARGUMENT],
  async run(context, _flags, [name = "", account = ""]) {
    await withGroups(context, async (groups) => {
      const { pin } = await groups.demote(name, account.toLowerCase());
      context.log.info(`${account} is no admin of the group ${groupNameOf(pin)} any more.`);
    });
    return 0;
  },
});
