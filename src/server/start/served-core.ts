/**
 * Everything that belongs to one open repository: accounts, rights, holding, retention, sessions, jobs. It is made when a
 * repository is attached and taken down in the opposite order, after the sessions had their time to flush.
 */
import type { ThrottledStorage } from "../../blob/index.ts";
import type { CallOptions } from "../../bytes/index.ts";
import { assert } from "../../errors/index.ts";
import { loadNatives } from "../../node/index.ts";
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
import { type AccountRetention, createAccountRetention } from "../retention/index.ts";
import { SealedRoom } from "../sealed/index.ts";
import {
  createNotifications,
  createSessionMethod,
  createSessionRegistry,
  createSharedFlush,
  type Notifications,
  type Sessions,
  type ManifestRules,
} from "../sessions/index.ts";
import { Trash } from "../trash/index.ts";
import type { AccessRules, AuditLog, LoginGate, ServerLog, SharedFlush } from "../types.ts";
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
  /** Who uses the web interface, which reads and deletes everything, in words; `undefined`: nobody. */
  readonly webUsers: string | undefined;
}

const QUIET = (): void => {};
const DAY_MS = 86_400_000;

/** What has no life of its own: it works when it is asked. */
interface Rooms {
  /** Sees what others have published, and forgets what was read before. */
  readonly refresh: (options?: CallOptions) => Promise<void>;
  readonly accounts: AccountBook;
  readonly rules: AccessRules;
  readonly manifestRules: ManifestRules;
  readonly trash: Trash;
  readonly holdings: Holdings;
  readonly retention: AccountRetention;
  readonly sessions: Sessions;
  readonly flush: SharedFlush;
  readonly sealed: SealedRoom;
}

export class ServedCore implements ServedRepository {
  readonly repository: DirectRepository;
  readonly jobs: ServerJobs;
  readonly webUsers: string | undefined;
  /** Serves the sessions; absent when nobody could log in. */
  readonly sessionMethod: GrpcMethod | undefined;
  readonly #rooms: Rooms;

  private constructor(options: CoreOptions, rooms: Rooms, jobs: ServerJobs) {
    this.repository = options.repository;
    this.jobs = jobs;
    this.webUsers = options.webUsers;
    this.sessionMethod = sessionMethodOf(options, rooms);
    this.#rooms = rooms;
  }

  /** Owns the repository from now on. */
  static async open(options: CoreOptions): Promise<ServedCore> {
    const rooms = roomsOf(options);
    const core = new ServedCore(options, rooms, await openCoreJobs(options, rooms));
    // The first client need not wait for a thread, nor for what both threads load.
    if (core.sessionMethod !== undefined) {
      options.repository.contents.warmUp();
      setImmediate(loadNatives).unref();
    }
    return core;
  }

  get accounts(): AccountBook {
    return this.#rooms.accounts;
  }

  get holdings(): Holdings {
    return this.#rooms.holdings;
  }

  get sessions(): Sessions {
    return this.#rooms.sessions;
  }

  get sealed(): SealedRoom {
    return this.#rooms.sealed;
  }

  get trash(): Trash {
    return this.#rooms.trash;
  }

  get throttle(): ThrottledStorage | undefined {
    return this.repository.connection.throttle;
  }

  async flush(): Promise<void> {
    await this.#rooms.flush.flush();
  }

  /** Sessions get their time to flush; what they acknowledged is durable afterwards. */
  async close(graceMs: number): Promise<void> {
    try {
      await this.sessions.closeAll(graceMs);
      await this.jobs[Symbol.asyncDispose]();
      if (!this.repository.readOnly) await this.#rooms.flush.flush();
    } finally {
      await this.repository[Symbol.asyncDispose]();
    }
  }
}

function roomsOf(options: CoreOptions): Rooms {
  const { repository, contentAccess, clock, random, audit, log } = options;
  const { manifests, contents } = repository;
  const accounts = openAccounts({ manifests, clock, random });
  const flush = createSharedFlush(repository);
  const rules = openAccessRules({ manifests, clock });
  const holdings = openHoldings({
    repository,
    mode: contentAccess,
    clock,
    log,
    peersOf: async (account, call) => await sealed.peersOf(account, call),
  });
  const refresh = async (call?: CallOptions): Promise<void> => {
    await repository.refresh(call);
    accounts.refresh();
    rules.refresh();
    holdings.refresh();
  };
  const { appendOnlyMinimumAgeMs, appendOnlyMaxSnapshots: maxAppendOnlySnapshots } = options.jobs;
  const manifestRules = createManifestRules({ manifests, clock, maxAppendOnlySnapshots });
  const onSnapshots = (): void => holdings.refresh();
  const windowMs = options.jobs.trashWindowMs;
  const trash = new Trash({ manifests, flush, clock, audit, windowMs, onChange: onSnapshots });
  const sealed: SealedRoom = new SealedRoom({
    repository,
    accounts,
    flush,
    accessRules: rules,
    manifestRules,
    trash,
    clock,
    random,
    audit,
    log,
    refresh,
    onSnapshots,
  });
  return {
    accounts,
    flush,
    rules,
    manifestRules,
    trash,
    refresh,
    sealed,
    holdings,
    sessions: createSessionRegistry(),
    retention: createAccountRetention({
      repository: {
        manifests: trash.manifests,
        contents,
        flush: async () => await flush.flush(),
      },
      findAccount: async (name, options) => await accounts.find(name, options),
      // Devices of sealed accounts may not delete: their retention is the server's too.
      mayDelete: async (account, labels, options) =>
        account.encryption === "server" &&
        (await rules.rightsOf(account, options)).manifest(labels) === "FULL",
      minimumAgeDays:
        appendOnlyMinimumAgeMs === undefined ? undefined : appendOnlyMinimumAgeMs / DAY_MS,
      clock,
      audit,
      log,
    }),
  };
}

async function openCoreJobs(options: CoreOptions, rooms: Rooms): Promise<ServerJobs> {
  const { repository, jobs, log, htpasswd } = options;
  const { accounts, rules, holdings, flush, sealed } = rooms;
  const { readOnly } = repository;
  return await openJobs({
    repository,
    tasks: options.tasks,
    log: jobs.logScheduler ? log : { ...log, debug: QUIET },
    audit: options.audit,
    refreshIntervalMs: jobs.refreshIntervalMs,
    minMaintenanceIntervalMs: jobs.minMaintenanceIntervalMs,
    isAccount: async (name, call) =>
      htpasswd?.hashOf(name) !== undefined || (await accounts.find(name, call)) !== undefined,
    enabledSources: jobs.sources,
    onRefresh: async () => {
      accounts.refresh();
      rules.refresh();
      holdings.refresh();
      sealed.refresh();
      await htpasswd?.refresh(log);
    },
    flush: async () => await flush.flush(),
    retention: readOnly ? undefined : async (call) => await retainAndEmpty(rooms, call),
    maintenance: readOnly
      ? undefined
      : ownMaintenance({ repository, log, exclusively: exclusively(flush) }),
    onSnapshot: options.onSnapshot,
  });
}

/** The trash goes by the clock as retention does, and not while that one is in doubt. */
async function retainAndEmpty({ retention, trash }: Rooms, call: CallOptions): Promise<number> {
  const { expired, refused } = await retention.run(call);
  if (refused === undefined) await trash.empty(call);
  return expired.length;
}

function sessionMethodOf(options: CoreOptions, rooms: Rooms): GrpcMethod | undefined {
  const { repository, loginGate, clock, audit, log, maxConcurrency } = options;
  if (loginGate === undefined) return undefined;
  const { manifests } = repository;
  return createSessionMethod({
    repository,
    loginGate,
    accessRules: rooms.rules,
    manifestRules: rooms.manifestRules,
    trash: rooms.trash,
    holdings: rooms.holdings,
    admission: rooms.sealed.admission,
    retention: rooms.retention,
    notifications: options.notifications(createNotifications({ manifests, log })),
    registry: rooms.sessions,
    flush: rooms.flush,
    audit,
    log,
    clock,
    maxConcurrency: maxConcurrency > 0 ? maxConcurrency : undefined,
    refresh: rooms.refresh,
  });
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
