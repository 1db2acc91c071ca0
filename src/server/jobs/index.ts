/** Jobs of the server: tasks that can be watched, sources of its own, the schedule. */
export { type MaintenanceOptions, ownMaintenance } from "./maintenance.ts";
export { openJobs } from "./open-jobs.ts";
export { TaskRegistry, type TaskRegistryOptions } from "./task-registry.ts";
export type {
  StartedTask,
  TaskControl,
  TaskCounter,
  TaskCounters,
  TaskInfo,
  TaskLogEntry,
  TaskLogLevel,
  TaskStatus,
} from "./task-types.ts";
export type {
  JobsOptions,
  MaintenanceRunner,
  ServerJobs,
  SnapshotReport,
  SourceActionResult,
  SourceFilter,
  SourceManager,
  SourceState,
  SourceStatus,
  UploadStatus,
} from "./types.ts";
