/** `restore` and `snapshot restore`: a directory or file from the repository into the file system. */
import { resolve } from "node:path";
import { SejfError } from "../../errors/index.ts";
import type { DirectRepository } from "../../repository/index.ts";
import {
  parseSource,
  resolveObjectPath,
  type ResolvedObject,
  type RestoreCounters,
  restoreTree,
  type RestoreSummary,
} from "../../snapshot/index.ts";
import { type Command, defineCommand, type ExitStatus } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { choice, type FlagValues, flag, inert, refused, text } from "../flags.ts";
import { openProgress, type Progress } from "../output/progress.ts";
import { formatBytes } from "../output/units.ts";
import { parseSnapshotTime } from "../shared/snapshot-time.ts";
import { usageError } from "../usage-error.ts";

const NO_PLACEHOLDERS = "shallow restores with placeholder files are not offered yet";
const ARCHIVE = /\.(?:zip|tar|tar\.gz|tgz)$/;

const flags = {
  overwriteDirectories: flag("Overwrite existing directories", { default: true }),
  overwriteFiles: flag("Specifies whether or not to overwrite already existing files", {
    default: true,
  }),
  overwriteSymlinks: flag("Specifies whether or not to overwrite already existing symlinks", {
    default: true,
  }),
  writeSparseFiles: flag(
    "When doing a restore, attempt to write files sparsely-allocating the minimum amount of disk space needed",
  ),
  consistentAttributes: refused(
    "switch",
    "snapshots with the same root always restore the newest one's attributes",
    { env: "RESTORE_CONSISTENT_ATTRIBUTES" },
  ),
  mode: choice("Override restore mode", ["auto", "local", "zip", "zip-nocompress", "tar", "tgz"], {
    default: "auto",
  }),
  parallel: inert("value", "as many threads write as the machine has cores"),
  skipOwners: flag("Skip owners during restore"),
  skipPermissions: flag("Skip permissions during restore"),
  skipTimes: flag("Skip times during restore"),
  ignorePermissionErrors: flag("Ignore permission errors", { default: true }),
  writeFilesAtomically: flag(
    "Write files atomically to disk, ensuring they are either fully committed, or not written at all",
  ),
  ignoreErrors: flag("Ignore all errors"),
  skipExisting: flag("Skip files and symlinks that exist in the output"),
  deleteExtra: flag(
    "Delete additional files, directories and symlinks that exist in the restore path but do not exist in the snapshot",
  ),
  shallow: refused("value", NO_PLACEHOLDERS),
  shallowMinsize: refused("value", NO_PLACEHOLDERS),
  snapshotTime: text(
    "When using a path as the source, use the latest snapshot available before this date",
    { default: "latest", placeholder: "TIME" },
  ),
  flushFiles: flag("Specifies whether or not to flush files after restore completes"),
};
type Values = FlagValues<typeof flags>;

export const command: Command = defineCommand({
  summary: "Restore a directory or a file",
  description: `The source is a snapshot ID, an object ID (either may be followed by /path), or a local path, whose newest
snapshot is restored: with one argument to where it was.`,
  flags,
  arguments: [
    { name: "sources", help: "What to restore, and where to", required: true, variadic: true },
  ],
  async run(context, values, args) {
    assertArguments(args, values);
    await using repository = await context.openRepository();
    const [source = "", given] = args;
    const target = given === undefined ? inPlaceTarget(repository, source) : resolve(given);
    assertNoArchive(target, values);
    const found = await findSource(context, repository, source, values);
    context.log.info(`Restoring to local filesystem (${target})...`);
    const summary = await restoreWithProgress(context, repository, found, target, values);
    return tellSummary(context, summary);
  },
});

function assertArguments(args: readonly string[], values: Values): void {
  if (args.length > 2 || args.some((arg) => arg.endsWith(".kopia-entry"))) {
    const placeholder = args.some((arg) => arg.endsWith(".kopia-entry"));
    throw usageError(
      placeholder
        ? `restoring placeholder files is not supported: ${NO_PLACEHOLDERS}`
        : "restore requires a source and a target path",
    );
  }
  if (values.mode !== "auto" && values.mode !== "local") throw noArchives(`--mode=${values.mode}`);
}

function assertNoArchive(target: string, values: Values): void {
  if (values.mode === "auto" && ARCHIVE.test(target)) throw noArchives(`restoring to ${target}`);
}

function noArchives(what: string): SejfError {
  return usageError(
    `${what} is not supported: archives are not offered yet`,
    "restore to a folder; --mode=local restores to a folder of that name",
  );
}

/** A path of this client is restored to where it came from. */
function inPlaceTarget(repository: DirectRepository, source: string): string {
  const { identity } = repository;
  const parsed = parseSource(source, identity);
  if (parsed.path === "") throw usageError("the source must contain a path element");
  if (parsed.hostname !== identity.hostname || parsed.username !== identity.username) {
    throw usageError(
      "the source must be a path of this user and host to be the target too",
      "give a target path as the second argument",
    );
  }
  return parsed.path;
}

async function findSource(
  context: CommandContext,
  repository: DirectRepository,
  source: string,
  values: Values,
): Promise<ResolvedObject> {
  const notAfterNs = parseSnapshotTime(values.snapshotTime, context.clock);
  const found = await resolveObjectPath(repository, source, { signal: context.signal, notAfterNs });
  if (found.snapshot !== undefined) {
    context.log.info(
      `Restoring from\n   Snapshot time: ${context.time(found.snapshot.startTimeNs)}\n   Relative path: ${found.path}\n   Object ID: ${found.entry.object}`,
    );
  }
  return found;
}

async function restoreWithProgress(
  context: CommandContext,
  repository: DirectRepository,
  found: ResolvedObject,
  target: string,
  values: Values,
): Promise<RestoreSummary> {
  using progress = await openProgress(context);
  const totalBytes = found.entry.summary?.sizeBytes ?? found.entry.sizeBytes;
  const summary = await restoreTree(repository, found.entry, target, {
    ...values,
    signal: context.signal,
    onEvent(event) {
      if (event.kind === "progress") show(progress, event.counters, totalBytes);
      else
        progress.interrupt(() =>
          context.log.warn(`Error restoring "${event.path}": ${event.message}`),
        );
    },
  });
  progress.end();
  return summary;
}

function show(progress: Progress, counters: RestoreCounters, totalBytes: number): void {
  const { files, bytes, skipped } = counters;
  const text = (): string =>
    ` Processed ${files} files (${formatBytes(bytes)}) of ${formatBytes(totalBytes)}${skipped === 0 ? "" : `, skipped ${skipped}`}`;
  progress.update(text, totalBytes === 0 ? undefined : bytes / totalBytes);
}

function tellSummary(context: CommandContext, summary: RestoreSummary): ExitStatus {
  const skipped = summary.skipped === 0 ? "" : `, skipped ${summary.skipped}`;
  const errors = summary.errors === 0 ? "" : `, ignored ${summary.errors} errors`;
  context.log.info(
    `Restored ${summary.files} files, ${summary.directories} directories and ${summary.symlinks} symbolic links (${formatBytes(summary.bytes)})${skipped}${errors}.`,
  );
  return summary.errors === 0 ? 0 : 3;
}
