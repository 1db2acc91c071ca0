/** `account recovery-kit`: the recovery kit once more. */
import { type Command, defineCommand } from "../command.ts";
import { text } from "../flags.ts";
import { withAccount } from "../shared/account-command.ts";
import { openKitOutput } from "../shared/recovery-kit-output.ts";
import { accountServer } from "../shared/sealed-open.ts";

export const command: Command = defineCommand({
  summary: "Write the recovery kit of this sealed account once more",
  description:
    "Asks for the password. The kit opens everything that the account stored, on any computer: print it, keep it away from this one, and delete the file.",
  flags: {
    recoveryKit: text("Write it to this new file; default: the terminal", { placeholder: "FILE" }),
  },
  async run(context, flags) {
    await using kit = await openKitOutput(context, flags.recoveryKit, { mayBeRefused: false });
    const { config } = await context.sealedConnection();
    await withAccount(context, async ({ account, unlocked }, { device }) => {
      const server = accountServer(context, config, device);
      await kit.write(account, unlocked.keys, server, unlocked.keyring.formerIdentities);
    });
    return 0;
  },
});
