/**
 * One source that this server reads from its own disk: what it is doing, when it is due, and the one snapshot of it
 * that may be under way. Kopia's states. A request while a snapshot is running makes one more afterwards.
 */
import type { Gate } from "../../blob/index.ts";
import type { Clock, TimestampNs } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import {
  nextSnapshotTime,
  type SchedulingPolicy,
  type SnapshotSource,
} from "../../snapshot/index.ts";
import type { UploadProgress } from "./upload-progress.ts";
import type { SourceState, UploadStatus } from "./types.ts";

const RETRY_MS = 5 * 60_000;
const NS_PER_MS = 1_000_000n;

export interface LocalSourceHost {
  readonly clock: Clock;
  /** So many snapshots at the same time. */
  readonly slots: Gate;
  /** One snapshot from its beginning to the flush; rejects when there is none, or it is not durable. */
  readonly snapshot: (source: SnapshotSource, run: SnapshotRun) => Promise<void>;
  /** A snapshot ended: read what the repository says of this source, and plan anew. */
  readonly ended: (source: SnapshotSource) => Promise<void>;
  /** Times changed. */
  readonly changed: () => void;
}

export interface SnapshotRun {
  readonly signal: AbortSignal;
  /** The task began. */
  readonly began: (taskId: string, progress: UploadProgress) => void;
}

export class LocalSource {
  readonly source: SnapshotSource;
  readonly #host: LocalSourceHost;
  #state: SourceState = "INITIALIZING";
  #paused = false;
  #requested = false;
  #closed = false;
  #scheduling: SchedulingPolicy = {};
  #lastCompleteNs: TimestampNs | undefined;
  #lastAttemptNs: TimestampNs | undefined;
  #nextMs: number | undefined;
  /** A snapshot failed and is tried again then. */
  #retryMs: number | undefined;
  #task: string | undefined;
  #progress: UploadProgress | undefined;
  #stop: AbortController | undefined;
  #working: Promise<void> | undefined;

  constructor(source: SnapshotSource, host: LocalSourceHost) {
    this.source = source;
    this.#host = host;
  }

  get state(): SourceState {
    return this.#state;
  }

  /** When the next snapshot is due; `undefined` while one runs, is asked for or the source is paused. */
  get nextMs(): number | undefined {
    return this.#paused ? undefined : this.#nextMs;
  }

  get scheduling(): SchedulingPolicy {
    return this.#scheduling;
  }

  get task(): string | undefined {
    return this.#task;
  }

  get upload(): UploadStatus | undefined {
    return this.#state === "UPLOADING" ? this.#progress?.status() : undefined;
  }

  /** What the repository says now. */
  update(scheduling: SchedulingPolicy, lastCompleteNs: TimestampNs | undefined): void {
    this.#scheduling = scheduling;
    this.#lastCompleteNs = lastCompleteNs;
    if (this.#state === "INITIALIZING" || this.#state === "FAILED") this.#settle();
    if (this.#working === undefined) this.#plan();
  }

  /** What the repository says cannot be read. */
  failed(): void {
    if (this.#working === undefined) this.#state = "FAILED";
  }

  trigger(): void {
    if (this.#closed) return;
    this.#nextMs = undefined;
    this.#retryMs = undefined;
    this.#requested = true;
    this.#working ??= this.#work();
  }

  /** The snapshot under way is saved as incomplete; one that waits is not begun. */
  cancel(): void {
    this.#requested = false;
    this.#stop?.abort(new SejfError("SEJF_CANCELLED", "the snapshot was cancelled"));
  }

  pause(): void {
    this.#paused = true;
    this.cancel();
    if (this.#working === undefined) this.#settle();
    this.#host.changed();
  }

  resume(): void {
    this.#paused = false;
    if (this.#working === undefined) {
      this.#settle();
      this.#plan();
    }
    this.#host.changed();
  }

  /** Cancels and waits; the source does nothing any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.cancel();
    await this.#working;
    this.#state = "STOPPED";
  }

  async #work(): Promise<void> {
    while (this.#requested && !this.#closed) {
      this.#requested = false;
      if (this.#paused) break;
      await this.#snapshot();
    }
    this.#working = undefined;
    this.#settle();
    this.#host.changed();
  }

  async #snapshot(): Promise<void> {
    const { clock, slots, snapshot, ended } = this.#host;
    const stop = new AbortController();
    this.#stop = stop;
    this.#state = "PENDING";
    let failed = false;
    try {
      await slots.acquire(stop.signal);
      try {
        this.#lastAttemptNs = nowNs(clock);
        await snapshot(this.source, { signal: stop.signal, began: this.#began });
      } finally {
        slots.release();
      }
    } catch {
      // It is in the task, the log and the audit log.
      failed = !stop.signal.aborted;
    }
    this.#stop = undefined;
    this.#task = undefined;
    this.#progress = undefined;
    this.#state = "IDLE";
    await ended(this.source);
    this.#retryMs = failed ? clock.nowMs() + RETRY_MS : undefined;
    this.#plan();
  }

  readonly #began = (taskId: string, progress: UploadProgress): void => {
    this.#task = taskId;
    this.#progress = progress;
    this.#state = "UPLOADING";
  };

  #settle(): void {
    if (this.#closed) return;
    this.#state = this.#paused ? "PAUSED" : "IDLE";
  }

  /** A failed one is tried again soon, unless it is not scheduled at all. */
  #plan(): void {
    if (this.#requested) return;
    const previous = later(this.#lastCompleteNs, this.#lastAttemptNs);
    const now = nowNs(this.#host.clock);
    // Not the same time of day twice, should a snapshot take no time at all.
    const from = this.#lastAttemptNs === now ? now + NS_PER_MS : now;
    const next = nextSnapshotTime(this.#scheduling, previous, from);
    const nextMs = next === undefined ? undefined : Number(next / NS_PER_MS);
    this.#nextMs = nextMs === undefined ? undefined : (this.#retryMs ?? nextMs);
  }
}

function nowNs(clock: Clock): TimestampNs {
  return BigInt(Math.round(clock.nowMs() * 1000)) * 1000n;
}

function later(a: TimestampNs | undefined, b: TimestampNs | undefined): TimestampNs | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a > b ? a : b;
}
