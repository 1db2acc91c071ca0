/** `repository sync-to filesystem`: a copy of the whole repository in another folder, blob by blob. */
import { copyAllBlobs, type CopyBlobsProgress } from "../../blob/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { flag, integer } from "../flags.ts";
import { openProgress } from "../output/progress.ts";
import { formatBytes } from "../output/units.ts";
import { openUnconnected } from "../shared/connect-flags.ts";
import { FILESYSTEM_FLAGS, filesystemConnection } from "../shared/filesystem-flags.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary: "Synchronize repository data to another repository in a filesystem",
  flags: {
    update: flag(
      "Whether to update blobs present in destination and source if the source is newer",
      { default: true },
    ),
    delete: flag("Whether to delete blobs present in destination but not source"),
    dryRun: flag("Do not perform copying", { short: "n" }),
    parallel: integer("Copy parallelism", { default: 1 }),
    mustExist: flag("Fail if destination does not have repository format blob"),
    times: flag("Synchronize blob times if supported"),
    ...FILESYSTEM_FLAGS,
  },
  async run(context, flags) {
    const { log } = context;
    if (flags.parallel < 1)
      throw usageError(`--parallel: ${flags.parallel} is not possible, expected 1 or more`);
    await using connection = await context.openConnection();
    await using target = await openUnconnected(
      context,
      filesystemConnection(flags, context.env),
      !flags.mustExist && !flags.dryRun,
    );
    log.info("Synchronizing repositories:");
    log.info(`  Source:      ${connection.storage.displayName}`);
    log.info(`  Destination: ${target.displayName}`);
    if (!flags.delete)
      log.info("NOTE: By default no BLOBs are deleted, pass --delete to allow it.");
    log.info("Looking for BLOBs to synchronize...");
    using progress = await openProgress(context);
    const result = await copyAllBlobs(connection.storage, target, {
      deleteExtra: flags.delete,
      update: flags.update,
      mustExist: flags.mustExist,
      parallel: flags.parallel,
      times: flags.times,
      dryRun: flags.dryRun,
      signal: context.signal,
      onProgress: (event) => progress.update(() => progressText(event)),
    });
    progress.end();
    const { copied, deleted, inSync } = result;
    if (!result.timesKept)
      log.warn("destination repository does not support preserving modification times");
    const verb = flags.dryRun ? "Would copy" : "Copied";
    log.info(
      `${verb} ${copied.blobs} BLOBs (${formatBytes(copied.bytes)}), ${flags.dryRun ? "delete" : "deleted"} ${deleted.blobs} (${formatBytes(deleted.bytes)}), ${inSync.blobs} in sync (${formatBytes(inSync.bytes)})`,
    );
    return 0;
  },
});

function progressText(event: CopyBlobsProgress): string {
  const size = formatBytes(event.bytes);
  switch (event.phase) {
    case "listing-target":
      return `  Found ${event.blobs} BLOBs in the destination repository (${size})`;
    case "listing-source":
      return `  Found ${event.blobs} BLOBs (${size}) in the source repository`;
    case "copying":
      return `  Copied ${event.blobs} blobs (${size}) of ${event.totalBlobs ?? 0} (${formatBytes(event.totalBytes ?? 0)})`;
    case "deleting":
      return `  Deleted ${event.blobs} blobs (${size}) of ${event.totalBlobs ?? 0}`;
  }
}
