/** Tasks as the web interface sees them: Kopia's names and JSON. Spec: kopia-server 9. */

export type TaskStatus = "RUNNING" | "CANCELING" | "CANCELED" | "SUCCESS" | "FAILED";

export interface TaskCounter {
  readonly value: number;
  /** `bytes`; absent: a plain number. */
  readonly units?: string | undefined;
  readonly level: "" | "notice" | "warning" | "error";
}

export type TaskCounters = Readonly<Record<string, TaskCounter>>;

/** A task at one moment, as its JSON has it. Times are RFC 3339. */
export interface TaskInfo {
  readonly id: string;
  readonly startTime: string;
  readonly endTime?: string | undefined;
  /** `Snapshot`, `Restore`, `Estimate`, `Maintenance`, `Repository`. */
  readonly kind: string;
  readonly description: string;
  readonly status: TaskStatus;
  readonly progressInfo: string;
  readonly errorMessage?: string | undefined;
  /** `null` before the first were told. */
  readonly counters: TaskCounters | null;
}

export type TaskLogLevel = "debug" | "info" | "warn" | "error";

/** A line of a task's log, as its JSON has it. */
export interface TaskLogEntry {
  /** 0 debug, 1 info, 2 warning, 3 error. */
  readonly level: number;
  /** Seconds since the epoch. */
  readonly ts: number;
  readonly mod: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** What a running task is given. */
export interface TaskControl {
  readonly id: string;
  /** Aborted when somebody cancels the task; its reason is SEJF_CANCELLED. */
  readonly signal: AbortSignal;
  counters(counters: TaskCounters): void;
  progress(text: string): void;
  log(level: TaskLogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface StartedTask<T> {
  readonly id: string;
  /** Settles with the work, after the task is listed as finished. */
  readonly done: Promise<T>;
}
