/**
 * Everything that belongs to one open repository: accounts, rights, holding, retention, sessions, jobs. It is made when a
 * repository is attached and taken down in the opposite order, after the sessions had their time to flush.
 */
import type { ThrottledStorage } from "../../blob/index.ts";
import type { CallOptions } from "../../bytes/index.ts";
import { assert } from "../../errors/index.ts";
import type { DirectRepository } from "../../repository/index.ts";
import type { GrpcMethod } from "../../rpc/index.ts";
import { type AccountBook, type HtpasswdFile, openAccounts } from "../accounts/index.ts";
import type { ServedRepository } from "../api/index.ts";
import { createManifestRules, openAccessRules } from "../authorize/index.ts";
import { type Holdings, openHoldings } from "../holding/index.ts";
import {
  openJobs,
  ownMaintenance,
  type ServerJobs,
  type SnapshotReport,
  type TaskRegistry,
} from "../jobs/index.ts";
import { createAccountRetention } from "./pending-retention.ts";
import {
  createNotifications,
  createSessionMethod,
  createSessionRegistry,
  createSharedFlush,
  type Notifications,
  type Sessions,
  type SharedFlush,
} from "../sessions/index.ts";
import type { AccessRules, AuditLog, LoginGate, ServerLog } from "../types.ts";
import type { JobSettings, StartServerOptions } from "./types.ts";

export interface CoreOptions
  extends Pick<StartServerOptions, "contentAccess" | "maxConcurrency" | "clock" | "random"> {
  readonly repository: DirectRepository;
  readonly jobs: JobSettings;
  readonly loginGate: LoginGate | undefined;
  readonly htpasswd: HtpasswdFile | undefined;
  readonly tasks: TaskRegistry;
  readonly audit: AuditLog;
  readonly log: ServerLog;
  /** Wraps what takes notifications. */
  readonly notifications: (inner: Notifications) => Notifications;
  readonly onSnapshot: (report: SnapshotReport) => void;
}

const QUIET = (): void => {};

export class ServedCore implements ServedRepository {
  readonly repository: DirectRepository;
  readonly accounts: AccountBook;
  readonly rules: AccessRules;
  readonly holdings: Holdings;
  readonly sessions: Sessions;
  readonly jobs: ServerJobs;
  readonly throttle: ThrottledStorage | undefined;
  /** Serves the sessions; absent when nobody could log in. */
  readonly sessionMethod: GrpcMethod | undefined;
  readonly #flush: SharedFlush;

  private constructor(parts: {
    readonly repository: DirectRepository;
    readonly accounts: AccountBook;
    readonly rules: AccessRules;
    readonly holdings: Holdings;
    readonly sessions: Sessions;
    readonly jobs: ServerJobs;
    readonly flush: SharedFlush;
    readonly sessionMethod: GrpcMethod | undefined;
  }) {
    this.repository = parts.repository;
    this.accounts = parts.accounts;
    this.rules = parts.rules;
    this.holdings = parts.holdings;
    this.sessions = parts.sessions;
    this.jobs = parts.jobs;
    this.sessionMethod = parts.sessionMethod;
    this.#flush = parts.flush;
    this.throttle = parts.repository.connection.throttle;
  }

  /** Owns the repository from now on. */
  static async open(options: CoreOptions): Promise<ServedCore> {
    const { repository, clock, random, audit, log, loginGate, htpasswd } = options;
    const { manifests } = repository;
    const accounts = openAccounts({ manifests, clock, random });
    const rules = openAccessRules({ manifests, clock });
    const holdings = openHoldings({ repository, mode: options.contentAccess, clock, log });
    const findAccount = async (name: string, call?: CallOptions) => await accounts.find(name, call);
    const retention = createAccountRetention({ repository, findAccount, clock, audit, log });
    const flush = createSharedFlush(repository);
    const sessions = createSessionRegistry();
    const forget = async (): Promise<void> => {
      accounts.refresh();
      rules.refresh();
      holdings.refresh();
      await htpasswd?.refresh(log);
    };
    const jobs = await openJobs({
      repository,
      tasks: options.tasks,
      log: options.jobs.logScheduler ? log : { ...log, debug: QUIET },
      audit,
      refreshIntervalMs: options.jobs.refreshIntervalMs,
      minMaintenanceIntervalMs: options.jobs.minMaintenanceIntervalMs,
      isAccount: async (name, call) =>
        htpasswd?.hashOf(name) !== undefined || (await accounts.find(name, call)) !== undefined,
      enabledSources: options.jobs.sources,
      onRefresh: forget,
      flush: async () => await flush.flush(),
      retention: async (call) => (await retention.run(call)).expired.length,
      maintenance: repository.readOnly
        ? undefined
        : ownMaintenance({ repository, log, exclusively: exclusively(flush) }),
      onSnapshot: options.onSnapshot,
    });
    const sessionMethod =
      loginGate === undefined
        ? undefined
        : createSessionMethod({
            repository,
            loginGate,
            accessRules: rules,
            manifestRules: createManifestRules({ manifests, clock }),
            holdings,
            retention,
            notifications: options.notifications(createNotifications({ manifests, log })),
            registry: sessions,
            flush,
            audit,
            log,
            clock,
            maxConcurrency: options.maxConcurrency > 0 ? options.maxConcurrency : undefined,
          });
    return new ServedCore({
      repository,
      accounts,
      rules,
      holdings,
      sessions,
      jobs,
      flush,
      sessionMethod,
    });
  }

  async flush(): Promise<void> {
    await this.#flush.flush();
  }

  /** Sessions get their time to flush; what they acknowledged is durable afterwards. */
  async close(graceMs: number): Promise<void> {
    try {
      await this.sessions.closeAll(graceMs);
      await this.jobs[Symbol.asyncDispose]();
      if (!this.repository.readOnly) await this.#flush.flush();
    } finally {
      await this.repository[Symbol.asyncDispose]();
    }
  }
}

/** Work in the place of a round of flushing: nobody else flushes meanwhile. */
function exclusively(flush: SharedFlush): <T>(work: () => Promise<T>) => Promise<T> {
  return async (work) => {
    let result: { readonly value: Awaited<ReturnType<typeof work>> } | undefined;
    await flush.flush(async () => {
      result = { value: await work() };
    });
    assert(result !== undefined, "a flush runs its stage");
    return result.value;
  };
}
