/** `repository repair filesystem`: a repository in a folder. */
import { type Command, defineCommand } from "../command.ts";
import { FILESYSTEM_FLAGS, filesystemConnection } from "../shared/filesystem-flags.ts";
import { REPAIR_FLAGS, REPAIR_HELP, repairFormat } from "../shared/repair-format.ts";

export const command: Command = defineCommand({
  summary: "Recover the format blob of a repository in a filesystem",
  description: REPAIR_HELP,
  flags: { ...REPAIR_FLAGS, ...FILESYSTEM_FLAGS },
  async run(context, flags) {
    await repairFormat(context, filesystemConnection(flags, context.env), flags);
    return 0;
  },
});
