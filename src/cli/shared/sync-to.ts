/** `repository sync-to`: a copy of the whole repository in another storage, blob by blob. */
import { type ConnectionInfo, copyAllBlobs, type CopyBlobsProgress } from "../../blob/index.ts";
import type { CommandContext } from "../context.ts";
import { type FlagValues, flag, integer } from "../flags.ts";
import { openProgress } from "../output/progress.ts";
import { formatBytes } from "../output/units.ts";
import { usageError } from "../usage-error.ts";
import { openUnconnected } from "./connect-flags.ts";

const flags = {
  update: flag("Whether to update blobs present in destination and source if the source is newer", {
    default: true,
  }),
  delete: flag("Whether to delete blobs present in destination but not source"),
  dryRun: flag("Do not perform copying", { short: "n" }),
  parallel: integer("Copy parallelism", { default: 1 }),
  mustExist: flag("Fail if destination does not have repository format blob"),
  times: flag("Synchronize blob times if supported"),
};

type AllFlags = { readonly [K in keyof typeof flags]: (typeof flags)[K] };
/** Beside those of the destination. */
export const SYNC_FLAGS: AllFlags = flags;

export async function syncTo(
  context: CommandContext,
  destination: ConnectionInfo,
  values: FlagValues<AllFlags>,
): Promise<void> {
  const { log } = context;
  if (values.parallel < 1)
    throw usageError(`--parallel: ${values.parallel} is not possible, expected 1 or more`);
  await using connection = await context.openConnection();
  await using target = await openUnconnected(
    context,
    destination,
    !values.mustExist && !values.dryRun,
  );
  log.info("Synchronizing repositories:");
  log.info(`  Source:      ${connection.storage.displayName}`);
  log.info(`  Destination: ${target.displayName}`);
  if (!values.delete) log.info("NOTE: By default no BLOBs are deleted, pass --delete to allow it.");
  log.info("Looking for BLOBs to synchronize...");
  using progress = await openProgress(context);
  const result = await copyAllBlobs(connection.storage, target, {
    deleteExtra: values.delete,
    update: values.update,
    mustExist: values.mustExist,
    parallel: values.parallel,
    times: values.times,
    dryRun: values.dryRun,
    signal: context.signal,
    onProgress: (event) => progress.update(() => progressText(event)),
  });
  progress.end();
  const { copied, deleted, inSync } = result;
  if (!result.timesKept)
    log.warn("destination repository does not support preserving modification times");
  const verb = values.dryRun ? "Would copy" : "Copied";
  log.info(
    `${verb} ${copied.blobs} BLOBs (${formatBytes(copied.bytes)}), ${values.dryRun ? "delete" : "deleted"} ${deleted.blobs} (${formatBytes(deleted.bytes)}), ${inSync.blobs} in sync (${formatBytes(inSync.bytes)})`,
  );
}

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
