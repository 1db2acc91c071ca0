/**
 * The index manager of repositories without epochs: indexes `n…`, compaction logs `m…`, cleanup schedules `l…`.
 * Spec: kopia-format 5.8.
 */
import { type BlobId, type BlobMetadata, isBlobId } from "../blob/index.ts";
import { formatTimestamp, type OwnedBytes, type TimestampNs } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { POISON_BLOB_ID } from "./blob-names.ts";
import { encodeJson, JsonObject } from "./json-members.ts";

/** What replaced what. */
export interface CompactionLog {
  readonly inputs: readonly BlobMetadata[];
  readonly outputs: readonly BlobMetadata[];
}

/** Compaction logs whose inputs are gone, to be deleted when everybody has noticed. */
export interface CleanupSchedule {
  readonly blobIds: readonly BlobId[];
  readonly cleanupTime: TimestampNs;
}

/** A blob with what was decoded from it. */
export interface Decoded<T> {
  readonly blob: BlobMetadata;
  readonly value: T;
}

/** How long everybody has to notice a compaction. */
const SETTLE_NS = 3_600_000_000_000n;

/** A blob smaller than this part of a pack is very small. */
const VERY_SMALL_FRACTION = 20;

/** Below this number of blobs compaction is not worth while. */
export const DEFAULT_MIN_OLD_INDEXES = 8;

export function encodeCompactionLog(log: CompactionLog): OwnedBytes {
  return encodeJson({
    inputMetadata: log.inputs.map(metadataToJson),
    outputMetadata: log.outputs.map(metadataToJson),
  });
}

/** @throws SEJF_CORRUPT. */
export function decodeCompactionLog(bytes: Uint8Array): CompactionLog {
  const json = JsonObject.decode(bytes, "compaction log");
  return {
    inputs: json.objects("inputMetadata").map(metadataFromJson),
    outputs: json.objects("outputMetadata").map(metadataFromJson),
  };
}

export function encodeCleanupSchedule(schedule: CleanupSchedule): OwnedBytes {
  return encodeJson({
    blobIDs: schedule.blobIds,
    cleanupScheduleTime: formatTimestamp(schedule.cleanupTime),
  });
}

/** @throws SEJF_CORRUPT. */
export function decodeCleanupSchedule(bytes: Uint8Array): CleanupSchedule {
  const json = JsonObject.decode(bytes, "cleanup schedule");
  return {
    blobIds: json.strings("blobIDs").map(blobIdFromJson),
    cleanupTime: json.time("cleanupScheduleTime"),
  };
}

/** The active indexes of a listing of `n`: those that no log has replaced whose outputs are all there. */
export function resolveCompactionLogs(
  indexBlobs: readonly BlobMetadata[],
  logs: readonly CompactionLog[],
): readonly BlobMetadata[] {
  const present = new Set(indexBlobs.map((blob) => blob.id));
  const replaced = new Set<BlobId>();
  for (const log of logs) {
    if (!log.outputs.every((output) => present.has(output.id))) continue;
    for (const input of log.inputs) replaced.add(input.id);
  }
  return indexBlobs.filter((blob) => !replaced.has(blob.id));
}

export interface OldCompactionOptions {
  readonly maxPackSize: number;
  readonly minCount?: number | undefined;
  /** Large ones too. */
  readonly all?: boolean | undefined;
}

/** Which active indexes to merge; empty when it is not worth while. */
export function oldIndexesToCompact(
  active: readonly BlobMetadata[],
  options: OldCompactionOptions,
): readonly BlobMetadata[] {
  const minCount = options.minCount ?? DEFAULT_MIN_OLD_INDEXES;
  const candidates = active.filter(
    (blob) =>
      blob.id !== POISON_BLOB_ID &&
      (options.all === true || blob.lengthBytes <= options.maxPackSize),
  );
  if (candidates.length < minCount || candidates.length < 2) return [];
  const verySmall = candidates.filter(
    (blob) => blob.lengthBytes < options.maxPackSize / VERY_SMALL_FRACTION,
  );
  const fewOthers = candidates.length - verySmall.length + 1 < minCount;
  return verySmall.length > candidates.length / 2 && fewOthers ? verySmall : candidates;
}

/** What a compaction leaves to be done once its log is stored. */
export interface OldIndexCleanup {
  /** To be deleted first. */
  readonly indexes: readonly BlobId[];
  /** To be listed in a cleanup schedule with the time of the log just stored: never deleted before the indexes. */
  readonly logs: readonly BlobId[];
}

/** From all logs, the one just stored included; `latest` is that one. */
export function oldIndexCleanup(
  logs: readonly Decoded<CompactionLog>[],
  latest: BlobMetadata,
): OldIndexCleanup {
  const settled = logs.filter(({ blob }) => blob.timestamp <= latest.timestamp - SETTLE_NS);
  return {
    indexes: [...new Set(settled.flatMap(({ value }) => value.inputs.map((input) => input.id)))],
    logs: settled.map(({ blob }) => blob.id),
  };
}

/** Logs, and then schedules, that can be deleted now. */
export function dueCleanups(schedules: readonly Decoded<CleanupSchedule>[]): {
  readonly logs: readonly BlobId[];
  readonly schedules: readonly BlobId[];
} {
  const newest = schedules.reduce(
    (time, { blob }) => (blob.timestamp > time ? blob.timestamp : time),
    0n,
  );
  const due = schedules.filter(({ value }) => newest - value.cleanupTime >= SETTLE_NS);
  return {
    logs: due.flatMap(({ value }) => value.blobIds),
    schedules: due.map(({ blob }) => blob.id),
  };
}

function metadataToJson(blob: BlobMetadata): object {
  return { id: blob.id, length: blob.lengthBytes, timestamp: formatTimestamp(blob.timestamp) };
}

function metadataFromJson(json: JsonObject): BlobMetadata {
  return {
    id: blobIdFromJson(json.string("id")),
    lengthBytes: json.count("length"),
    timestamp: json.time("timestamp"),
  };
}

function blobIdFromJson(text: string): BlobId {
  if (isBlobId(text)) return text;
  throw new SejfError("SEJF_CORRUPT", `${JSON.stringify(text.slice(0, 80))} is not a blob ID`);
}
