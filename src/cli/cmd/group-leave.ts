/** `group leave`: this account is in the group no more. */
import { groupNameOf } from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { GROUP_ARGUMENT, withGroups } from "../shared/group-command.ts";

export const command: Command = defineCommand({
  summary: "Leave a group",
  description:
    "New data are sealed for this account alone; what is stored stays as it is, and readable. An admin leaves with a new secret for those who stay; another member stays on the list of members until an admin removes him. The last admin leaves only as the last member.",
  flags: {},
  arguments: [GROUP_ARGUMENT],
  async run(context, _flags, [name = ""]) {
    await withGroups(context, async (groups) => {
      const pin = await groups.leave(name);
      context.log.info(`Left the group ${groupNameOf(pin)}.`);
    });
    return 0;
  },
});
