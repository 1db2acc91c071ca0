/** What the endpoints of the web interface are given. Spec: kopia-server 9. */
import type { ThrottlingLimits } from "../../blob/index.ts";
import type { Clock } from "../../bytes/index.ts";
import type { ManifestStore } from "../../manifest/index.ts";
import type { DirectRepository, Environment } from "../../repository/index.ts";
import type { ServerJobs } from "../jobs/types.ts";
import type { TaskRegistry } from "../jobs/task-registry.ts";
import type { AuditLog, Principal, ServerLog } from "../types.ts";

/** Limits of the storage that can be changed while it is in use. */
export interface AdjustableLimits {
  readonly limits: ThrottlingLimits;
  /** @throws SEJF_INVALID_ARGUMENT; then the old ones stay. */
  setLimits(limits: ThrottlingLimits): void;
}

/** The repository that is served at this moment, and the jobs on it. */
export interface ServedRepository {
  readonly repository: DirectRepository;
  readonly jobs: ServerJobs;
  /** Where deleting moves snapshots; absent: they are gone. */
  readonly trash?: { readonly manifests: Pick<ManifestStore, "delete"> } | undefined;
  readonly throttle: AdjustableLimits | undefined;
}

/** Changing the repository that is served. */
export interface RepositorySwitch {
  /** Serves it from now on and owns it. */
  attach(repository: DirectRepository): Promise<void>;
  /** Ends all sessions and jobs, closes the repository. */
  detach(): Promise<void>;
}

export interface ApiOptions {
  /** `undefined`: connected to none. */
  readonly served: () => ServedRepository | undefined;
  readonly tasks: TaskRegistry;
  /** Task that opens the repository at this moment. */
  readonly initTaskId?: (() => string | undefined) | undefined;
  /** Absent: the repository cannot be changed while the server runs. */
  readonly switch?: RepositorySwitch | undefined;
  /** Of the connection. */
  readonly configFile: string;
  readonly env: Environment;
  /** Where preferences of the interface are kept; absent: in memory. */
  readonly uiPreferencesFile?: string | undefined;
  /** Command line that a user can copy, up to the command's name. */
  readonly commandPrefix: string;
  readonly log: ServerLog;
  readonly audit: AuditLog;
  readonly clock: Clock;
}

/** Set by whoever let the caller in, before the endpoints are reached. */
export interface ApiVariables {
  readonly principal: Principal;
  /** Address and port. */
  readonly from: string;
}
