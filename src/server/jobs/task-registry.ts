/**
 * Long-running work that can be watched and cancelled: running tasks, the last finished ones, their counters and logs.
 * Bounded: so many finished tasks, so many lines of log each. Spec: kopia-server 9.
 */
import type { Clock } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { oneLineMessage, rfc3339 } from "./texts.ts";
import type {
  StartedTask,
  TaskControl,
  TaskCounters,
  TaskInfo,
  TaskLogEntry,
  TaskLogLevel,
  TaskStatus,
} from "./task-types.ts";

const MAX_FINISHED = 50;
const MAX_LOG_LINES = 1000;
/** A path may be long, a message holds a few of them. */
const MAX_MESSAGE_LENGTH = 4000;
const LEVELS: Readonly<Record<TaskLogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export interface TaskRegistryOptions {
  readonly clock: Clock;
  /** Default 50. */
  readonly maxFinished?: number | undefined;
  /** Of each task; older lines are dropped. Default 1000. */
  readonly maxLogLines?: number | undefined;
}

class Task {
  readonly id: string;
  readonly kind: string;
  readonly description: string;
  readonly startMs: number;
  readonly stop: AbortController = new AbortController();
  readonly logs: TaskLogEntry[] = [];
  readonly settled: PromiseWithResolvers<void> = Promise.withResolvers();
  status: TaskStatus = "RUNNING";
  endMs: number | undefined;
  progressInfo = "";
  error: unknown;
  counters: TaskCounters | null = null;

  constructor(id: string, kind: string, description: string, startMs: number) {
    this.id = id;
    this.kind = kind;
    this.description = description;
    this.startMs = startMs;
  }

  info(): TaskInfo {
    const { id, kind, description, status, progressInfo, counters, startMs, endMs, error } = this;
    return {
      id,
      startTime: rfc3339(startMs),
      ...(endMs === undefined ? {} : { endTime: rfc3339(endMs) }),
      kind,
      description,
      status,
      progressInfo,
      ...(error === undefined ? {} : { errorMessage: oneLineMessage(error) }),
      counters,
    };
  }
}

export class TaskRegistry {
  readonly #clock: Clock;
  readonly #maxFinished: number;
  readonly #maxLogLines: number;
  /** In the order of their start. */
  readonly #tasks: Map<string, Task> = new Map();
  #lastNumber = 0;

  constructor(options: TaskRegistryOptions) {
    this.#clock = options.clock;
    this.#maxFinished = options.maxFinished ?? MAX_FINISHED;
    this.#maxLogLines = options.maxLogLines ?? MAX_LOG_LINES;
  }

  /** Begins the work and does not wait for it. A failure of `done` that nobody looks at is no unhandled rejection. */
  start<T>(
    kind: string,
    description: string,
    work: (control: TaskControl) => Promise<T>,
  ): StartedTask<T> {
    const id = (++this.#lastNumber).toString(16);
    const task = new Task(id, kind, description, this.#clock.nowMs());
    this.#tasks.set(id, task);
    const done = this.#follow(task, work);
    done.catch(() => undefined);
    return { id, done };
  }

  /** Resolves and rejects as the work does. */
  async run<T>(
    kind: string,
    description: string,
    work: (control: TaskControl) => Promise<T>,
  ): Promise<T> {
    return await this.start(kind, description, work).done;
  }

  /** The newest first. */
  list(): readonly TaskInfo[] {
    return [...this.#tasks.values()].toReversed().map((task) => task.info());
  }

  get(id: string): TaskInfo | undefined {
    return this.#tasks.get(id)?.info();
  }

  /** Oldest first; none for a task that is not known. */
  logs(id: string): readonly TaskLogEntry[] | undefined {
    const logs = this.#tasks.get(id)?.logs;
    return logs === undefined ? undefined : [...logs];
  }

  /** How many tasks there are of each status; RUNNING includes those that are being cancelled. */
  summary(): Readonly<Partial<Record<TaskStatus, number>>> {
    const counts: Partial<Record<TaskStatus, number>> = { RUNNING: 0 };
    for (const { status } of this.#tasks.values()) {
      const counted = status === "CANCELING" ? "RUNNING" : status;
      counts[counted] = (counts[counted] ?? 0) + 1;
    }
    return counts;
  }

  /** Nothing happens when it is not known or finished. */
  cancel(id: string): void {
    const task = this.#tasks.get(id);
    if (task?.status !== "RUNNING") return;
    task.status = "CANCELING";
    task.stop.abort(new SejfError("SEJF_CANCELLED", `task ${id} was cancelled`));
  }

  /** The error with which a finished task failed. */
  errorOf(id: string): unknown {
    return this.#tasks.get(id)?.error;
  }

  /** True when it has ended before `timeout` resolved or rejected; false for one that is not known. */
  async finished(id: string, timeout: Promise<void>): Promise<boolean> {
    const task = this.#tasks.get(id);
    if (task === undefined) return false;
    await Promise.race([task.settled.promise, timeout.catch(() => undefined)]);
    return task.endMs !== undefined;
  }

  async #follow<T>(task: Task, work: (control: TaskControl) => Promise<T>): Promise<T> {
    try {
      return await work(this.#control(task));
    } catch (error) {
      task.error = error ?? new Error("unknown error");
      throw error;
    } finally {
      this.#complete(task);
    }
  }

  #control(task: Task): TaskControl {
    return {
      id: task.id,
      signal: task.stop.signal,
      counters: (counters) => {
        if (task.endMs === undefined) task.counters = counters;
      },
      progress: (text) => {
        if (task.endMs === undefined) task.progressInfo = text.slice(0, MAX_MESSAGE_LENGTH);
      },
      log: (level, message, fields) => this.#log(task, level, message, fields),
    };
  }

  #log(
    task: Task,
    level: TaskLogLevel,
    message: string,
    fields: Readonly<Record<string, unknown>> = {},
  ): void {
    if (task.endMs !== undefined) return;
    task.logs.push({
      level: LEVELS[level],
      ts: this.#clock.nowMs() / 1000,
      mod: "sejf/server",
      msg: message.slice(0, MAX_MESSAGE_LENGTH),
      ...fields,
    });
    if (task.logs.length > this.#maxLogLines) task.logs.shift();
  }

  #complete(task: Task): void {
    task.endMs = this.#clock.nowMs();
    task.progressInfo = "";
    if (task.status === "CANCELING") task.status = "CANCELED";
    else task.status = task.error === undefined ? "SUCCESS" : "FAILED";
    task.settled.resolve();
    const finished = [...this.#tasks.values()].filter(({ endMs }) => endMs !== undefined);
    for (const { id } of finished.slice(0, Math.max(0, finished.length - this.#maxFinished)))
      this.#tasks.delete(id);
  }
}
