/** `repository create filesystem`: a new repository in a folder. */
import { type Command, defineCommand } from "../command.ts";
import { CREATE_FLAGS, create } from "../shared/create-flags.ts";
import { FILESYSTEM_FLAGS, filesystemConnection } from "../shared/filesystem-flags.ts";

export const command: Command = defineCommand({
  summary: "Create repository in a filesystem",
  flags: { ...FILESYSTEM_FLAGS, ...CREATE_FLAGS },
  async run(context, flags) {
    await create(
      context,
      filesystemConnection(flags, context.env, flags.formatVersion),
      flags,
      undefined,
    );
    return 0;
  },
});
