/** `group remove`: the next epoch, without one account. */
import { groupNameOf } from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { ACCOUNT_ARGUMENT, GROUP_ARGUMENT, withGroups } from "../shared/group-command.ts";

export const command: Command = defineCommand({
  summary: "Remove an account from a group",
  description:
    "The group gets a new secret, which that account does not learn. What was stored before stays readable for those who stored it, and that account can still find out whether somebody has a file that it has itself. Invitations that are open count no more. An admin can be removed by another one.",
  flags: {},
  arguments: [GROUP_ARGUMENT, ACCOUNT_ARGUMENT],
  async run(context, _flags, [name = "", account = ""]) {
    await withGroups(context, async (groups) => {
      const { pin } = await groups.remove(name, account.toLowerCase());
      context.log.info(
        `${account} is no member of ${groupNameOf(pin)} any more. New data are sealed under the secret of epoch ${pin.epoch}; other members follow at their next login.`,
      );
    });
    return 0;
  },
});
