/** The lock that an upgrade of the format puts into the format blob. Spec: kopia-format 2.7. */
import { formatTimestamp, type TimestampNs } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { type JsonObject, omitEmpty, type UnknownMembers } from "./json-members.ts";

/** Durations in nanoseconds. */
export interface UpgradeLock {
  /** Whoever upgrades: the one client that may go on. */
  readonly ownerId: string;
  readonly creationTime: TimestampNs;
  readonly advanceNoticeNs: bigint;
  readonly ioDrainTimeoutNs: bigint;
  readonly statusPollIntervalNs: bigint;
  readonly message: string;
  readonly maxPermittedClockDriftNs: bigint;
  readonly unknown: UnknownMembers;
}

export interface UpgradeLockState {
  /** Others than the owner must not touch the storage. */
  readonly locked: boolean;
  /** Every writer has had the time to notice. */
  readonly writersDrained: boolean;
}

/** No lock: neither. */
export function upgradeLockState(
  lock: UpgradeLock | undefined,
  now: TimestampNs,
): UpgradeLockState {
  if (lock === undefined) return { locked: false, writersDrained: false };
  const drain = lock.maxPermittedClockDriftNs + 2n * lock.ioDrainTimeoutNs;
  const notice = lock.advanceNoticeNs;
  return {
    locked: notice < drain || now >= lock.creationTime + notice - drain,
    writersDrained: now >= lock.creationTime + (notice > drain ? notice : drain),
  };
}

/** @throws SEJF_UPGRADE_IN_PROGRESS when the repository is locked for everybody but its owner. */
export function assertNotLockedForUpgrade(
  lock: UpgradeLock | undefined,
  ownerId: string,
  now: TimestampNs,
): void {
  if (lock === undefined || lock.ownerId === ownerId || !upgradeLockState(lock, now).locked) return;
  const message = lock.message === "" ? "" : `: ${lock.message}`;
  throw new SejfError(
    "SEJF_UPGRADE_IN_PROGRESS",
    `the repository is being upgraded by ${JSON.stringify(lock.ownerId)}${message}`,
    {
      hint: "try again when the upgrade has finished",
      retryable: true,
    },
  );
}

/** @throws SEJF_CORRUPT. */
export function upgradeLockFromJson(json: JsonObject): UpgradeLock {
  return {
    ownerId: json.string("ownerID"),
    creationTime: json.time("creationTime"),
    advanceNoticeNs: json.bigint("advanceNoticeDuration"),
    ioDrainTimeoutNs: json.bigint("ioDrainTimeout"),
    statusPollIntervalNs: json.bigint("statusPollInterval"),
    message: json.string("message"),
    maxPermittedClockDriftNs: json.bigint("maxPermittedClockDrift"),
    unknown: json.unknown,
  };
}

export function upgradeLockToJson(lock: UpgradeLock): object {
  return {
    ownerID: omitEmpty(lock.ownerId),
    creationTime: formatTimestamp(lock.creationTime),
    advanceNoticeDuration: omitEmpty(lock.advanceNoticeNs),
    ioDrainTimeout: omitEmpty(lock.ioDrainTimeoutNs),
    statusPollInterval: omitEmpty(lock.statusPollIntervalNs),
    message: omitEmpty(lock.message),
    maxPermittedClockDrift: omitEmpty(lock.maxPermittedClockDriftNs),
    ...lock.unknown,
  };
}
