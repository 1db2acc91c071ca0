/** `snapshot create`: reads local trees into the repository. Reference: kopia cli/command_snapshot_create.go. */
import { lstat, realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { errorFromUnknown, isSejfError, SejfError } from "../../errors/index.ts";
import { type ClientOptions, loadConfig, type Repository } from "../../repository/index.ts";
import {
  applyRetention,
  type CreatedSnapshot,
  createSnapshot,
  formatSource,
  type SnapshotManifest,
  type SnapshotSource,
  snapshotToJson,
  type UploadCounters,
} from "../../snapshot/index.ts";
import { type Command, defineCommand, type ExitStatus } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { decimal, duration, type FlagValues, flag, inert, integer, text, texts } from "../flags.ts";
import { JSON_FLAGS, jsonText } from "../output/json.ts";
import { formatBytes } from "../output/units.ts";
import { allSources, overridingSource, setManual } from "../shared/create-sources.ts";
import { sendSnapshotReport, serverOfRepository } from "../shared/notifications.ts";
import { standardInput } from "../shared/standard-input.ts";
import { parseExactTime } from "../shared/snapshot-time.ts";
import { parseTags } from "../shared/tags.ts";
import { openUploadReport, type UploadReport } from "../shared/upload-report.ts";
import { usageError } from "../usage-error.ts";
import { VERSION } from "../version.ts";

const MIB = 1 << 20;
const MAX_DESCRIPTION_BYTES = 1024;
const MAX_DETAIL = 10;
const CANCELED = "canceled";

const flags = {
  all: flag(
    "Create snapshots for files or directories previously backed up by this user on this computer",
  ),
  uploadLimitMb: integer(
    "Stop the backup process after the specified amount of data (in MB) has been uploaded",
    { default: 0, placeholder: "MB" },
  ),
  checkpointInterval: duration("Interval between periodic checkpoints (must be <= 45 minutes)", {
    hidden: true,
  }),
  description: text("Free-form snapshot description"),
  failFast: flag("Fail fast when creating snapshot", { env: "SNAPSHOT_FAIL_FAST" }),
  forceHash: decimal(
    "Force hashing of source files for a given percentage of files [0.0 .. 100.0]",
    { default: 0, placeholder: "PERCENT" },
  ),
  parallel: integer("Upload N files in parallel (0: as the policy says, else one a core)", {
    default: 0,
  }),
  startTime: text("Override snapshot start timestamp", { placeholder: "TIME" }),
  endTime: text("Override snapshot end timestamp", { placeholder: "TIME" }),
  forceEnableActions: flag("Run the actions of policies even if this client does not allow them", {
    hidden: true,
  }),
  forceDisableActions: flag("Ignore the actions of policies even if this client allows them", {
    hidden: true,
  }),
  stdinFile: text("Read standard input into a file of this name, in a folder called <source>", {
    placeholder: "NAME",
  }),
  tags: texts("Tags applied on the snapshot, as <key>:<value>", { placeholder: "TAG" }),
  pin: texts("Create a pinned snapshot that will not expire automatically", {
    placeholder: "NAME",
  }),
  flushPerSource: inert("switch", "always done"),
  overrideSource: text("Override the source of the snapshot", { placeholder: "SOURCE" }),
  logDirDetail: integer("Override log level for directories (0 to 10)"),
  logEntryDetail: integer("Override log level for entries (0 to 10)"),
  jsonProgress: flag("Write progress and problems as JSON lines to standard error"),
  sendSnapshotReport: flag(
    "Send a snapshot report through the notification profiles of the repository server",
    { default: true },
  ),
  hintStreamingReads: inert("switch", "a hint for the operating system only"),
  ...JSON_FLAGS,
};
type Values = FlagValues<typeof flags>;

export const command: Command = defineCommand({
  summary: "Create a snapshot of local directory or file",
  description:
    "Exit status 3: snapshots were made, but not everything could be read; see the messages. A first Ctrl-C keeps what was done as an incomplete snapshot, from which the next one goes on; a second one ends at once.",
  flags,
  arguments: [
    { name: "source", help: "Files or directories to create snapshot(s) of", variadic: true },
  ],
  async run(context, values, args) {
    checkValues(values, args);
    await using repository = await context.openRepository("write");
    const { client } = await loadConfig(context.configFile, context.env);
    const paths = values.all ? await allSources(context, repository) : args;
    if (paths.length === 0)
      throw usageError("no snapshot sources", "name the files or directories to back up");
    const outcomes: Outcome[] = [];
    for (const path of paths) {
      if (context.signal.aborted) break;
      outcomes.push(await snapshotOne(context, repository, client, resolve(path), values));
    }
    if (values.sendSnapshotReport) await sendSnapshotReport(context, repository, outcomes);
    // Also after a stop: what was done is to be found again.
    await repository.flush();
    return conclude(context, outcomes, outcomes.length < paths.length);
  },
});

interface Outcome {
  readonly source: SnapshotSource;
  readonly snapshot: SnapshotManifest | undefined;
  /** The snapshot was not made. */
  readonly failure: Error | undefined;
  /** Files and directories that are not in it. */
  readonly errors: number;
  /** Stopped by a signal, or by the first error. */
  readonly stopped: boolean;
}

function checkValues(values: Values, args: readonly string[]): void {
  if (values.all && args.length > 0)
    throw usageError("cannot use --all when a source path argument is specified");
  if (values.stdinFile !== undefined && args.length !== 1)
    throw usageError(
      "--stdin-file needs exactly one source",
      "the source is the name of the folder in which the file is stored, such as /databases",
    );
  if (Buffer.byteLength(values.description ?? "") > MAX_DESCRIPTION_BYTES)
    throw usageError(`--description is longer than ${MAX_DESCRIPTION_BYTES} bytes`);
  const start = parseExactTime("--start-time", values.startTime);
  const end = parseExactTime("--end-time", values.endTime);
  if (start !== undefined && end !== undefined && start > end)
    throw usageError("start time override cannot be after the end time override");
  if (values.forceHash < 0 || values.forceHash > 100)
    throw usageError(`--force-hash: ${values.forceHash} is not possible, expected 0 to 100`);
  if (values.parallel < 0) throw usageError("--parallel: expected 0 or more");
  checkDetail("--log-dir-detail", values.logDirDetail);
  checkDetail("--log-entry-detail", values.logEntryDetail);
  parseTags(values.tags);
}

function checkDetail(name: string, value: number | undefined): void {
  if (value !== undefined && (value < 0 || value > MAX_DETAIL))
    throw usageError(`${name}: ${value} is not possible, expected 0 to ${MAX_DETAIL}`);
}

async function snapshotOne(
  context: CommandContext,
  repository: Repository,
  client: ClientOptions,
  path: string,
  values: Values,
): Promise<Outcome> {
  const given = values.overrideSource;
  const source =
    given === undefined
      ? { ...repository.identity, path }
      : overridingSource(given, repository.identity);
  const name = formatSource(source);
  using report = await openUploadReport(context, name, values.jsonProgress);
  try {
    const allowActions = allowsActions(client, values);
    const created = await upload(context, repository, source, path, values, allowActions, report);
    report.end();
    if (created.saved) {
      await applyRetention(repository, source);
      if (given !== undefined || values.stdinFile !== undefined)
        await setManual(repository, source);
    }
    // Whatever is told of a snapshot is true even if the program dies with the next line.
    await repository.flush();
    report.created(created);
    if (values.json && created.saved) print(context, created, values);
    const { snapshot, counters } = created;
    if (serverOfRepository(repository) !== undefined && !values.jsonProgress)
      tellExcluded(context, counters);
    const stopped = snapshot.incomplete === CANCELED;
    return { source, snapshot, failure: undefined, errors: counters.errors, stopped };
  } catch (error) {
    report.end();
    if (context.isCancelled(error))
      return { source, snapshot: undefined, failure: undefined, errors: 0, stopped: true };
    const failure = errorFromUnknown(error, `snapshotting ${name}`);
    if (!isSejfError(error)) context.log.debug("snapshot failed", { details: failure.stack });
    report.failed(failure.message);
    return { source, snapshot: undefined, failure, errors: 0, stopped: false };
  }
}

/** SECURITY: whoever writes policies on the server can leave files out of a backup, so it is always said. */
function tellExcluded(context: CommandContext, counters: UploadCounters): void {
  const { excludedFiles, excludedDirectories, excludedBytes } = counters;
  if (excludedFiles === 0 && excludedDirectories === 0) return;
  context.log.warn(
    `Policies of the server and ignore files left out ${excludedFiles} file(s) (${formatBytes(excludedBytes)}) and ${excludedDirectories} folder(s).`,
  );
}

async function upload(
  context: CommandContext,
  repository: Repository,
  source: SnapshotSource,
  path: string,
  values: Values,
  allowActions: boolean,
  report: UploadReport,
): Promise<CreatedSnapshot> {
  const { checkpointInterval, uploadLimitMb, stdinFile, parallel } = values;
  const { progressEstimationType: type, adaptiveEstimationThreshold } = context.globals;
  const watched = values.jsonProgress || context.showsProgress;
  return await createSnapshot(repository, source, {
    localPath: stdinFile === undefined ? await followLink(context, path) : path,
    stream:
      stdinFile === undefined
        ? undefined
        : { name: stdinFile, data: standardInput(context.signal) },
    description: values.description,
    tags: parseTags(values.tags),
    pins: values.pin,
    startTimeNs: parseExactTime("--start-time", values.startTime),
    endTimeNs: parseExactTime("--end-time", values.endTime),
    forceHashPercent: values.forceHash,
    failFast: values.failFast,
    checkpointIntervalMs:
      checkpointInterval === undefined || checkpointInterval === 0n
        ? undefined
        : Number(checkpointInterval / 1_000_000n),
    uploadLimitBytes: uploadLimitMb === 0 ? undefined : uploadLimitMb * MIB,
    parallel: parallel === 0 ? undefined : parallel,
    directoryLogDetail: values.logDirDetail,
    entryLogDetail: values.logEntryDetail,
    estimation: watched ? { type, adaptiveThreshold: adaptiveEstimationThreshold } : undefined,
    signal: context.signal,
    actions: {
      allowActions,
      env: context.env,
      version: VERSION,
    },
    onEvent: report.onEvent,
  });
}

/** The connection's own setting, unless this run has another. */
function allowsActions(client: ClientOptions, values: Values): boolean {
  if (values.forceDisableActions) return false;
  return values.forceEnableActions || client.enableActions;
}

/** When the source itself is a symlink what it points to is read; the source keeps its name. */
async function followLink(context: CommandContext, path: string): Promise<string> {
  try {
    if (!(await lstat(path)).isSymbolicLink()) return path;
    const target = await realpath(path);
    context.log.info(`${path} resolved to ${target}`);
    return target;
  } catch (error) {
    throw new SejfError(
      "SEJF_SOURCE",
      `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

function print(context: CommandContext, { snapshot }: CreatedSnapshot, values: Values): void {
  const json = snapshotToJson(snapshot, { withStats: values.jsonVerbose });
  context.out.line(jsonText(json, values, "  "));
}

function conclude(
  context: CommandContext,
  outcomes: readonly Outcome[],
  unfinished: boolean,
): ExitStatus {
  const { log } = context;
  for (const { source, errors } of outcomes) {
    if (errors > 0)
      log.error(`Found ${errors} fatal error(s) while snapshotting ${formatSource(source)}.`);
  }
  const failures = outcomes.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  const [first] = failures;
  if (failures.length === 1 && first !== undefined) throw first;
  if (failures.length > 1) {
    throw new SejfError(
      "SEJF_SOURCE",
      `encountered ${failures.length} errors:\n${failures.map(({ message }) => message).join("\n")}`,
    );
  }
  if (unfinished || outcomes.some(({ stopped }) => stopped)) {
    log.error("Stopped before the end; the next snapshot goes on from what was done.");
    return 1;
  }
  return outcomes.some(({ errors }) => errors > 0) ? 3 : 0;
}
