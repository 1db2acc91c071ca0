/**
 * Runs what is due, by the clock's time: one timer for all items, set anew whenever something changes. An item is asked
 * for its time each time, so that a changed policy counts at once, and a clock that jumps is noticed within a minute.
 */
import { type Sleep, systemSleep } from "../../blob/index.ts";
import type { Clock } from "../../bytes/index.ts";
import { errorFromUnknown } from "../../errors/index.ts";
import type { ServerLog } from "../types.ts";

export interface ScheduledItem {
  /** For the log. */
  readonly name: string;
  readonly dueMs: number;
  /** Begins the work and returns; afterwards the item has another time, or is not listed while the work goes on. */
  run(): void;
}

export interface SchedulerOptions {
  readonly clock: Clock;
  readonly sleep?: Sleep | undefined;
  readonly log: ServerLog;
  readonly items: () => readonly ScheduledItem[];
}

/** The system's clock may be set, and timers stop while a machine sleeps. */
const MAX_WAIT_MS = 60_000;
/** An item that stays due although it was run must not make a busy loop. */
const MIN_WAIT_MS = 1000;

export class Scheduler implements AsyncDisposable {
  readonly #options: SchedulerOptions;
  readonly #sleep: Sleep;
  readonly #stop: AbortController = new AbortController();
  #woken: PromiseWithResolvers<void> = Promise.withResolvers();
  #loop: Promise<void> | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#sleep = options.sleep ?? systemSleep;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Looks at all items anew: something changed. */
  wake(): void {
    this.#woken.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the scheduler was stopped"));
    this.wake();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stop.signal.aborted) {
      this.#woken = Promise.withResolvers();
      const ran = this.#runDue();
      const now = clock.nowMs();
      const next = Math.min(...this.#options.items().map(({ dueMs }) => dueMs));
      const least = ran ? MIN_WAIT_MS : 1;
      await this.#wait(Math.min(Math.max(next - now, least), MAX_WAIT_MS));
    }
  }

  #runDue(): boolean {
    const { clock, items, log } = this.#options;
    const now = clock.nowMs();
    const due = items().filter(({ dueMs }) => dueMs <= now);
    for (const item of due) {
      try {
        log.debug({ item: item.name }, "scheduled work begins");
        item.run();
      } catch (error) {
        const { message } = errorFromUnknown(error, item.name);
        log.error({ item: item.name }, `scheduled work failed: ${message}`);
      }
    }
    return due.length > 0;
  }

  async #wait(ms: number): Promise<void> {
    const timer = new AbortController();
    const signal = AbortSignal.any([timer.signal, this.#stop.signal]);
    const slept = this.#sleep(ms, signal).catch(() => undefined);
    await Promise.race([slept, this.#woken.promise]);
    timer.abort();
  }
}
