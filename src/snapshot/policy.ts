/** Policies as stored (kopia-snapshots 5.2) and what they are stored for. */
import type { ManifestId } from "../manifest/index.ts";

/** Members that this program does not know, as read; they are written back. */
type Open<T> = T & { readonly [member: string]: unknown };

export interface RetentionPolicy {
  readonly keepLatest?: number | undefined;
  readonly keepHourly?: number | undefined;
  readonly keepDaily?: number | undefined;
  readonly keepWeekly?: number | undefined;
  readonly keepMonthly?: number | undefined;
  readonly keepAnnual?: number | undefined;
  readonly ignoreIdenticalSnapshots?: boolean | undefined;
}

export interface FilesPolicy {
  readonly ignore?: readonly string[] | undefined;
  readonly noParentIgnore?: boolean | undefined;
  readonly ignoreDotFiles?: readonly string[] | undefined;
  readonly noParentDotFiles?: boolean | undefined;
  readonly ignoreCacheDirs?: boolean | undefined;
  /** Bytes; absent or 0: no limit. */
  readonly maxFileSize?: number | undefined;
  readonly oneFileSystem?: boolean | undefined;
}

export interface ErrorHandlingPolicy {
  readonly ignoreFileErrors?: boolean | undefined;
  readonly ignoreDirectoryErrors?: boolean | undefined;
  readonly ignoreUnknownTypes?: boolean | undefined;
}

export interface TimeOfDay {
  readonly hour: number;
  readonly min: number;
}

export interface SchedulingPolicy {
  readonly intervalSeconds?: number | undefined;
  readonly timeOfDay?: readonly TimeOfDay[] | undefined;
  readonly noParentTimeOfDay?: boolean | undefined;
  readonly manual?: boolean | undefined;
  readonly cron?: readonly string[] | undefined;
  readonly runMissed?: boolean | undefined;
}

export interface CompressionPolicy {
  readonly compressorName?: string | undefined;
  /** With the dot, sorted by bytes. */
  readonly onlyCompress?: readonly string[] | undefined;
  readonly noParentOnlyCompress?: boolean | undefined;
  readonly neverCompress?: readonly string[] | undefined;
  readonly noParentNeverCompress?: boolean | undefined;
  readonly minSize?: number | undefined;
  readonly maxSize?: number | undefined;
}

export interface ActionCommand {
  readonly path?: string | undefined;
  readonly args?: readonly string[] | undefined;
  readonly script?: string | undefined;
  /** Seconds. */
  readonly timeout?: number | undefined;
  readonly mode?: string | undefined;
}

export interface ActionsPolicy {
  readonly beforeFolder?: ActionCommand | undefined;
  readonly afterFolder?: ActionCommand | undefined;
  readonly beforeSnapshotRoot?: ActionCommand | undefined;
  readonly afterSnapshotRoot?: ActionCommand | undefined;
}

export interface LoggingPolicy {
  readonly directories: Open<{
    readonly snapshotted?: number | undefined;
    readonly ignored?: number | undefined;
  }>;
  readonly entries: Open<{
    readonly snapshotted?: number | undefined;
    readonly ignored?: number | undefined;
    readonly cacheHit?: number | undefined;
    readonly cacheMiss?: number | undefined;
  }>;
}

export interface UploadPolicy {
  readonly maxParallelSnapshots?: number | undefined;
  readonly maxParallelFileReads?: number | undefined;
  /** Bytes; absent or negative: never. */
  readonly parallelUploadAboveSize?: number | undefined;
}

/** Absent members inherit. All groups are there, with their unknown members. */
export interface Policy {
  readonly retention: Open<RetentionPolicy>;
  readonly files: Open<FilesPolicy>;
  readonly errorHandling: Open<ErrorHandlingPolicy>;
  readonly scheduling: Open<SchedulingPolicy>;
  readonly compression: Open<CompressionPolicy>;
  readonly metadataCompression: Open<{ readonly compressorName?: string | undefined }>;
  /** Of file data; empty: the repository's. */
  readonly splitter: Open<{ readonly algorithm?: string | undefined }>;
  readonly actions: Open<ActionsPolicy>;
  readonly osSnapshots: Open<{
    readonly volumeShadowCopy: Open<{ readonly enable?: number | undefined }>;
  }>;
  readonly logging: Open<LoggingPolicy>;
  readonly upload: Open<UploadPolicy>;
  /** Nothing is inherited, the built-in defaults included. */
  readonly noParent?: boolean | undefined;
  readonly [member: string]: unknown;
}

/** All empty: global; only a host; a user at a host; all three: a path. */
export interface PolicyTarget {
  readonly hostname: string;
  readonly username: string;
  readonly path: string;
}

/** One of the policies that are merged. */
export interface PolicyLevel {
  readonly target: PolicyTarget;
  readonly policy: Policy;
}

export interface StoredPolicy extends PolicyLevel {
  readonly id: ManifestId;
}
