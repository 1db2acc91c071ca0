/** `group join`: with a code from a member. */
import { groupNameOf } from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { text } from "../flags.ts";
import { askCode } from "../password-prompt.ts";
import { withGroups } from "../shared/group-command.ts";

export const command: Command = defineCommand({
  summary: "Join a group with a code from one of its members",
  description:
    "What is backed up from now on is sealed for the group. An admin of the group makes this account a member at his next login; until then others' chunks are uploaded once more. A member joins again with a code of --admin, to be an admin.",
  flags: { name: text("What this account calls the group; default: the beginning of its ID") },
  arguments: [{ name: "code", help: "The code; `ask` asks for it", required: true }],
  async run(context, { name }, [given = ""]) {
    const code = given === "ask" ? await askCode("Code: ", "give the code itself") : given;
    await withGroups(context, async (groups) => {
      const { pin, opened } = await groups.join(code, name);
      if (opened !== undefined && pin.pending !== true) {
        context.log.info(
          `Asked to be an admin of the group ${groupNameOf(pin)}. Whoever made the code makes this account one at his next login.`,
        );
        return;
      }
      context.log.info(`Joined the group ${groupNameOf(pin)} (${pin.id}).`);
      if (pin.used !== true)
        context.log.info(
          `Another group is used; \`sejf group use ${groupNameOf(pin)}\` changes that.`,
        );
    });
    return 0;
  },
});
