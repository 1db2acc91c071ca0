/**
 * The jobs of a server on one repository: refresh, retention of accounts, maintenance, snapshots of its own sources.
 * One scheduler; each kind of work at most once at a time. A failure is logged and does not end the others.
 */
import type { CallOptions } from "../../bytes/index.ts";
import { errorFromUnknown } from "../../errors/index.ts";
import { type ScheduledItem, Scheduler } from "./scheduler.ts";
import { Sources } from "./source-manager.ts";
import type { JobsOptions, ServerJobs } from "./types.ts";

const REFRESH_INTERVAL_MS = 4 * 3_600_000;
const RETENTION_INTERVAL_MS = 3_600_000;
const MIN_MAINTENANCE_INTERVAL_MS = 60_000;
/** Maintenance that another one owns: the owner may change. */
const NOT_OURS_INTERVAL_MS = 15 * 60_000;

/** Reads the sources, then begins. @throws the repository's errors when they cannot be read. */
export async function openJobs(options: JobsOptions): Promise<ServerJobs> {
  const jobs = new Jobs(options);
  try {
    await jobs.start();
    return jobs;
  } catch (error) {
    await jobs[Symbol.asyncDispose]();
    throw error;
  }
}

class Jobs implements ServerJobs {
  readonly sources: Sources;
  readonly #options: JobsOptions;
  readonly #scheduler: Scheduler;
  readonly #stop: AbortController = new AbortController();
  /** By name: what is under way. */
  readonly #running: Map<string, Promise<void>> = new Map();
  #nextRefreshMs: number;
  #nextRetentionMs: number;
  #nextMaintenanceMs = 0;
  #refreshing: Promise<void> | undefined;

  constructor(options: JobsOptions) {
    const { repository, sleep, log } = options;
    const { clock } = repository;
    this.#options = options;
    this.sources = new Sources(options, () => this.#scheduler.wake());
    this.#scheduler = new Scheduler({ clock, sleep, log, items: () => this.#items() });
    this.#nextRefreshMs = clock.nowMs() + this.#refreshIntervalMs;
    this.#nextRetentionMs = clock.nowMs() + this.#retentionIntervalMs;
  }

  async start(): Promise<void> {
    await this.sources.refresh();
    this.#scheduler.start();
  }

  async refresh(options?: CallOptions): Promise<void> {
    options?.signal?.throwIfAborted();
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  async flush(options?: CallOptions): Promise<void> {
    const { flush, repository } = this.#options;
    await (flush === undefined ? repository.flush(options) : flush(options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the server's jobs were stopped"));
    await this.#scheduler[Symbol.asyncDispose]();
    await this.sources[Symbol.asyncDispose]();
    await Promise.all(this.#running.values());
    await this.#refreshing?.catch(() => undefined);
  }

  get #refreshIntervalMs(): number {
    return this.#options.refreshIntervalMs ?? REFRESH_INTERVAL_MS;
  }

  get #retentionIntervalMs(): number {
    return this.#options.retentionIntervalMs ?? RETENTION_INTERVAL_MS;
  }

  #items(): readonly ScheduledItem[] {
    const { retention, maintenance } = this.#options;
    const items: ScheduledItem[] = [];
    const add = (name: string, dueMs: number, work: () => Promise<void>): void => {
      if (!this.#running.has(name)) items.push({ name, dueMs, run: () => this.#begin(name, work) });
    };
    add("refresh", this.#nextRefreshMs, () => this.refresh());
    if (retention !== undefined)
      add("retention", this.#nextRetentionMs, () => this.#retain(retention));
    if (maintenance !== undefined)
      add("maintenance", this.#nextMaintenanceMs, () => this.#maintain(maintenance));
    return [...items, ...this.sources.scheduled()];
  }

  #begin(name: string, work: () => Promise<void>): void {
    const running = work()
      .catch((error: unknown) => {
        if (this.#stop.signal.aborted) return;
        const { message, code } = errorFromUnknown(error, name);
        this.#options.log.error({ job: name, code }, `${name} failed: ${message}`);
      })
      .finally(() => {
        this.#running.delete(name);
        this.#scheduler.wake();
      });
    this.#running.set(name, running);
  }

  /** The times are set first: one that fails is tried again with the next turn. */
  async #refresh(): Promise<void> {
    const { repository, onRefresh } = this.#options;
    const { signal } = this.#stop;
    this.#nextRefreshMs = repository.clock.nowMs() + this.#refreshIntervalMs;
    await repository.refresh({ signal });
    await onRefresh?.({ signal });
    await this.sources.refresh({ signal });
    this.#nextMaintenanceMs = Math.min(this.#nextMaintenanceMs, repository.clock.nowMs());
  }

  async #retain(retention: NonNullable<JobsOptions["retention"]>): Promise<void> {
    const { repository, log } = this.#options;
    this.#nextRetentionMs = repository.clock.nowMs() + this.#retentionIntervalMs;
    const expired = await retention({ signal: this.#stop.signal });
    if (expired > 0) log.info({ expired }, "snapshots of accounts expired");
  }

  async #maintain(maintenance: NonNullable<JobsOptions["maintenance"]>): Promise<void> {
    const { repository, tasks, log, minMaintenanceIntervalMs } = this.#options;
    const { clock } = repository;
    const { signal } = this.#stop;
    const least = minMaintenanceIntervalMs ?? MIN_MAINTENANCE_INTERVAL_MS;
    this.#nextMaintenanceMs = clock.nowMs() + least;
    const next = await maintenance.nextMs({ signal });
    if (next === undefined || next > clock.nowMs()) {
      this.#nextMaintenanceMs = next ?? clock.nowMs() + NOT_OURS_INTERVAL_MS;
      return;
    }
    const done = await tasks.run("Maintenance", "Periodic maintenance", async (control) => {
      const line = await maintenance.run({
        now: clock.nowMs(),
        signal: AbortSignal.any([control.signal, signal]),
      });
      if (line !== undefined) control.log("info", line);
      return line;
    });
    if (done !== undefined) log.info({}, done);
    const after = await maintenance.nextMs({ signal });
    this.#nextMaintenanceMs = after ?? clock.nowMs() + NOT_OURS_INTERVAL_MS;
  }
}
