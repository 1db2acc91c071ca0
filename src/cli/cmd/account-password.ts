/** `account password`: another password for a sealed account; what is stored stays as it is. */
import {
  changePassword,
  documentsIn,
  resetInRepository,
  resetOnServer,
} from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { flag, text } from "../flags.ts";
import {
  newDeletePassword,
  newPasswordOf,
  tellReset,
  withAccount,
} from "../shared/account-command.ts";
import { type RecoveryKit, readRecoveryKit } from "../shared/recovery-kit-input.ts";
import { accountServer, ENROLL_TOOLS, openSealedConnection } from "../shared/sealed-open.ts";

export const command: Command = defineCommand({
  summary: "Change the password of this sealed account",
  description:
    "Asks for the present password and for a new one (SEJF_NEW_PASSWORD for scripts). Devices go on backing up. Whoever had the old password and the account key could read: after a theft use account rekey. With the recovery kit the present password is not needed.",
  flags: {
    deletePassword: flag("Ask for a delete password too, on the terminal alone"),
    recoveryKit: text("The recovery kit, in place of the present password", {
      placeholder: "FILE",
    }),
  },
  async run(context, flags) {
    const ask = async (
      account: string,
    ): Promise<{ password: string; deletePassword?: string }> => ({
      password: await newPasswordOf(context, account),
      ...(flags.deletePassword ? { deletePassword: await newDeletePassword(context) } : {}),
    });
    if (flags.recoveryKit === undefined)
      await withAccount(context, async (change) => {
        await changePassword(change, await ask(change.account));
      });
    else {
      await byKit(context, await readRecoveryKit(flags.recoveryKit), ask);
    }
    context.log.info("The password was changed.");
    return 0;
  },
});

async function byKit(
  context: CommandContext,
  kit: RecoveryKit,
  ask: (account: string) => Promise<{ password: string; deletePassword?: string }>,
): Promise<void> {
  const { config, device } = await context.sealedConnection();
  const { account, keyringVersion: knownVersion } = device.secrets;
  const server = accountServer(context, config, device);
  if (server !== undefined) {
    const { lost } = await resetOnServer(ENROLL_TOOLS, server, account, kit, await ask(account));
    tellReset(context, lost);
    return;
  }
  const { identity, former: formerIdentities } = kit;
  const reading = { ...device, identity, formerIdentities };
  const opened = await openSealedConnection(context, config, reading, "full");
  await using sealed = opened.repository;
  const known = {
    repository: { id: "", ...device.repository },
    heads: (await sealed.audit()).opened,
    knownVersion,
  };
  const documents = documentsIn(opened.below, account);
  const { password } = await ask(account);
  const { lost } = await resetInRepository(ENROLL_TOOLS, documents, account, kit, known, password);
  tellReset(context, lost);
}
