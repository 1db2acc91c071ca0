/** `account password`: another password for a sealed account; what is stored stays as it is. */
import { changePassword } from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { flag } from "../flags.ts";
import { newDeletePassword, newPasswordOf, withAccount } from "../shared/account-command.ts";

export const command: Command = defineCommand({
  summary: "Change the password of this sealed account",
  description:
    "Asks for the present password and for a new one (SEJF_NEW_PASSWORD for scripts). Devices go on backing up. Whoever had the old password and the account key could read: after a theft use account rekey. Without the present password: sejf recover.",
  flags: {
    deletePassword: flag("Ask for a delete password too, on the terminal alone"),
  },
  async run(context, flags) {
    await withAccount(context, async (change) => {
      const password = await newPasswordOf(context, change.account);
      const deletePassword = flags.deletePassword ? await newDeletePassword(context) : undefined;
      await changePassword(change, { password, deletePassword });
    });
    context.log.info("The password was changed.");
    return 0;
  },
});
