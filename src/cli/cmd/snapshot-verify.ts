/** `snapshot verify`: whether everything that snapshots need is there. Reference: kopia cli/command_snapshot_verify.go. */
import { errorFromUnknown, SejfError } from "../../errors/index.ts";
import type { Repository } from "../../repository/index.ts";
import {
  findSnapshots,
  formatSource,
  loadSnapshots,
  manifestDamage,
  parsePartialSource,
  resolveObjectPath,
  type SnapshotManifest,
  type VerifyCounters,
  type SnapshotVerification,
  type VerifyRoot,
  verifyTrees,
} from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { decimal, type FlagValues, flag, inert, integer, texts } from "../flags.ts";
import { JSON_FLAGS, jsonText } from "../output/json.ts";
import { openProgress, type Progress } from "../output/progress.ts";
import { formatBytes } from "../output/units.ts";
import { randomFraction } from "../shared/random-fraction.ts";
import { usageError } from "../usage-error.ts";

const flags = {
  maxErrors: integer("Maximum number of errors before stopping; 0 finds them all", { default: 0 }),
  directoryId: texts("Directory object IDs to verify", { placeholder: "ID" }),
  fileId: texts("File object IDs to verify", { placeholder: "ID" }),
  sources: texts("Verify the provided sources", { placeholder: "SOURCE" }),
  allSources: flag("Verify all snapshots (deprecated: the default)", { hidden: true }),
  parallel: integer("Directories fetched together, in units of 32", { default: 8 }),
  fileQueueLength: inert("value", "files are checked as they are found, without a queue"),
  fileParallelism: integer("Files of more than one content looked at together", { default: 8 }),
  verifyFilesPercent: decimal(
    "Randomly verify a percentage of files by downloading them [0.0 .. 100.0]",
    { default: 0, placeholder: "PERCENT" },
  ),
  ...JSON_FLAGS,
};
type Values = FlagValues<typeof flags>;

/** Something that was to be verified, but cannot even be begun with. */
interface EarlyError {
  readonly path: string;
  readonly message: string;
}

interface Roots {
  readonly roots: VerifyRoot[];
  readonly errors: EarlyError[];
  /** Contents with manifests that cannot be read. */
  readonly lostManifests: string[];
}

export const command: Command = defineCommand({
  summary: "Verify the contents of stored snapshot",
  description:
    "Without arguments all snapshots are verified. Directories are read; of files it is checked that their contents are in the index and in the storage, and those of --verify-files-percent are read in full. At the end every snapshot that is hurt is named.",
  flags,
  arguments: [{ name: "snapshot-ids", help: "Snapshot IDs to verify", variadic: true }],
  async run(context, values, args) {
    checkValues(values);
    if (values.allSources) context.log.warn("--all-sources is the default and has no effect");
    await using repository = await context.openRepository();
    const { roots, errors, lostManifests } = await findRoots(context, repository, values, args);
    for (const { path, message } of errors)
      context.log.error(`error processing ${path}: ${message}`);
    const result = await verify(context, repository, roots, values);
    for (const { root, damaged } of result.hurt) tellHurt(context, root, damaged);
    if (values.json) context.out.line(jsonText(resultJson(result, errors), values, "  "));
    else context.log.info(`Finished processing ${counted(result.counters)}`);
    const messages = [...errors, ...result.problems].map(({ message }) => message);
    const count = errors.length + result.problemCount;
    if (count === 0) return 0;
    throw new SejfError(
      "SEJF_CORRUPT",
      count === 1 ? (messages[0] ?? "") : `encountered ${count} errors`,
      { hint: hintFor(lostManifests, result.problemCount) },
    );
  },
});

function hintFor([lost]: readonly string[], problemCount: number): string {
  if (lost !== undefined)
    return `put the pack back from a copy of the repository, or give up the snapshots and policies in it: \`content delete ${lost} --dangerous-commands=enabled\``;
  return problemCount > 0
    ? "`snapshot fix invalid-files` takes what is lost out of the snapshots"
    : "`snapshot list --all` shows the snapshots and their IDs";
}

function checkValues(values: Values): void {
  const { verifyFilesPercent: percent, parallel, fileParallelism } = values;
  if (percent < 0 || percent > 100)
    throw usageError(`--verify-files-percent: ${percent} is not possible, expected 0 to 100`);
  if (parallel < 1) throw usageError(`--parallel: ${parallel} is not possible, expected 1 or more`);
  if (fileParallelism < 1)
    throw usageError(`--file-parallelism: ${fileParallelism} is not possible, expected 1 or more`);
}

async function findRoots(
  context: CommandContext,
  repository: Repository,
  values: Values,
  ids: readonly string[],
): Promise<Roots> {
  const { signal } = context;
  const found: Roots = { roots: [], errors: [], lostManifests: [] };
  const everything =
    ids.length + values.sources.length + values.directoryId.length + values.fileId.length === 0;
  const filters = everything
    ? [{}]
    : values.sources.map((text) => parsePartialSource(text, repository.identity));
  for (const filter of filters) {
    const { snapshots, unreadable } = await loadSnapshots(repository, filter, { signal });
    addSnapshots(context, found, snapshots);
    for (const { id, message } of unreadable)
      found.errors.push({ path: `snapshot ${id}`, message });
  }
  for (const { content, message } of await manifestDamage(repository, { signal })) {
    found.errors.push({ path: `manifests in ${content}`, message });
    found.lostManifests.push(content);
  }
  const attempt = async (text: string, add: () => Promise<void>): Promise<void> => {
    try {
      await add();
    } catch (error) {
      if (context.isCancelled(error)) throw error;
      found.errors.push({ path: text, message: errorFromUnknown(error, "looking up").message });
    }
  };
  for (const id of ids)
    await attempt(id, async () =>
      addSnapshots(context, found, await findSnapshots(repository, id, { signal })),
    );
  for (const id of [...values.directoryId, ...values.fileId]) {
    await attempt(id, async () => {
      const { entry } = await resolveObjectPath(repository, id, { signal });
      if (values.directoryId.includes(id) && entry.type !== "d")
        throw new SejfError("SEJF_NOT_FOUND", `${id} is not a directory`);
      found.roots.push({ entry, label: id });
    });
  }
  return found;
}

function addSnapshots(
  context: CommandContext,
  { roots }: Roots,
  snapshots: readonly SnapshotManifest[],
): void {
  for (const snapshot of snapshots) {
    const { rootEntry, source, startTimeNs } = snapshot;
    if (rootEntry === undefined) continue;
    const label = `${formatSource(source)}@${context.time(startTimeNs)}`;
    roots.push({ entry: rootEntry, label, snapshot });
  }
}

async function verify(
  context: CommandContext,
  repository: Repository,
  roots: readonly VerifyRoot[],
  values: Values,
): Promise<SnapshotVerification> {
  using progress = await openProgress(context);
  context.log.info("Listing blobs...");
  const result = await verifyTrees(repository, roots, {
    signal: context.signal,
    filesPercent: values.verifyFilesPercent,
    maxErrors: Math.max(0, values.maxErrors),
    parallel: values.parallel,
    fileParallel: values.fileParallelism,
    random: randomFraction(context.random),
    onEvent(event) {
      if (event.kind === "listed") context.log.info(`Listed ${event.packs} pack blobs.`);
      else if (event.kind === "progress") showProgress(progress, event.counters);
      else {
        const { path, message } = event.problem;
        progress.interrupt(() => context.log.error(`error processing ${path}: ${message}`));
      }
    },
  });
  progress.end();
  return result;
}

function showProgress(progress: Progress, counters: VerifyCounters): void {
  const { processedObjects, expectedObjects } = counters;
  const text = counted(counters);
  const fraction = expectedObjects === 0 ? undefined : processedObjects / expectedObjects;
  progress.update(() => ` Processed ${text}`, fraction);
}

function counted({
  processedObjects,
  processedBytes,
  readFiles,
  readBytes,
}: VerifyCounters): string {
  return `${processedObjects} objects (${formatBytes(processedBytes)}). Read ${readFiles} files (${formatBytes(readBytes)}).`;
}

function tellHurt(context: CommandContext, root: VerifyRoot, damaged: number): void {
  const what =
    root.snapshot === undefined ? root.label : `snapshot ${root.snapshot.id} (${root.label})`;
  context.log.error(`damaged: ${what}: ${damaged} unreadable`);
}

function resultJson(
  result: SnapshotVerification,
  early: readonly EarlyError[],
): Record<string, unknown> {
  const { counters, problems, problemCount, hurt } = result;
  const errorStrings = [...early, ...problems].map(({ message }) => message);
  return {
    stats: {
      processedObjectCount: counters.processedObjects,
      processedBytes: counters.processedBytes,
      readFileCount: counters.readFiles,
      readBytes: counters.readBytes,
      expectedTotalObjectCount: counters.expectedObjects,
      expectedTotalFileCount: counters.expectedFiles,
      expectedTotalBytes: counters.expectedBytes,
    },
    errorCount: early.length + problemCount,
    ...(errorStrings.length === 0 ? {} : { errorStrings }),
    ...(problems.length === 0 ? {} : { problems }),
    ...(hurt.length === 0
      ? {}
      : {
          damaged: hurt.map(({ root, damaged }) => ({
            path: root.label,
            ...(root.snapshot === undefined ? {} : { snapshotID: root.snapshot.id }),
            unreadable: damaged,
          })),
        }),
  };
}
