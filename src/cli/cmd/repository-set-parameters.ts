/** `repository set-parameters`: what can be changed in the format of a repository. */
import { formatDuration } from "../../bytes/index.ts";
import type { BlobConfig, EpochParameters, RepositoryFormat } from "../../format/index.ts";
import { assertRetentionPossible, dropCachedFormat } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { choice, duration, type FlagValues, integer, refused } from "../flags.ts";
import { formatBytes } from "../output/units.ts";
import { usageError } from "../usage-error.ts";

const MIB = 1 << 20;
const NO_UPGRADE = "upgrading the format is not offered yet; use kopia for it";

const flags = {
  maxPackSizeMb: integer("Set max pack file size", { placeholder: "MB" }),
  indexVersion: integer("Set version of index format used for writing"),
  retentionMode: choice("Set the blob retention-mode for supported storage backends", [
    "none",
    "GOVERNANCE",
    "COMPLIANCE",
  ]),
  retentionPeriod: duration("Set the blob retention-period for supported storage backends"),
  upgrade: refused("switch", NO_UPGRADE),
  epochRefreshFrequency: duration("Epoch refresh frequency"),
  epochMinDuration: duration("Minimal duration of a single epoch"),
  epochCleanupSafetyMargin: duration("Epoch cleanup safety margin"),
  epochAdvanceOnCount: integer("Advance epoch if the number of indexes exceeds given threshold"),
  epochAdvanceOnSizeMb: integer(
    "Advance epoch if the total size of indexes exceeds given threshold",
    { placeholder: "MB" },
  ),
  epochDeleteParallelism: integer("Epoch delete parallelism"),
  epochCheckpointFrequency: integer("Epoch range-compaction period", { placeholder: "EPOCHS" }),
};
type Values = FlagValues<typeof flags>;
type Tell = (line: string) => void;

export const command: Command = defineCommand({
  summary: "Set repository parameters",
  flags,
  async run(context, values) {
    await using connection = await context.openConnection();
    const { access } = connection;
    const lines: string[] = [];
    const format = changedFormat(access.format, values, (line) => lines.push(line));
    const blobConfig = changedRetention(access.blobConfig, values, (line) => lines.push(line));
    for (const line of lines) context.log.info(line);
    if (lines.length === 0) {
      context.log.info("no changes");
      return 0;
    }
    assertRetentionPossible(connection.storage, blobConfig);
    await access.replace(connection.storage, format, blobConfig, { signal: context.signal });
    await dropCachedFormat(connection.config.caching?.cacheDirectory);
    context.log.info(
      "NOTE: Repository parameters updated, you must disconnect and re-connect all other Kopia clients.",
    );
    return 0;
  },
});

function changedFormat(format: RepositoryFormat, values: Values, tell: Tell): RepositoryFormat {
  if (
    values.indexVersion !== undefined &&
    values.indexVersion !== 0 &&
    values.indexVersion !== format.indexVersion
  ) {
    if (values.indexVersion < format.indexVersion)
      throw usageError("index format version can only be upgraded");
    throw usageError(`--index-version is not supported: ${NO_UPGRADE}`);
  }
  const maxPackSize =
    sizeSetting(values.maxPackSizeMb, "maximum pack size", tell) ?? format.maxPackSize;
  return {
    ...format,
    maxPackSize,
    epochParameters: changedEpochs(format.epochParameters, values, tell),
  };
}

function changedEpochs(epochs: EpochParameters, values: Values, tell: Tell): EpochParameters {
  const changes: Partial<EpochParameters> = {
    ...entry(
      "minEpochDurationNs",
      durationSetting(values.epochMinDuration, "minimum epoch duration", tell),
    ),
    ...entry(
      "refreshFrequencyNs",
      durationSetting(values.epochRefreshFrequency, "epoch refresh frequency", tell),
    ),
    ...entry(
      "cleanupSafetyMarginNs",
      durationSetting(values.epochCleanupSafetyMargin, "epoch cleanup safety margin", tell),
    ),
    ...entry(
      "advanceOnCount",
      countSetting(values.epochAdvanceOnCount, "epoch advance on count", tell),
    ),
    ...entry(
      "advanceOnTotalSizeBytes",
      sizeSetting(values.epochAdvanceOnSizeMb, "epoch advance on total size", tell),
    ),
    ...entry(
      "deleteParallelism",
      countSetting(values.epochDeleteParallelism, "epoch delete parallelism", tell),
    ),
    ...entry(
      "fullCheckpointFrequency",
      countSetting(values.epochCheckpointFrequency, "epoch range-compaction period", tell),
    ),
  };
  return { ...epochs, ...changes };
}

function changedRetention(config: BlobConfig, values: Values, tell: Tell): BlobConfig {
  if (values.retentionMode === "none") {
    if (config.retentionMode === "") return config;
    tell("disabling blob retention");
    return { ...config, retentionMode: "", retentionPeriodNs: 0n };
  }
  if (values.retentionMode !== undefined)
    tell(` - setting storage backend blob retention mode to ${values.retentionMode}.`);
  const period = durationSetting(
    values.retentionPeriod,
    "storage backend blob retention period",
    tell,
  );
  return {
    ...config,
    retentionMode: values.retentionMode ?? config.retentionMode,
    retentionPeriodNs: period ?? config.retentionPeriodNs,
  };
}

/** 0 and absent: no change, as with Kopia. */
function sizeSetting(megabytes: number | undefined, what: string, tell: Tell): number | undefined {
  if (megabytes === undefined || megabytes === 0) return undefined;
  tell(` - setting ${what} to ${formatBytes(megabytes * MIB)}.`);
  return megabytes * MIB;
}

function countSetting(value: number | undefined, what: string, tell: Tell): number | undefined {
  if (value === undefined || value === 0) return undefined;
  tell(` - setting ${what} to ${value}.`);
  return value;
}

function durationSetting(value: bigint | undefined, what: string, tell: Tell): bigint | undefined {
  if (value === undefined || value === 0n) return undefined;
  tell(` - setting ${what} to ${formatDuration(value)}.`);
  return value;
}

function entry<K extends string, V>(name: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [P in K]?: V });
}
