/** `snapshot create`: reads local trees into the repository. Reference: kopia cli/command_snapshot_create.go. */
import { lstat, realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { errorFromUnknown, isSejfError, SejfError } from "../../errors/index.ts";
import type { DirectRepository } from "../../repository/index.ts";
import {
  type ActionEvent,
  applyRetention,
  type CreatedSnapshot,
  createSnapshot,
  effectivePolicy,
  formatSource,
  getPolicy,
  listSnapshots,
  parseSource,
  setPolicy,
  type SnapshotSource,
  snapshotToJson,
  type UploadCounters,
} from "../../snapshot/index.ts";
import { type Command, defineCommand, type ExitStatus } from "../command.ts";
import type { CommandContext } from "../context.ts";
import {
  decimal,
  duration,
  type FlagValues,
  flag,
  inert,
  integer,
  refused,
  text,
  texts,
} from "../flags.ts";
import { JSON_FLAGS, jsonText } from "../output/json.ts";
import { openProgress, type Progress } from "../output/progress.ts";
import { formatBytes } from "../output/units.ts";
import { parseExactTime } from "../shared/snapshot-time.ts";
import { parseTags } from "../shared/tags.ts";
import { usageError } from "../usage-error.ts";
import { VERSION } from "../version.ts";

const MIB = 1 << 20;
const MAX_DESCRIPTION_BYTES = 1024;
const NO_ENTRY_LOG = "sejf does not log single files and directories";

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
  parallel: inert("value", "as many threads read as the machine has cores"),
  startTime: text("Override snapshot start timestamp", { placeholder: "TIME" }),
  endTime: text("Override snapshot end timestamp", { placeholder: "TIME" }),
  forceEnableActions: flag("Run the actions of policies even if this client does not allow them", {
    hidden: true,
  }),
  forceDisableActions: flag("Ignore the actions of policies even if this client allows them", {
    hidden: true,
  }),
  stdinFile: refused("value", "snapshots of standard input are not offered yet"),
  tags: texts("Tags applied on the snapshot, as <key>:<value>", { placeholder: "TAG" }),
  pin: texts("Create a pinned snapshot that will not expire automatically", {
    placeholder: "NAME",
  }),
  flushPerSource: flag("Flush writes at the end of each source", { hidden: true }),
  overrideSource: text("Override the source of the snapshot", { placeholder: "SOURCE" }),
  sendSnapshotReport: inert("switch", "sejf sends no reports"),
  hintStreamingReads: inert("switch", "a hint for the operating system only"),
  logDirDetail: inert("value", NO_ENTRY_LOG),
  logEntryDetail: inert("value", NO_ENTRY_LOG),
  ...JSON_FLAGS,
};
type Values = FlagValues<typeof flags>;

export const command: Command = defineCommand({
  summary: "Create a snapshot of local directory or file",
  description:
    "Exit status 3: snapshots were made, but not everything could be read; see the messages.",
  flags,
  arguments: [
    { name: "source", help: "Files or directories to create snapshot(s) of", variadic: true },
  ],
  async run(context, values, args) {
    checkValues(values, args);
    await using repository = await context.openRepository();
    const paths = values.all ? await pathsOfThisClient(context, repository) : args;
    if (paths.length === 0)
      throw usageError("no snapshot sources", "name the files or directories to back up");
    const outcomes: Outcome[] = [];
    for (const path of paths) {
      if (context.signal.aborted) break;
      outcomes.push(await snapshotOne(context, repository, resolve(path), values));
    }
    if (!context.signal.aborted) await repository.flush({ signal: context.signal });
    else await repository.flush();
    return conclude(context, outcomes);
  },
});

interface Outcome {
  readonly source: string;
  /** The snapshot was not made. */
  readonly failure: Error | undefined;
  /** Files and directories that are not in it. */
  readonly errors: number;
}

function checkValues(values: Values, args: readonly string[]): void {
  if (values.all && args.length > 0)
    throw usageError("cannot use --all when a source path argument is specified");
  if (Buffer.byteLength(values.description ?? "") > MAX_DESCRIPTION_BYTES)
    throw usageError(`--description is longer than ${MAX_DESCRIPTION_BYTES} bytes`);
  const start = parseExactTime("--start-time", values.startTime);
  const end = parseExactTime("--end-time", values.endTime);
  if (start !== undefined && end !== undefined && start > end)
    throw usageError("start time override cannot be after the end time override");
  if (values.forceHash < 0 || values.forceHash > 100)
    throw usageError(`--force-hash: ${values.forceHash} is not possible, expected 0 to 100`);
  parseTags(values.tags);
}

/** Sources of this user and host that are not made by hand. */
async function pathsOfThisClient(
  context: CommandContext,
  repository: DirectRepository,
): Promise<readonly string[]> {
  const { signal } = context;
  const { username, hostname } = repository.identity;
  const snapshots = await listSnapshots(repository, { source: { username, hostname }, signal });
  const paths: string[] = [];
  for (const path of new Set(snapshots.map(({ source }) => source.path))) {
    const policy = await effectivePolicy(
      repository.manifests,
      { username, hostname, path },
      { signal },
    );
    if (policy.scheduling.manual !== true) paths.push(path);
  }
  return paths;
}

async function snapshotOne(
  context: CommandContext,
  repository: DirectRepository,
  path: string,
  values: Values,
): Promise<Outcome> {
  const given = values.overrideSource;
  const source =
    given === undefined
      ? { ...repository.identity, path }
      : parseSource(given, repository.identity);
  const name = formatSource(source);
  context.log.info(`Snapshotting ${name} ...`);
  try {
    const created = await upload(context, repository, source, path, values);
    if (created.saved) await applyRetention(repository, source);
    if (given !== undefined) await setManual(repository, source);
    if (values.flushPerSource) await repository.flush();
    report(context, name, created, values);
    return { source: name, failure: undefined, errors: created.counters.errors };
  } catch (error) {
    if (context.isCancelled(error)) throw error;
    const failure = errorFromUnknown(error, `snapshotting ${name}`);
    if (!isSejfError(error)) context.log.debug("snapshot failed", { details: failure.stack });
    return { source: name, failure, errors: 0 };
  }
}

async function upload(
  context: CommandContext,
  repository: DirectRepository,
  source: SnapshotSource,
  path: string,
  values: Values,
): Promise<CreatedSnapshot> {
  using progress = await openProgress(context);
  const { checkpointInterval, uploadLimitMb } = values;
  const created = await createSnapshot(repository, source, {
    localPath: await followLink(context, path),
    description: values.description,
    tags: parseTags(values.tags),
    pins: values.pin,
    startTimeNs: parseExactTime("--start-time", values.startTime),
    endTimeNs: parseExactTime("--end-time", values.endTime),
    forceHashPercent: values.forceHash,
    failFast: values.failFast,
    checkpointIntervalMs:
      checkpointInterval === undefined ? undefined : Number(checkpointInterval / 1_000_000n),
    uploadLimitBytes: uploadLimitMb === 0 ? undefined : uploadLimitMb * MIB,
    signal: context.signal,
    actions: {
      allowActions: allowsActions(repository, values),
      env: context.env,
      version: VERSION,
    },
    onEvent(event) {
      if (event.kind === "progress") showProgress(progress, event.counters);
      else if (event.kind === "error") {
        const text = event.ignored
          ? `Ignored error when processing "${event.path}": ${event.message}`
          : `Error when processing "${event.path}": ${event.message}`;
        progress.interrupt(() =>
          event.ignored ? context.log.warn(text) : context.log.error(text),
        );
      } else if (event.kind === "warning") {
        progress.interrupt(() => context.log.warn(`"${event.path}": ${event.message}`));
      } else if (event.kind === "action") {
        progress.interrupt(() => tellAction(context, event));
      } else context.log.debug(`checkpoint saved with ID ${event.snapshot.id}`);
    },
  });
  progress.end();
  return created;
}

/** The connection's own setting, unless this run has another. */
function allowsActions(repository: DirectRepository, values: Values): boolean {
  if (values.forceDisableActions) return false;
  return values.forceEnableActions || repository.connection.config.client.enableActions;
}

function tellAction(context: CommandContext, event: ActionEvent): void {
  const what = `${event.action} action on ${event.path}`;
  switch (event.state) {
    case "running":
      context.log.debug(`running ${what}`);
      break;
    case "disabled":
      context.log.info(`Not executing ${what} because it's been disabled for this client.`);
      break;
    case "failed":
      context.log.error(`error running ${what}: ${event.message}`);
  }
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

async function setManual(repository: DirectRepository, source: SnapshotSource): Promise<void> {
  const stored = await getPolicy(repository.manifests, source);
  const base = stored?.policy ?? (await emptyPolicy());
  if (base.scheduling.manual === true) return;
  await setPolicy(repository.manifests, source, { ...base, scheduling: { manual: true } });
}

async function emptyPolicy(): Promise<Parameters<typeof setPolicy>[2]> {
  const { decodePolicy } = await import("../../snapshot/index.ts");
  return decodePolicy({}, "an empty policy");
}

function showProgress(progress: Progress, counters: UploadCounters): void {
  const { hashedFiles, hashedBytes, cachedFiles, cachedBytes, newBytes, errors, ignoredErrors } =
    counters;
  const failed = `${errors > 0 ? ` (${errors} fatal errors)` : ""}${ignoredErrors > 0 ? ` (${ignoredErrors} errors ignored)` : ""}`;
  const text = `${hashedFiles} hashed (${formatBytes(hashedBytes)}), ${cachedFiles} cached (${formatBytes(cachedBytes)}), new ${formatBytes(newBytes)}${failed}`;
  progress.update(() => ` * ${text}`);
}

function report(
  context: CommandContext,
  name: string,
  created: CreatedSnapshot,
  values: Values,
): void {
  const { snapshot, saved, counters } = created;
  if (!saved) {
    context.log.info(
      "\n Not saving snapshot because no files have been changed since previous snapshot",
    );
    return;
  }
  if (values.json) {
    context.out.line(
      jsonText(snapshotToJson(snapshot, { withStats: values.jsonVerbose }), values, "  "),
    );
  } else {
    const partial = snapshot.incomplete === undefined ? "" : " partial";
    const seconds = (snapshot.endTimeNs - snapshot.startTimeNs) / 1_000_000_000n;
    context.log.info(
      `Created${partial} snapshot with root ${snapshot.rootEntry?.object ?? "-"} and ID ${snapshot.id} in ${seconds}s`,
    );
  }
  if (counters.ignoredErrors > 0)
    context.log.warn(`Ignored ${counters.ignoredErrors} error(s) while snapshotting ${name}.`);
}

function conclude(context: CommandContext, outcomes: readonly Outcome[]): ExitStatus {
  for (const { source, errors } of outcomes) {
    if (errors > 0)
      context.log.error(`Found ${errors} fatal error(s) while snapshotting ${source}.`);
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
  return outcomes.some(({ errors }) => errors > 0) ? 3 : 0;
}
