/** `restore` and `snapshot restore`: from the repository into folders and archives. Reference: kopia cli/command_restore.go. */
import type { Repository } from "../../repository/index.ts";
import {
  type ArchiveFormat,
  type DirEntry,
  formatSource,
  openPlaceholder,
  resolveObjectPath,
  restoreToArchive,
  restoreTree,
} from "../../snapshot/index.ts";
import { type Command, defineCommand, type ExitStatus } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { choice, type FlagValues, flag, integer, text } from "../flags.ts";
import { openRestoreReport } from "../shared/restore-report.ts";
import {
  archiveFormat,
  inPlaceTarget,
  parseRestoreArguments,
  RESTORE_MODES,
  type RestoreRequest,
} from "../shared/restore-targets.ts";
import { parseSnapshotTime } from "../shared/snapshot-time.ts";
import { usageError } from "../usage-error.ts";

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
  consistentAttributes: flag(
    "When multiple snapshots match, fail if they have inconsistent attributes",
    { env: "RESTORE_CONSISTENT_ATTRIBUTES" },
  ),
  mode: choice("Override restore mode", RESTORE_MODES, { default: "auto" }),
  parallel: integer("Restore parallelism (1=disable, 0: as many as the threads can do)", {
    default: 8,
  }),
  skipOwners: flag("Skip owners during restore"),
  skipPermissions: flag("Skip permissions during restore"),
  skipTimes: flag("Skip times during restore"),
  ignorePermissionErrors: flag("Ignore permission errors", { default: true }),
  writeFilesAtomically: flag(
    "Write files atomically to disk, ensuring they are either fully committed, or not written at all",
  ),
  ignoreErrors: flag("Ignore all errors"),
  skipExisting: flag(
    "Skip files and symlinks that exist in the output with the size and time they have in the snapshot",
  ),
  deleteExtra: flag(
    "Delete additional files, directories and symlinks that exist in the restore path but do not exist in the snapshot",
  ),
  shallow: integer(
    "Shallow restore the directory hierarchy starting at this level (default: everything; 0 for placeholders)",
    { placeholder: "LEVEL" },
  ),
  shallowMinsize: integer(
    "When doing a shallow restore, write actual files instead of placeholders smaller than this size",
    { default: 0, placeholder: "BYTES" },
  ),
  snapshotTime: text(
    "When using a path as the source, use the latest snapshot available before this date, or the oldest",
    { default: "latest", placeholder: "TIME" },
  ),
  flushFiles: flag("Specifies whether or not to flush files after restore completes"),
  jsonProgress: flag("Write progress and problems as JSON lines to standard error"),
};
type Values = FlagValues<typeof flags>;

export const command: Command = defineCommand({
  summary: "Restore a directory or a file",
  description: `The source is a snapshot ID, an object ID (either may be followed by /path), or a path, [user@host:]path, whose
newest snapshot is restored: with one argument to where it was. A target that ends in .zip, .tar, .tar.gz or .tgz
becomes an archive. Placeholders (*.kopia-entry) that a shallow restore made are expanded where they are.

A restore that was stopped can be run again, with --skip-existing without what is done already.

Exit status 3: with --ignore-errors not everything could be restored; see the messages.`,
  flags,
  arguments: [
    {
      name: "sources",
      help: "What to restore, and where to; or placeholders",
      required: true,
      variadic: true,
    },
  ],
  async run(context, values, args) {
    checkValues(values);
    const request = parseRestoreArguments(args);
    if (request.placeholders !== undefined) assertLocal(values);
    await using repository = await context.openRepository();
    let errors = 0;
    for await (const { entry, target, shallow } of restores(context, repository, request, values))
      errors += await restoreOne(context, repository, entry, target, { ...values, shallow });
    return (errors === 0 ? 0 : 3) satisfies ExitStatus;
  },
});

interface OneRestore {
  readonly entry: DirEntry;
  readonly target: string;
  readonly shallow: number | undefined;
}

function checkValues(values: Values): void {
  if (values.parallel < 0) throw usageError("--parallel: expected 0 or more");
  if ((values.shallow ?? 0) < 0) throw usageError("--shallow: expected 0 or more");
  if (values.shallowMinsize < 0) throw usageError("--shallow-minsize: expected 0 or more");
}

function assertLocal({ mode }: Values): void {
  if (mode !== "auto" && mode !== "local")
    throw usageError(`placeholders are expanded to files, not to archives: --mode=${mode}`);
}

async function* restores(
  context: CommandContext,
  repository: Repository,
  request: RestoreRequest,
  values: Values,
): AsyncGenerator<OneRestore, void, void> {
  if (request.placeholders === undefined) {
    const target = request.target ?? inPlaceTarget(request.source, repository.identity);
    const entry = await findSource(context, repository, request.source, values);
    yield { entry, target, shallow: values.shallow };
    return;
  }
  for (const path of request.placeholders)
    yield { ...openPlaceholder(path), shallow: values.shallow ?? 0 };
}

async function findSource(
  context: CommandContext,
  repository: Repository,
  source: string,
  { consistentAttributes, snapshotTime }: Values,
): Promise<DirEntry> {
  const { signal } = context;
  const choice = parseSnapshotTime(snapshotTime, context.clock);
  const options = { signal, consistentAttributes, ...choice };
  const { entry, snapshot, path } = await resolveObjectPath(repository, source, options);
  if (snapshot !== undefined)
    context.log.info(
      `Restoring from\n   Snapshot source: ${formatSource(snapshot.source)}\n   Snapshot time: ${context.time(snapshot.startTimeNs)}\n   Relative path: ${path}\n   Object ID: ${entry.object}`,
    );
  return entry;
}

/** The number of errors that were ignored. */
async function restoreOne(
  context: CommandContext,
  repository: Repository,
  entry: DirEntry,
  target: string,
  values: Values,
): Promise<number> {
  const format = archiveFormat(values.mode, target);
  if (format !== undefined) assertForArchive(values);
  context.log.info(`Restoring to ${kindOf(format)} (${target})...`);
  using report = await openRestoreReport(context, target, entry, values.jsonProgress);
  const { parallel, shallowMinsize, ...rest } = values;
  const options = { ...rest, signal: context.signal, onEvent: report.onEvent };
  const summary =
    format === undefined
      ? await restoreTree(repository, entry, target, {
          ...options,
          parallel: parallel === 0 ? undefined : parallel,
          shallowMinSizeBytes: shallowMinsize,
        })
      : await restoreToArchive(repository, entry, target, { ...options, format });
  report.finished(summary);
  return summary.errors;
}

/** These speak of what is at the target already, or of placeholders: an archive has neither. */
function assertForArchive({ shallow, skipExisting, deleteExtra }: Values): void {
  const [name] = Object.entries({
    "--shallow": shallow !== undefined,
    "--skip-existing": skipExisting,
    "--delete-extra": deleteExtra,
  }).find(([, given]) => given) ?? [undefined];
  if (name !== undefined)
    throw usageError(
      `${name} is not possible with an archive`,
      "--mode=local restores to a folder, whatever it is called",
    );
}

function kindOf(format: ArchiveFormat | undefined): string {
  switch (format) {
    case undefined:
      return "local filesystem";
    case "tar":
      return "an uncompressed tar file";
    case "tgz":
      return "a tar+gzip file";
    case "zip":
    case "zip-nocompress":
      return "a zip file";
  }
}
