/** `group accept`: lets in who asks to join. */
import { groupNameOf } from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { text } from "../flags.ts";
import { askCode } from "../password-prompt.ts";
import { GROUP_ARGUMENT, withGroups } from "../shared/group-command.ts";

export const command: Command = defineCommand({
  summary: "Make members of those who joined with a code",
  description:
    "Each login of an admin does this too, for codes that he made himself. Who is named here comes in even where there is a doubt, if a code proves it: look twice, and ask that person.",
  flags: {
    code: text("A code that another member made; `ask` asks for it", { placeholder: "CODE" }),
  },
  arguments: [GROUP_ARGUMENT, { name: "account", help: "This one only" }],
  async run(context, flags, [name = "", account]) {
    const code =
      flags.code === "ask" ? await askCode("Code: ", "give the code itself") : flags.code;
    await withGroups(context, async (groups) => {
      const accepted = await groups.accept(name, account, code);
      const { opened, pin } = groups.find(name);
      const members = opened?.group.members.map((member) => member.account) ?? [];
      if (accepted.length === 0)
        context.log.info(`Nobody new asks to join the group ${groupNameOf(pin)} with a code.`);
      for (const { join, doubt } of await groups.requests(name, code))
        if (!members.includes(join.account))
          context.log.info(`${join.account} asks: ${doubt ?? "proved"}.`);
    });
    return 0;
  },
});
