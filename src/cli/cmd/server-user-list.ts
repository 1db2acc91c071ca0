/** `server user list`: names of accounts. Reference: kopia cli/command_user_list.go. */
import { type Command, defineCommand } from "../command.ts";
import { JSON_FLAGS, JsonList } from "../output/json.ts";
import { accountsOf } from "../shared/user-command.ts";
import { userJson } from "../shared/user-json.ts";

export const command: Command = defineCommand({
  summary: "List users",
  flags: { ...JSON_FLAGS },
  async run(context, flags) {
    await using repository = await context.openManagedRepository();
    const accounts = await accountsOf(context, repository).list({ signal: context.signal });
    for (const { name, problem } of accounts)
      if (problem !== undefined) context.log.warn(`nobody can log in as ${name}: ${problem}`);
    if (!flags.json) {
      for (const { name } of accounts) context.out.line(name);
      return 0;
    }
    const list = new JsonList(context.out, flags);
    for (const account of accounts) list.add(userJson(account));
    list.end();
    return 0;
  },
});
