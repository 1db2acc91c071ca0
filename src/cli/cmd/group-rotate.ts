/** `group rotate`: the next epoch, with a new secret. */
import { groupNameOf } from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { GROUP_ARGUMENT, withGroups } from "../shared/group-command.ts";

export const command: Command = defineCommand({
  summary: "Give a group a new secret",
  description:
    "After a code or a device was lost. Files are uploaded anew when they next change. Invitations that are open count no more.",
  flags: {},
  arguments: [GROUP_ARGUMENT],
  async run(context, _flags, [name = ""]) {
    await withGroups(context, async (groups) => {
      const { pin } = await groups.rotate(name);
      context.log.info(
        `The group ${groupNameOf(pin)} has the epoch ${pin.epoch}; other members follow at their next login.`,
      );
    });
    return 0;
  },
});
