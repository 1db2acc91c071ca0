/** `policy set`: changes single settings of stored policies. Reference: kopia cli/command_policy_set.go. */
import { COMPRESSORS } from "../../compress/index.ts";
import {
  EMPTY_POLICY,
  formatPolicyTarget,
  getPolicy,
  type Policy,
  setPolicy,
} from "../../snapshot/index.ts";
import { SPLITTERS } from "../../splitter/index.ts";
import { type Command, defineCommand } from "../command.ts";
import {
  choice,
  duration,
  type Flag,
  type FlagValues,
  flag,
  optionalFlag,
  text,
  texts,
} from "../flags.ts";
import { formatBytes } from "../output/units.ts";
import { changeActions, NO_ACTION } from "../shared/policy-actions.ts";
import { PolicyChanges } from "../shared/policy-changes.ts";
import { changeSchedule } from "../shared/policy-schedule.ts";
import { policyTargets, TARGET_ARGUMENTS, TARGET_FLAGS } from "../shared/policy-targets.ts";
import { INHERIT } from "../shared/policy-words.ts";
import { usageError } from "../usage-error.ts";

const MIB = 1 << 20;
const ANY_SIZE = { max: Number.MAX_SAFE_INTEGER };
const LOG_DETAIL = { max: 10 };
const MAX_MIB = 2 ** 31 - 1;
const SHADOW_COPY_MODES = ["never", "always", "when-available"];

type TextFlag = Flag<string | undefined>;

const COMPRESSION = [INHERIT, "none", ...COMPRESSORS.map(({ name }) => name).toSorted()];
const SPLITTER = [INHERIT, ...SPLITTERS.map(({ name }) => name).toSorted()];

function count(help: string): TextFlag {
  return text(`${help} (or '${INHERIT}')`, { placeholder: "N" });
}

/** One of the three words. */
function threeState(help: string): Flag<"true" | "false" | "inherit" | undefined> {
  return choice(help, ["true", "false", INHERIT], { placeholder: "BOOL" });
}

function action(name: string, help: string): Flag<string> {
  return text(`Path to ${name} action command (${help})`, {
    default: NO_ACTION,
    placeholder: "COMMAND",
  });
}

const pattern = { placeholder: "PATTERN" };

const ACTION_FLAGS = {
  beforeFolderAction: action("before-folder", "'none' to remove"),
  afterFolderAction: action("after-folder", "'none' to remove"),
  beforeSnapshotRootAction: action("before-snapshot-root", "'none' or 'inherit' to remove"),
  afterSnapshotRootAction: action("after-snapshot-root", "'none' or 'inherit' to remove"),
  actionCommandTimeout: duration("Max time allowed for an action to run", {
    default: 300_000_000_000n,
  }),
  actionCommandMode: choice("Action command mode", ["essential", "optional", "async"], {
    default: "essential",
    placeholder: "MODE",
  }),
  persistActionScript: flag("Store the script itself in the repository, not its path"),
} as const;

const COMPRESSION_FLAGS = {
  compression: choice("Compression algorithm", COMPRESSION, { placeholder: "ALGORITHM" }),
  compressionMinSize: count("Min size of file to attempt compression for"),
  compressionMaxSize: count("Max size of file to attempt compression for"),
  addOnlyCompress: texts("Extension to add to the only-compress list", pattern),
  removeOnlyCompress: texts("Extension to remove from the only-compress list", pattern),
  clearOnlyCompress: flag("Clear list of extensions in the only-compress list"),
  addNeverCompress: texts("Extension to add to the never-compress list", pattern),
  removeNeverCompress: texts("Extension to remove from the never-compress list", pattern),
  clearNeverCompress: flag("Clear list of extensions in the never-compress list"),
  metadataCompression: choice("Metadata compression algorithm", COMPRESSION, {
    placeholder: "ALGORITHM",
  }),
  splitter: choice("Splitter algorithm override", SPLITTER, { placeholder: "ALGORITHM" }),
} as const;

const FILES_FLAGS = {
  ignoreFileErrors: threeState("Ignore errors reading files while traversing"),
  ignoreDirErrors: threeState("Ignore errors reading directories while traversing"),
  ignoreUnknownTypes: threeState("Ignore unknown entry types in directories"),
  addIgnore: texts("Rule to add to the ignore list", pattern),
  removeIgnore: texts("Rule to remove from the ignore list", pattern),
  clearIgnore: flag("Clear list of rules in the ignore list"),
  addDotIgnore: texts("File name to add to the dot-ignore list", { placeholder: "FILENAME" }),
  removeDotIgnore: texts("File name to remove from the dot-ignore list", {
    placeholder: "FILENAME",
  }),
  clearDotIgnore: flag("Clear list of file names in the dot-ignore list"),
  maxFileSize: count("Exclude files above given size"),
  oneFileSystem: threeState("Stay in parent filesystem when finding files"),
  ignoreCacheDirs: threeState("Ignore cache directories"),
} as const;

const LOGGING_FLAGS = {
  logDirSnapshotted: count("Log detail, 0 to 10, when a directory is snapshotted"),
  logDirIgnored: count("Log detail when a directory is ignored"),
  logEntrySnapshotted: count("Log detail when an entry is snapshotted"),
  logEntryIgnored: count("Log detail when an entry is ignored"),
  logEntryCacheHit: count("Log detail on entry cache hit"),
  logEntryCacheMiss: count("Log detail on entry cache miss"),
} as const;

const RETENTION_FLAGS = {
  keepLatest: count("Number of most recent backups to keep per source"),
  keepHourly: count("Number of most-recent hourly backups to keep per source"),
  keepDaily: count("Number of most-recent daily backups to keep per source"),
  keepWeekly: count("Number of most-recent weekly backups to keep per source"),
  keepMonthly: count("Number of most-recent monthly backups to keep per source"),
  keepAnnual: count("Number of most-recent annual backups to keep per source"),
  ignoreIdenticalSnapshots: text("Do not save identical snapshots (or 'inherit')", {
    placeholder: "BOOL",
  }),
} as const;

const SCHEDULE_FLAGS = {
  snapshotInterval: duration("Interval between snapshots"),
  snapshotTime: texts(
    "Comma-separated times of day when to take snapshot (HH:mm,HH:mm,...) or 'inherit' to remove override",
    { placeholder: "TIMES" },
  ),
  snapshotTimeCrontab: text("Semicolon-separated crontab-compatible expressions (or 'inherit')", {
    placeholder: "CRONTAB",
  }),
  runMissed: threeState("Run missed time-of-day or cron snapshots"),
  manual: optionalFlag("Only create snapshots manually"),
} as const;

const UPLOAD_FLAGS = {
  enableVolumeShadowCopy: choice(
    "Enable Volume Shadow Copy snapshots",
    ["never", "always", "when-available", INHERIT],
    { placeholder: "MODE" },
  ),
  maxParallelFileReads: count("Maximum number of parallel file reads"),
  maxParallelSnapshots: count("Maximum number of parallel snapshots (server only)"),
  parallelUploadAboveSizeMib: count("Use parallel uploads above size"),
} as const;

const flags = {
  ...TARGET_FLAGS,
  inherit: choice("Enable or disable inheriting policies from the parent", ["true", "false"], {
    placeholder: "BOOL",
  }),
  ...ACTION_FLAGS,
  ...COMPRESSION_FLAGS,
  ...FILES_FLAGS,
  ...LOGGING_FLAGS,
  ...RETENTION_FLAGS,
  ...SCHEDULE_FLAGS,
  ...UPLOAD_FLAGS,
} as const;

type Values = FlagValues<typeof flags>;

export const command: Command = defineCommand({
  summary: "Set policy",
  description:
    "Settings that are not given stay as they are. See policy show for what is in force, and where it comes from.",
  flags,
  arguments: TARGET_ARGUMENTS,
  async run(context, values, args) {
    const { signal, log } = context;
    await using repository = await context.openRepository();
    const { manifests } = repository;
    for (const target of await policyTargets(repository, values.global, args, { signal })) {
      log.info(`Setting policy for ${formatPolicyTarget(target)}`);
      const stored = await getPolicy(manifests, target, { signal });
      const policy = await changed(stored?.policy ?? EMPTY_POLICY, values, (line) =>
        log.info(line),
      );
      await setPolicy(manifests, target, policy, { signal });
    }
    await repository.flush({ signal });
    return 0;
  },
});

/** @throws SEJF_INVALID_ARGUMENT, also when nothing is changed. */
async function changed(
  policy: Policy,
  values: Values,
  tell: (line: string) => void,
): Promise<Policy> {
  const changes = new PolicyChanges(policy, tell);
  changeRetention(changes, values);
  changeFiles(changes, values);
  changeCompression(changes, values);
  changeSchedule(changes, values);
  await changeActions(changes, values);
  changeShadowCopy(changes, values.enableVolumeShadowCopy);
  changeLogging(changes, values);
  changeUpload(changes, values);
  if (values.inherit !== undefined) changes.setNoParent(values.inherit === "false");
  if (changes.count === 0) throw usageError("no changes specified", "see sejf policy set --help");
  return changes.policy;
}

function changeRetention(changes: PolicyChanges, values: Values): void {
  changes.number("retention.keepAnnual", "number of annual backups to keep", values.keepAnnual);
  changes.number("retention.keepMonthly", "number of monthly backups to keep", values.keepMonthly);
  changes.number("retention.keepWeekly", "number of weekly backups to keep", values.keepWeekly);
  changes.number("retention.keepDaily", "number of daily backups to keep", values.keepDaily);
  changes.number("retention.keepHourly", "number of hourly backups to keep", values.keepHourly);
  changes.number("retention.keepLatest", "number of latest backups to keep", values.keepLatest);
  changes.flag(
    "retention.ignoreIdenticalSnapshots",
    "do not save identical snapshots",
    values.ignoreIdenticalSnapshots,
  );
}

function changeFiles(changes: PolicyChanges, values: Values): void {
  changes.number("files.maxFileSize", "maximum file size", values.maxFileSize, ANY_SIZE);
  changes.list(
    "files.ignoreDotFiles",
    "dot-ignore filenames",
    values.addDotIgnore,
    values.removeDotIgnore,
    values.clearDotIgnore,
  );
  const { addIgnore, removeIgnore, clearIgnore } = values;
  changes.list("files.ignore", "ignore rules", addIgnore, removeIgnore, clearIgnore);
  changes.flag("files.ignoreCacheDirs", "ignore cache dirs", values.ignoreCacheDirs);
  changes.flag("files.oneFileSystem", "one filesystem", values.oneFileSystem);
  changes.flag("errorHandling.ignoreFileErrors", "ignore file errors", values.ignoreFileErrors);
  changes.flag(
    "errorHandling.ignoreDirectoryErrors",
    "ignore directory errors",
    values.ignoreDirErrors,
  );
  changes.flag(
    "errorHandling.ignoreUnknownTypes",
    "ignore unknown types",
    values.ignoreUnknownTypes,
  );
}

function changeCompression(changes: PolicyChanges, values: Values): void {
  const what = (bound: string): string => `${bound} file size subject to compression`;
  changes.number("compression.minSize", what("minimum"), values.compressionMinSize, ANY_SIZE);
  changes.number("compression.maxSize", what("maximum"), values.compressionMaxSize, ANY_SIZE);
  changes.name("compression.compressorName", "compression algorithm", values.compression);
  changes.list(
    "compression.onlyCompress",
    "only-compress extensions",
    values.addOnlyCompress,
    values.removeOnlyCompress,
    values.clearOnlyCompress,
  );
  changes.list(
    "compression.neverCompress",
    "never-compress extensions",
    values.addNeverCompress,
    values.removeNeverCompress,
    values.clearNeverCompress,
  );
  changes.name(
    "metadataCompression.compressorName",
    "metadata compression algorithm",
    values.metadataCompression,
  );
  changes.name("splitter.algorithm", "splitter algorithm override", values.splitter);
}

function changeShadowCopy(changes: PolicyChanges, given: string | undefined): void {
  if (given === undefined) return;
  const path = "osSnapshots.volumeShadowCopy.enable";
  const what = "enable volume shadow copy";
  const mode = SHADOW_COPY_MODES.indexOf(given);
  if (mode === -1) changes.reset(path, what);
  else changes.set(path, mode, `setting "${what}" to ${given}.`);
}

function changeLogging(changes: PolicyChanges, values: Values): void {
  const detail = (field: string, what: string, given: string | undefined): void =>
    changes.number(`logging.${field}`, `${what} detail`, given, LOG_DETAIL);
  detail("directories.snapshotted", "directory snapshotted", values.logDirSnapshotted);
  detail("directories.ignored", "directory ignored", values.logDirIgnored);
  detail("entries.snapshotted", "entry snapshotted", values.logEntrySnapshotted);
  detail("entries.ignored", "entry ignored", values.logEntryIgnored);
  detail("entries.cacheHit", "entry cache hit", values.logEntryCacheHit);
  detail("entries.cacheMiss", "entry cache miss", values.logEntryCacheMiss);
}

function changeUpload(changes: PolicyChanges, values: Values): void {
  changes.number(
    "upload.maxParallelFileReads",
    "max parallel file reads",
    values.maxParallelFileReads,
  );
  changes.number(
    "upload.maxParallelSnapshots",
    "max parallel snapshots",
    values.maxParallelSnapshots,
  );
  changes.number(
    "upload.parallelUploadAboveSize",
    "parallel upload above size",
    values.parallelUploadAboveSizeMib,
    { negative: true, max: MAX_MIB, factor: MIB, format: formatBytes },
  );
}
