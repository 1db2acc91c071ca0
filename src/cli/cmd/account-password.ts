/** `account password`: another password for a sealed account; what is stored stays as it is. */
import {
  changePassword,
  documentsIn,
  needsSejfServer,
  type NewPasswords,
  resetInRepository,
  resetOnServer,
  sessionOf,
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

interface Flags {
  readonly deletePassword: boolean;
}

export const command: Command = defineCommand({
  summary: "Change the password of this sealed account",
  description:
    "Asks for the present password and for a new one (SEJF_NEW_PASSWORD for scripts). Devices go on backing up. Whoever had the old password and the account key could read: after a theft use account rekey. With the recovery kit the present password is not needed.",
  flags: {
    deletePassword: flag(
      "Ask for a delete password, on the terminal alone; the account's password stays, unless SEJF_NEW_PASSWORD gives another",
    ),
    recoveryKit: text("The recovery kit, in place of the present password", {
      placeholder: "FILE",
    }),
  },
  async run(context, flags) {
    if (flags.recoveryKit === undefined)
      await withAccount(context, async (change) => {
        if (flags.deletePassword) sessionOf(change.unlocked, "a delete password");
        const isKept = flags.deletePassword && context.env["SEJF_NEW_PASSWORD"] === undefined;
        const password = isKept
          ? change.unlocked.password
          : await newPasswordOf(context, change.account);
        await changePassword(change, await withDelete(context, password, flags));
        context.log.info(
          isKept ? "The delete password counts from now on." : "The password was changed.",
        );
      });
    else {
      await byKit(context, await readRecoveryKit(flags.recoveryKit), flags);
      context.log.info("The password was changed.");
    }
    return 0;
  },
});

async function byKit(context: CommandContext, kit: RecoveryKit, flags: Flags): Promise<void> {
  const { config, device } = await context.sealedConnection();
  const { account, keyringVersion: knownVersion } = device.secrets;
  const server = accountServer(context, config, device);
  if (server !== undefined) {
    const password = await newPasswordOf(context, account);
    const passwords = await withDelete(context, password, flags);
    const { lost } = await resetOnServer(ENROLL_TOOLS, server, account, kit, passwords);
    tellReset(context, lost);
    return;
  }
  if (flags.deletePassword) throw needsSejfServer("a delete password");
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
  const password = await newPasswordOf(context, account);
  const { lost } = await resetInRepository(ENROLL_TOOLS, documents, account, kit, known, password);
  tellReset(context, lost);
}

async function withDelete(
  context: CommandContext,
  password: string,
  { deletePassword }: Flags,
): Promise<NewPasswords> {
  if (!deletePassword) return { password };
  return { password, deletePassword: await newDeletePassword(context) };
}
