/** When epochs advance, are compacted and cleaned up. Spec: kopia-format 5.1. */
import { SejfError } from "../errors/index.ts";
import type { JsonObject, UnknownMembers } from "./json-members.ts";

/** Mutable: re-read with the format blob. Durations in nanoseconds. */
export interface EpochParameters {
  /** False: the old index manager. */
  readonly enabled: boolean;
  /** How long a loaded state may be used. */
  readonly refreshFrequencyNs: bigint;
  /** Settled epochs behind the last range that are needed for the next one. */
  readonly fullCheckpointFrequency: number;
  /** Age of a compacted set at which its inputs may be deleted. */
  readonly cleanupSafetyMarginNs: bigint;
  /** Time between the first and the last blob of an epoch before it can end. */
  readonly minEpochDurationNs: bigint;
  /** An epoch ends with that many blobs … */
  readonly advanceOnCount: number;
  /** … or that many bytes in them. */
  readonly advanceOnTotalSizeBytes: number;
  readonly deleteParallelism: number;
  readonly unknown: UnknownMembers;
}

const SECOND_NS = 1_000_000_000n;
const MINUTE_NS = 60n * SECOND_NS;
const HOUR_NS = 60n * MINUTE_NS;

/** Of new repositories with epochs. */
export const DEFAULT_EPOCH_PARAMETERS: EpochParameters = {
  enabled: true,
  refreshFrequencyNs: 20n * MINUTE_NS,
  fullCheckpointFrequency: 7,
  cleanupSafetyMarginNs: 4n * HOUR_NS,
  minEpochDurationNs: 24n * HOUR_NS,
  advanceOnCount: 20,
  advanceOnTotalSizeBytes: 10 << 20,
  deleteParallelism: 4,
  unknown: {},
};

/** All zero: format version 1. */
export const DISABLED_EPOCH_PARAMETERS: EpochParameters = {
  enabled: false,
  refreshFrequencyNs: 0n,
  fullCheckpointFrequency: 0,
  cleanupSafetyMarginNs: 0n,
  minEpochDurationNs: 0n,
  advanceOnCount: 0,
  advanceOnTotalSizeBytes: 0,
  deleteParallelism: 0,
  unknown: {},
};

const MIN_EPOCH_DURATION_NS = 10n * MINUTE_NS;
const MIN_ADVANCE_ON_COUNT = 10;
const MIN_ADVANCE_ON_SIZE_BYTES = 1 << 20;

/** Whether these may be set; disabled ones always. @throws SEJF_INVALID_ARGUMENT naming the parameter. */
export function validateEpochParameters(parameters: EpochParameters): void {
  if (!parameters.enabled) return;
  const p = parameters;
  check(
    p.minEpochDurationNs >= MIN_EPOCH_DURATION_NS,
    "minimum epoch duration",
    duration(p.minEpochDurationNs),
    "10 minutes or more",
  );
  check(
    p.refreshFrequencyNs * 3n <= p.minEpochDurationNs,
    "epoch refresh frequency",
    duration(p.refreshFrequencyNs),
    `a third of the minimum epoch duration at most (${duration(p.minEpochDurationNs / 3n)})`,
  );
  check(
    p.fullCheckpointFrequency > 0,
    "epoch checkpoint frequency",
    String(p.fullCheckpointFrequency),
    "1 or more",
  );
  check(
    p.cleanupSafetyMarginNs >= p.refreshFrequencyNs * 3n,
    "epoch cleanup safety margin",
    duration(p.cleanupSafetyMarginNs),
    `three refresh periods or more (${duration(p.refreshFrequencyNs * 3n)})`,
  );
  check(
    p.advanceOnCount >= MIN_ADVANCE_ON_COUNT,
    "number of blobs that ends an epoch",
    String(p.advanceOnCount),
    "10 or more",
  );
  check(
    p.advanceOnTotalSizeBytes >= MIN_ADVANCE_ON_SIZE_BYTES,
    "number of bytes that ends an epoch",
    String(p.advanceOnTotalSizeBytes),
    `${MIN_ADVANCE_ON_SIZE_BYTES} or more`,
  );
}

function check(holds: boolean, name: string, found: string, expected: string): void {
  if (!holds)
    throw new SejfError("SEJF_INVALID_ARGUMENT", `${name} is ${found}, expected ${expected}`);
}

function duration(ns: bigint): string {
  return `${Number(ns / 1_000_000n) / 1000} s`;
}

/** From the member `epochParameters`; absent numbers are 0. @throws SEJF_CORRUPT. */
export function epochParametersFromJson(json: JsonObject): EpochParameters {
  return {
    enabled: json.boolean("Enabled"),
    refreshFrequencyNs: json.bigint("EpochRefreshFrequency"),
    fullCheckpointFrequency: json.count("FullCheckpointFrequency"),
    cleanupSafetyMarginNs: json.bigint("CleanupSafetyMargin"),
    minEpochDurationNs: json.bigint("MinEpochDuration"),
    advanceOnCount: json.count("EpochAdvanceOnCountThreshold"),
    advanceOnTotalSizeBytes: json.count("EpochAdvanceOnTotalSizeBytesThreshold"),
    deleteParallelism: json.count("DeleteParallelism"),
    unknown: json.unknown,
  };
}

/** With Kopia's spelling, which differs from every other object's. */
export function epochParametersToJson(parameters: EpochParameters): object {
  return {
    Enabled: parameters.enabled,
    EpochRefreshFrequency: parameters.refreshFrequencyNs,
    FullCheckpointFrequency: parameters.fullCheckpointFrequency,
    CleanupSafetyMargin: parameters.cleanupSafetyMarginNs,
    MinEpochDuration: parameters.minEpochDurationNs,
    EpochAdvanceOnCountThreshold: parameters.advanceOnCount,
    EpochAdvanceOnTotalSizeBytesThreshold: parameters.advanceOnTotalSizeBytes,
    DeleteParallelism: parameters.deleteParallelism,
    ...parameters.unknown,
  };
}
