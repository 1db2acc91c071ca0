/** What the jobs of a server are given and what they tell. Spec: kopia-server 10. */
import type { CallOptions } from "../../bytes/index.ts";
import type { Repository } from "../../repository/index.ts";
import type { SchedulingPolicy, SnapshotManifest, SnapshotSource } from "../../snapshot/index.ts";
import type { AuditLog, ServerLog } from "../types.ts";
import type { TaskRegistry } from "./task-registry.ts";

/** Kopia's names of what a source is doing. */
export type SourceState =
  | "INITIALIZING"
  | "IDLE"
  | "PENDING"
  | "UPLOADING"
  | "PAUSED"
  | "FAILED"
  | "REMOTE"
  | "STOPPED"
  | "UNKNOWN";

/** Counters of an upload under way, in Kopia's words and order. */
export interface UploadStatus {
  readonly cachedBytes: number;
  readonly hashedBytes: number;
  readonly uploadedBytes: number;
  readonly estimatedBytes: number;
  readonly cachedFiles: number;
  readonly hashedFiles: number;
  readonly excludedFiles: number;
  readonly excludedDirs: number;
  readonly errors: number;
  readonly ignoredErrors: number;
  readonly estimatedFiles: number;
  readonly directory: string;
  readonly lastErrorPath: string;
  readonly lastError: string;
}

/** A source at one moment. */
export interface SourceStatus {
  readonly source: SnapshotSource;
  readonly state: SourceState;
  /** Of the merged policy. */
  readonly scheduling: SchedulingPolicy;
  readonly lastSnapshot: SnapshotManifest | undefined;
  readonly nextSnapshotMs: number | undefined;
  /** While it is being uploaded. */
  readonly upload: UploadStatus | undefined;
  readonly currentTask: string | undefined;
}

/** Which sources are meant; absent or empty parts match all. */
export type SourceFilter = Partial<SnapshotSource>;

/** Sources that were told to do something, by `user@host:path`. */
export type SourceActionResult = ReadonlyMap<string, { readonly success: boolean }>;

/** The sources of the repository, and those among them that this server reads from its own disk. */
export interface SourceManager {
  /** By `user@host:path`. Snapshots that clients made a few seconds ago are in it. */
  list(filter?: SourceFilter, options?: CallOptions): Promise<readonly SourceStatus[]>;
  has(source: SnapshotSource): boolean;
  /** Whether the server may read this source from its own disk. SECURITY: by the operator's settings alone. */
  isLocal(source: SnapshotSource): boolean;
  /** @throws SEJF_ACCESS_DENIED for a source that the server may not read from its own disk. */
  assertLocal(source: SnapshotSource, options?: CallOptions): Promise<void>;
  /** Begins to manage a source that a policy was just set for. @throws SEJF_ACCESS_DENIED when it is not a local one. */
  add(source: SnapshotSource): Promise<void>;
  /** Cancels its upload and forgets it; false when it was not known. */
  remove(source: SnapshotSource): Promise<boolean>;
  /** Local ones only. An empty result: none matches. */
  trigger(filter: SourceFilter): SourceActionResult;
  cancel(filter: SourceFilter): SourceActionResult;
  pause(filter: SourceFilter): SourceActionResult;
  resume(filter: SourceFilter): SourceActionResult;
}

/** What one run of maintenance does. Quick: indexes and manifests; full: also contents and packs that nothing needs. */
export interface MaintenanceRunner {
  /** Runs what is due; resolves with one line for the log, `undefined` when nothing was done. */
  run(options: CallOptions & { readonly now: number }): Promise<string | undefined>;
  /** When it should run next, by the repository's parameters; `undefined`: it is not ours, or switched off. */
  nextMs(options?: CallOptions): Promise<number | undefined>;
}

/** A snapshot of the server's own that ended. */
export interface SnapshotReport {
  readonly source: SnapshotSource;
  readonly snapshot: SnapshotManifest | undefined;
  readonly startMs: number;
  readonly endMs: number;
  readonly error: unknown;
}

export interface JobsOptions {
  readonly repository: Repository;
  readonly tasks: TaskRegistry;
  readonly log: ServerLog;
  readonly audit: AuditLog;
  /** Waits; default: the system's. Tests bring their clock's. */
  readonly sleep?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
  /** Default 4 hours. */
  readonly refreshIntervalMs?: number | undefined;
  /** Not sooner after one that failed. Default 1 minute. */
  readonly minMaintenanceIntervalMs?: number | undefined;
  /**
   * Whether somebody may log in as `user@host`. SECURITY: what such an account writes may come from a client, so that
   * its policies never make the server read its disk, even where the name is the server's own.
   */
  readonly isAccount: (name: string, options?: CallOptions) => Promise<boolean>;
  /** Sources of other users that the operator wants the server to read, or its own where an account has its name. */
  readonly enabledSources?: readonly SnapshotSource[] | undefined;
  /** After the repository was read anew: forget what is cached of accounts, rights, holdings. */
  readonly onRefresh?: ((options?: CallOptions) => Promise<void>) | undefined;
  /** Makes durable what was put; default the repository's own flush. Sessions join theirs with it. */
  readonly flush?: ((options?: CallOptions) => Promise<void>) | undefined;
  /** Retention of all accounts; resolves with the number of snapshots that expired. */
  readonly retention?: ((options: CallOptions) => Promise<number>) | undefined;
  /** Default 1 hour. */
  readonly retentionIntervalMs?: number | undefined;
  /** Absent: this server maintains nothing. */
  readonly maintenance?: MaintenanceRunner | undefined;
  /** For notifications. */
  readonly onSnapshot?: ((report: SnapshotReport) => void) | undefined;
}

/** The running jobs of one repository. Disposing ends them: uploads are cancelled and waited for. */
export interface ServerJobs extends AsyncDisposable {
  readonly sources: SourceManager;
  /** Reads the repository, its accounts and its sources anew. Calls at the same time share one run. */
  refresh(options?: CallOptions): Promise<void>;
  flush(options?: CallOptions): Promise<void>;
}
