/** `snapshot migrate`: snapshots and policies of another repository. Reference: kopia cli/command_snapshot_migrate.go. */
import { resolve } from "node:path";
import { mapUnordered } from "../../bytes/index.ts";
import { errorFromUnknown } from "../../errors/index.ts";
import type { Repository } from "../../repository/index.ts";
import {
  formatPolicyTarget,
  formatSource,
  listSources,
  type MigrateCounters,
  migratePolicies,
  migrateSource,
  parsePartialSource,
  type SnapshotSource,
} from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { type FlagValues, flag, integer, text, texts } from "../flags.ts";
import { openProgress, type Progress } from "../output/progress.ts";
import { formatBytes } from "../output/units.ts";
import { usageError } from "../usage-error.ts";

const flags = {
  sourceConfig: text("Configuration file for the source repository", {
    required: true,
    placeholder: "FILE",
  }),
  sources: texts("List of sources to migrate", { placeholder: "SOURCE" }),
  all: flag("Migrate all sources"),
  policies: flag("Migrate policies too", { default: true }),
  overwritePolicies: flag("Overwrite policies"),
  latestOnly: flag("Only migrate the latest snapshot"),
  parallel: integer("Number of sources to migrate in parallel", { default: 1 }),
  applyIgnoreRules: flag("When migrating also apply current ignore rules"),
};
type Values = FlagValues<typeof flags>;

export const command: Command = defineCommand({
  summary: "Migrate snapshots from another repository",
  description:
    "Times, descriptions, tags and pins are kept. What is there already is skipped, so that a migration can be repeated. The password of the other repository is the one kept beside its configuration file, else that of this command. Exit status 3: something could not be read.",
  flags,
  async run(context, values) {
    if (values.parallel < 1)
      throw usageError(`--parallel: ${values.parallel} is not possible, expected 1 or more`);
    if (!values.all && values.sources.length === 0)
      throw usageError("must specify either --all or --sources");
    await using to = await context.openRepository();
    await using from = await openSource(context, values.sourceConfig);
    const sources = await sourcesOf(context, from, values);
    if (values.policies) await copyPolicies(context, from, to, sources, values);
    let errors = 0;
    using progress = await openProgress(context);
    const migrate = (source: SnapshotSource): Promise<number> =>
      migrateOne(context, from, to, source, values, progress);
    for await (const failed of mapUnordered(sources, values.parallel, migrate, context.signal))
      errors += failed;
    progress.end();
    await to.flush({ signal: context.signal });
    context.log.info("Migration finished.");
    return errors === 0 ? 0 : 3;
  },
});

/** A cache folder that the environment names belongs to the connection of the command alone. */
async function openSource(context: CommandContext, file: string): Promise<Repository> {
  const { loadConfig, loadPersistedPassword } = await import("../../repository/index.ts");
  const { openConnectedRepository } = await import("../../rpc/client/index.ts");
  const env = { ...context.env };
  delete env["SEJF_CACHE_DIRECTORY"];
  delete env["KOPIA_CACHE_DIRECTORY"];
  const configFile = resolve(file);
  await loadConfig(configFile, env);
  const { clock, random, signal, globals } = context;
  return await openConnectedRepository({
    configFile,
    purpose: `cli:${context.path}`,
    password: (await loadPersistedPassword(configFile)) ?? (await context.password()),
    env,
    clock,
    random,
    signal,
    upgradeOwnerId: globals.upgradeOwnerId,
    log: (level, message) => context.log[level](message),
  });
}

async function sourcesOf(
  context: CommandContext,
  from: Repository,
  values: Values,
): Promise<readonly SnapshotSource[]> {
  if (values.sources.length === 0) return await listSources(from, { signal: context.signal });
  return values.sources.map((source) => parsePartialSource(source, from.identity));
}

async function copyPolicies(
  context: CommandContext,
  from: Repository,
  to: Repository,
  sources: readonly SnapshotSource[],
  values: Values,
): Promise<void> {
  const results = await migratePolicies(from, to, values.all ? undefined : sources, {
    overwrite: values.overwritePolicies,
    signal: context.signal,
  });
  for (const { target, copied } of results) {
    const name = formatPolicyTarget(target);
    context.log.info(copied ? `migrating policy for ${name}` : `policy already set for ${name}`);
  }
}

/** Gives how much could not be read; one source's failure does not stop the others. */
async function migrateOne(
  context: CommandContext,
  from: Repository,
  to: Repository,
  source: SnapshotSource,
  values: Values,
  progress: Progress,
): Promise<number> {
  const name = formatSource(source);
  const tell = (text: string): void => progress.interrupt(() => context.log.info(text));
  try {
    const { errors } = await migrateSource(from, to, source, {
      signal: context.signal,
      latestOnly: values.latestOnly,
      applyIgnoreRules: values.applyIgnoreRules,
      onEvent(event) {
        if (event.kind === "progress") {
          showProgress(progress, event.counters);
        } else if (event.kind === "error") {
          const { path, message } = event;
          progress.interrupt(() =>
            context.log.error(`Error when processing "${path}" of ${name}: ${message}`),
          );
        } else {
          const at = context.time(event.snapshot.startTimeNs);
          if (event.kind === "begins") tell(`migrating snapshot of ${name} at ${at}`);
          else if (event.kind === "present") tell(`already migrated ${name} at ${at}`);
          else context.log.debug(`ignoring incomplete ${name} at ${at}`);
        }
      },
    });
    return errors;
  } catch (error) {
    if (context.isCancelled(error)) throw error;
    const { message } = errorFromUnknown(error, `migrating ${name}`);
    progress.interrupt(() => context.log.error(`unable to migrate source ${name}: ${message}`));
    return 1;
  }
}

function showProgress(progress: Progress, counters: MigrateCounters): void {
  const { copiedFiles, copiedBytes, knownFiles, knownDirectories, errors } = counters;
  const failed = errors > 0 ? ` (${errors} errors)` : "";
  const text = `${copiedFiles} copied (${formatBytes(copiedBytes)}), ${knownFiles} files and ${knownDirectories} directories known${failed}`;
  progress.update(() => ` * ${text}`);
}
