/** `unseal`: the files of a sealed snapshot that another program restored. */
import { resolve } from "node:path";
import { type Command, defineCommand } from "../command.ts";
import { flag, text } from "../flags.ts";
import { readRecoveryKit } from "../shared/recovery-kit-input.ts";
import { unsealFolder } from "../shared/unseal-folder.ts";

export const command: Command = defineCommand({
  summary: "Turn a restored sealed snapshot into the files, with the recovery kit alone",
  description:
    "For a folder into which kopia, or sejf with the repository's password, restored a sealed snapshot. Needs no server, no connection and no password.",
  flags: {
    recoveryKit: text("The recovery kit, or a file with its identity line", {
      required: true,
      placeholder: "FILE",
    }),
    escrow: flag("The file has the identity of an escrow recipient, which cannot check signatures"),
  },
  arguments: [
    { name: "folder", help: "The restored snapshot", required: true },
    { name: "target", help: "Where the files go; default: <folder>.unsealed" },
  ],
  async run(context, flags, [folder = "", target = `${folder.replace(/[/\\]+$/, "")}.unsealed`]) {
    const kit = await readRecoveryKit(flags.recoveryKit);
    await unsealFolder(context, resolve(folder), resolve(target), kit, flags.escrow);
    return 0;
  },
});
