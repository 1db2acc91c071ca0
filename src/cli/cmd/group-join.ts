/** `group join`: with a code from a member. */
import { groupNameOf } from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { text } from "../flags.ts";
import { askPassword } from "../password-prompt.ts";
import { withGroups } from "../shared/group-command.ts";

export const command: Command = defineCommand({
  summary: "Join a group with a code from one of its members",
  description:
    "What is backed up from now on is sealed for the group. An admin of the group makes this account a member at his next login; until then others' chunks are uploaded once more.",
  flags: { name: text("What this account calls the group; default: the beginning of its ID") },
  arguments: [{ name: "code", help: "The code; `ask` asks for it", required: true }],
  async run(context, { name }, [given = ""]) {
    const code = given === "ask" ? await askPassword("Code: ") : given;
    await withGroups(context, async (groups) => {
      const { pin } = await groups.join(code, name);
      context.log.info(`Joined the group ${groupNameOf(pin)} (${pin.id}).`);
      if (pin.used !== true)
        context.log.info(
          `Another group is used; \`sejf group use ${groupNameOf(pin)}\` changes that.`,
        );
    });
    return 0;
  },
});
