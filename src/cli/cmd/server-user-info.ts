/** `server user info`: one account, as JSON. Reference: kopia cli/command_user_info.go. */
import type { DirectRepository, Repository } from "../../repository/index.ts";
import { sealedAccountInfo } from "../../server/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { jsonText } from "../output/json.ts";
import { accountsOf, userNotFound } from "../shared/user-command.ts";
import { userJson } from "../shared/user-json.ts";

export const command: Command = defineCommand({
  summary: "Info about particular user",
  flags: {},
  arguments: [{ name: "username", help: "The username to look up", required: true }],
  async run(context, _flags, [name = ""]) {
    await using repository = await context.openManagedRepository();
    const accounts = accountsOf(context, repository);
    const account = await accounts.find(name, { signal: context.signal });
    if (account === undefined) throw userNotFound(name);
    // Through a server nobody reads these records.
    const sealed =
      account.encryption === "client" && isDirect(repository)
        ? await sealedAccountInfo(repository, account.name, context.clock)
        : undefined;
    context.out.write(jsonText(userJson(account, sealed), { json: true, jsonIndent: true }));
    return 0;
  },
});

function isDirect(repository: Repository): repository is DirectRepository {
  return "storage" in repository;
}
