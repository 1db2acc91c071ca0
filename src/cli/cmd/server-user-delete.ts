/** `server user delete`: password and settings; the account's snapshots stay. Reference: kopia cli/command_user_delete.go. */
import { type Command, defineCommand } from "../command.ts";
import { accountsOf } from "../shared/user-command.ts";

export const command: Command = defineCommand({
  summary: "Delete user",
  description:
    "Snapshots and policies of the account stay in the repository. Of a sealed account the keyring goes: afterwards nothing but its recovery kit opens what it stored.",
  flags: {},
  arguments: [{ name: "username", help: "The username to delete", required: true }],
  async run(context, _flags, [name = ""]) {
    const { signal } = context;
    await using repository = await context.openManagedRepository();
    const accounts = accountsOf(context, repository);
    const isSealed = (await accounts.find(name, { signal }))?.encryption === "client";
    const deleted = await accounts.delete(name, { signal });
    await repository.flush({ signal });
    context.log.info(
      deleted
        ? `User ${JSON.stringify(name)} deleted.`
        : `There is no user ${JSON.stringify(name)}.`,
    );
    if (deleted && isSealed)
      context.log.warn(
        "The account was sealed: nothing but its recovery kit opens what it stored (`sejf recover` with --path, --bucket or --folder).",
      );
    return 0;
  },
});
