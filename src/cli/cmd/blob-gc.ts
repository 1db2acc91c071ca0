/** `blob gc`: deletes packs and session markers that nobody needs. */
import { collectPacks, FULL_COLLECTION_AGES, NO_COLLECTION_AGES } from "../../content/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { integer, text } from "../flags.ts";
import { formatBytes } from "../output/units.ts";
import { SAFETY_FLAG } from "../shared/safety.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary: "Garbage-collect unused blobs",
  description:
    "Packs that no index names are deleted once they are 24 hours old and their session has given no sign of life for 96 hours. --safety=none does not wait, and is only for when nobody else writes.",
  flags: {
    delete: text("Whether to delete unused blobs: `yes`, else they are only counted", {
      placeholder: "yes|no",
    }),
    parallel: integer("Number of parallel deletions", { default: 16 }),
    prefix: text("Only GC blobs with given prefix", { placeholder: "PREFIX" }),
    safety: SAFETY_FLAG,
  },
  async run(context, flags) {
    context.assertDangerousAllowed();
    if (flags.parallel < 1) throw usageError("--parallel: expected 1 or more");
    const isDeleting = flags.delete === "yes";
    await using repository = await context.openDirectRepository();
    const { unreferenced, retained, deleted, temporary } = await collectPacks(repository.contents, {
      clock: context.clock,
      ages: flags.safety === "none" ? NO_COLLECTION_AGES : FULL_COLLECTION_AGES,
      prefix: flags.prefix,
      delete: isDeleting,
      parallel: flags.parallel,
      signal: context.signal,
      onUnreferenced: (blob) =>
        context.log.info(`${isDeleting ? "Deleting" : "Unused"}: ${blob.id} (${blob.lengthBytes})`),
    });
    const young =
      retained.count === 0
        ? ""
        : `, ${retained.count} more (${formatBytes(retained.sizeBytes)}) are too young or belong to a running session`;
    context.log.info(
      `Found ${unreferenced.count} unused blobs (${formatBytes(unreferenced.sizeBytes)})${young}.`,
    );
    if (isDeleting)
      context.log.info(`Deleted ${deleted.count} blobs (${formatBytes(deleted.sizeBytes)}).`);
    if (temporary.count > 0)
      context.log.info(
        `Removed ${temporary.count} unfinished files of writers that died (${formatBytes(temporary.sizeBytes)}).`,
      );
    if (!isDeleting && unreferenced.count > 0) context.log.info("Pass --delete=yes to delete.");
    return 0;
  },
});
