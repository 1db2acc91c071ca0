/** `index optimize`: merges index blobs; without epochs it can also drop entries. */
import type { IndexMaintenanceResult } from "../../content/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { duration, flag, integer, texts } from "../flags.ts";
import { contentIds } from "../shared/content-ids.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary: "Optimize indexes blobs",
  description:
    "Dangerous: dropped contents cannot be read any more. Settled epochs are merged, or, in repositories without epochs, all index blobs when there are many.",
  flags: {
    maxSmallBlobs: integer(
      "Maximum number of small index blobs that can be left after compaction, without epochs",
      { default: 1 },
    ),
    dropDeletedOlderThan: duration("Drop deleted contents above given age"),
    dropContents: texts("Drop contents with given IDs", { placeholder: "ID" }),
    all: flag("Optimize all indexes, even those above maximum size"),
  },
  async run(context, flags) {
    context.assertDangerousAllowed();
    const drop = contentIds(flags.dropContents);
    const age = flags.dropDeletedOlderThan ?? 0n;
    if (age < 0n) throw usageError("--drop-deleted-older-than: expected a positive duration");
    const beforeS =
      age === 0n ? undefined : Math.floor(context.clock.nowMs() / 1000 - Number(age) / 1e9);
    const { signal } = context;
    await using repository = await context.openDirectRepository();
    const { contents } = repository;
    const hasEpochs = contents.format.epochParameters.enabled;
    if (hasEpochs && drop.length > 0)
      throw usageError(
        "--drop-contents is not possible in a repository with epochs",
        "mark contents with content delete, then drop them with --drop-deleted-older-than",
      );
    const before = await contents.indexBlobs({ signal });
    const result = await contents.compactIndexes(
      hasEpochs
        ? { all: flags.all, signal }
        : {
            all: flags.all,
            minBlobs: Math.max(2, flags.maxSmallBlobs),
            signal,
            dropDeletedBeforeS: beforeS,
            dropContents: drop.length === 0 ? undefined : drop,
          },
    );
    if (hasEpochs && beforeS !== undefined)
      await contents.setDeletionWatermark(beforeS, { signal });
    tell(context, before.length, (await contents.indexBlobs({ signal })).length, result);
    return 0;
  },
});

function tell(
  context: CommandContext,
  before: number,
  after: number,
  { compactedEpochs, range, deletedBlobs }: IndexMaintenanceResult,
): void {
  for (const epoch of compactedEpochs) context.log.info(`Merged the indexes of epoch ${epoch}.`);
  if (range !== undefined)
    context.log.info(`Merged the indexes of epochs ${range.from} to ${range.to}.`);
  if (deletedBlobs.length > 0)
    context.log.info(`Deleted ${deletedBlobs.length} superseded index blobs.`);
  context.log.info(`There were ${before} active index blobs, now there are ${after}.`);
}
