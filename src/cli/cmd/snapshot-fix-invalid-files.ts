/** `snapshot fix invalid-files`: takes what cannot be read out of snapshots. Reference: kopia cli/command_snapshot_fix_invalid_files.go. */
import type { ObjectId } from "../../object/index.ts";
import { brokenEntries, formatSource, verifyTrees } from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { choice, decimal } from "../flags.ts";
import { FIX_FLAGS, runFix, snapshotsToFix } from "../shared/fix-command.ts";
import { randomFraction } from "../shared/random-fraction.ts";
import { usageError } from "../usage-error.ts";

/** Of more broken files than these the reason is not told. */
const MAX_REASONS = 10_000;

export const command: Command = defineCommand({
  summary: "Remove references to any invalid (unreadable) files from snapshots",
  description:
    "All snapshots are verified first; then directories are rewritten without what is broken. A changed snapshot gets a new ID. Nothing changes unless --commit is given.",
  flags: {
    ...FIX_FLAGS,
    invalidFileHandling: choice("How to handle invalid files", ["fail", "stub", "keep", "remove"], {
      default: "stub",
    }),
    verifyFilesPercent: decimal(
      "Verify a percentage of files by fully downloading them [0.0 .. 100.0]",
      { default: 0, placeholder: "PERCENT" },
    ),
  },
  async run(context, values) {
    const { verifyFilesPercent: filesPercent } = values;
    if (filesPercent < 0 || filesPercent > 100)
      throw usageError(
        `--verify-files-percent: ${filesPercent} is not possible, expected 0 to 100`,
      );
    await using repository = await context.openRepository();
    const { snapshots, unreadable } = await snapshotsToFix(
      context,
      repository,
      values.manifestId,
      values.source,
    );
    const roots = snapshots.flatMap((snapshot) => {
      const { rootEntry, source } = snapshot;
      if (rootEntry === undefined) return [];
      return [{ entry: rootEntry, label: formatSource(source), snapshot }];
    });
    const reasons = new Map<ObjectId, string>();
    const { isBroken } = await verifyTrees(repository, roots, {
      signal: context.signal,
      filesPercent,
      random: randomFraction(context.random),
      onEvent(event) {
        if (event.kind === "problem" && reasons.size < MAX_REASONS)
          reasons.set(event.problem.object, event.problem.message);
      },
    });
    const rules = {
      reasonToRemove: brokenEntries(isBroken, reasons),
      onRemove: values.invalidFileHandling,
      onUnreadableDirectory: values.invalidDirectoryHandling,
      onRemoved: (path: string, reason: string): void =>
        context.log.warn(`removing invalid file ${path} due to: ${reason}`),
      onUnreadable: (path: string, reason: string): void =>
        context.log.warn(`directory ${path}: ${reason}`),
    };
    await runFix(context, repository, snapshots, rules, values.commit);
    return unreadable === 0 ? 0 : 1;
  },
});
