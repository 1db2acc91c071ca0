/** `account rekey`: new keys for a sealed account, after a theft of the kit, the account key or a device. */
import { deriveAccountKeys } from "../../sealed/index.ts";
import { removeKept, rekeyAccount, updateDevice } from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { refusableText } from "../flags.ts";
import { withAccount } from "../shared/account-command.ts";
import { openKitOutput } from "../shared/recovery-kit-output.ts";
import { accountServer, ENROLL_TOOLS } from "../shared/sealed-open.ts";

export const command: Command = defineCommand({
  summary: "Give this sealed account new keys",
  description:
    "After a theft. Everything that is backed up from now on is sealed with keys that the thief has not; the next snapshot reads and stores every file anew. Old snapshots stay readable to you, and to the thief those that he can get at. The new recovery kit opens them too. All other devices are to be added again, and groups to be joined again; those that this account is an admin of learn its new keys at the next login. On a sejf server it asks for the delete password, which is to be set anew afterwards: account password --delete-password.",
  flags: {
    recoveryKit: refusableText("Write the new recovery kit to this new file", {
      placeholder: "FILE",
    }),
  },
  async run(context, flags) {
    await using kit = await openKitOutput(context, flags.recoveryKit);
    const { config } = await context.sealedConnection();
    const isServed = await withAccount(context, async (change, { repository, device }) => {
      // Heads that nobody has seen yet would count no more.
      change.heads.learn((await repository.audit()).opened);
      const keys = await deriveAccountKeys(ENROLL_TOOLS.engine, ENROLL_TOOLS.random.bytes(32));
      // Before anything is changed: without it the account would be lost with this computer.
      const { identity, formerIdentities = [] } = change.unlocked.keyring;
      const former = [identity, ...formerIdentities];
      await kit.write(change.account, keys, accountServer(context, config, device), former);
      const next = await rekeyAccount(change, repository, device, keys);
      await updateDevice(context.configFile, () => next);
      await removeKept(context.configFile);
      return change.unlocked.client !== undefined;
    });
    context.log.info(
      "The account has new keys. Add its other devices again, with the account key from the new kit.",
    );
    if (isServed)
      context.log.warn(
        "It has no delete password now: `sejf account password --delete-password` sets one.",
      );
    return 0;
  },
});
