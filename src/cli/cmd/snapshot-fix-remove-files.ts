/** `snapshot fix remove-files`: takes files out of snapshots that exist. Reference: kopia cli/command_snapshot_fix_remove_files.go. */
import { removalOf } from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { texts } from "../flags.ts";
import { FIX_FLAGS, runFix, snapshotsToFix } from "../shared/fix-command.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary: "Remove references to the specified files from snapshots",
  description:
    "Directories are rewritten without them; a changed snapshot gets a new ID. Nothing changes unless --commit is given.",
  flags: {
    ...FIX_FLAGS,
    objectId: texts("Remove files by their object ID", { placeholder: "ID" }),
    filename: texts("Remove files by filename (wildcards are supported)", {
      placeholder: "PATTERN",
    }),
  },
  async run(context, values) {
    const { objectId, filename } = values;
    if (objectId.length + filename.length === 0) throw usageError("must specify files to remove");
    removalOf(objectId, filename); // a malformed pattern is told before anything is opened
    await using repository = await context.openRepository();
    const { snapshots, unreadable } = await snapshotsToFix(
      context,
      repository,
      values.manifestId,
      values.source,
    );
    const rules = {
      reasonToRemove: removalOf(objectId, filename),
      onRemove: "remove" as const,
      onUnreadableDirectory: values.invalidDirectoryHandling,
      onRemoved: (path: string): void => context.log.info(`will remove file ${path}`),
      onUnreadable: (path: string, reason: string): void =>
        context.log.warn(`directory ${path}: ${reason}`),
    };
    await runFix(context, repository, snapshots, rules, values.commit);
    return unreadable === 0 ? 0 : 1;
  },
});
