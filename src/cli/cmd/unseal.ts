/** `unseal`: the files of a sealed snapshot that another program restored. */
import { resolve } from "node:path";
import { type Command, defineCommand } from "../command.ts";
import { flag, text } from "../flags.ts";
import { readRecoveryKit } from "../shared/recovery-kit-input.ts";
import { UNSIGNED_FLAG, unsealFolder } from "../shared/unseal-folder.ts";

export const command: Command = defineCommand({
  summary: "Turn a restored sealed snapshot into the files, with the recovery kit alone",
  description:
    "For a folder into which kopia, or sejf with the repository's password, restored a sealed snapshot. Needs no server, no connection and no password. What the account did not sign is refused: whoever knows the account's recipient, which the server does, can make a folder that opens.",
  flags: {
    recoveryKit: text("The recovery kit, or a file with its identity line", {
      required: true,
      placeholder: "FILE",
    }),
    escrow: flag("The file has the identity of an escrow recipient; needs --unsigned too"),
    unsigned: UNSIGNED_FLAG,
  },
  arguments: [
    { name: "folder", help: "The restored snapshot", required: true },
    { name: "target", help: "Where the files go; default: <folder>.unsealed" },
  ],
  async run(context, flags, [folder = "", target = `${folder.replace(/[/\\]+$/, "")}.unsealed`]) {
    const kit = await readRecoveryKit(flags.recoveryKit);
    const how = { isEscrow: flags.escrow, mayBeUnsigned: flags.unsigned };
    await unsealFolder(context, resolve(folder), resolve(target), kit, how);
    return 0;
  },
});
