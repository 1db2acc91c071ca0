/** `group use`: for which group new data are sealed. */
import { type Command, defineCommand } from "../command.ts";
import { flag } from "../flags.ts";
import { withGroups } from "../shared/group-command.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary: "Choose the group for which new data are sealed",
  description:
    "For all devices of the account: each follows at its next login. With --none nothing is shared with other accounts; membership stays.",
  flags: { none: flag("No group") },
  arguments: [{ name: "group", help: "Its name here, or the beginning of its ID" }],
  async run(context, { none }, [name]) {
    if (none === (name !== undefined)) throw usageError("give the name of a group, or --none");
    await withGroups(context, async (groups) => {
      await groups.use(name);
      context.log.info(
        name === undefined
          ? "New data are sealed for this account alone."
          : groups.device === undefined
            ? `New data are sealed for the group ${name} when an admin has let this account in.`
            : `New data are sealed for the group ${name}.`,
      );
    });
    return 0;
  },
});
