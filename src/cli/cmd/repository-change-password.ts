/** `repository change-password`: another password for the same keys. */
import { dropCachedFormat, persistPassword } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { text } from "../flags.ts";
import { askNewPassword } from "../password-prompt.ts";

export const command: Command = defineCommand({
  summary: "Change repository password",
  description:
    "The keys of the data stay the same: whoever kept an old copy of the blob kopia.repository can still open the repository with the old password.",
  flags: { newPassword: text("New password", { env: "NEW_PASSWORD", placeholder: "PASSWORD" }) },
  async run(context, flags) {
    await using connection = await context.openConnection();
    const password = flags.newPassword ?? (await askNewPassword("Enter new password: "));
    await connection.access.changePassword(connection.storage, password, {
      signal: context.signal,
    });
    await dropCachedFormat(connection.config.caching?.cacheDirectory);
    context.log.info("NOTE: Repository password has been changed.");
    if (context.globals.persistCredentials) await persistPassword(context.configFile, password);
    return 0;
  },
});
