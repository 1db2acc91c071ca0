/** `group members`: who shares with this account. */
import { type Command, defineCommand } from "../command.ts";
import { JSON_FLAGS, JsonList } from "../output/json.ts";
import { GROUP_ARGUMENT, membersIn, withGroups } from "../shared/group-command.ts";

export const command: Command = defineCommand({
  summary: "List the members of a group, as its admin signed them",
  flags: JSON_FLAGS,
  arguments: [GROUP_ARGUMENT],
  async run(context, flags, [name = ""]) {
    const members = await withGroups(
      context,
      async (groups) => await Promise.resolve(membersIn(groups.find(name))),
    );
    if (flags.json) {
      const list = new JsonList(context.out, flags);
      for (const member of members) list.add(member);
      list.end();
      return 0;
    }
    for (const { account, fingerprint, role } of members)
      context.out.line(`${fingerprint}  ${role.padEnd(6)}  ${account}`);
    return 0;
  },
});
