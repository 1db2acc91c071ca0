/** Snapshots: trees of directories in objects, their manifests, policies, upload, retention and restore. */
export type {
  CreatedSnapshot,
  CreateSnapshotOptions,
  UploadCounters,
  UploadEvent,
} from "./create-types.ts";
export type {
  ActionCommand,
  ActionsPolicy,
  CompressionPolicy,
  ErrorHandlingPolicy,
  FilesPolicy,
  LoggingPolicy,
  Policy,
  PolicyTarget,
  RetentionPolicy,
  SchedulingPolicy,
  StoredPolicy,
  TimeOfDay,
  UploadPolicy,
} from "./policy.ts";
export type {
  RestoreCounters,
  RestoreEvent,
  RestoreOptions,
  RestoreSummary,
} from "./restore-types.ts";
export * from "./signatures.ts";
export type {
  Directory,
  DirectorySummary,
  DirEntry,
  EntryType,
  FailedEntry,
  SnapshotManifest,
  SnapshotSource,
  SnapshotStats,
} from "./types.ts";
