/**
 * What `snapshot create` tells while it runs: lines for people and a progress line, or with `--json-progress` events
 * as JSON lines on standard error. `docs/progress.md` has their fields.
 */
import type {
  ActionEvent,
  CreatedSnapshot,
  UploadCounters,
  UploadEvent,
} from "../../snapshot/index.ts";
import type { CommandContext } from "../context.ts";
import { openProgress, type Progress } from "../output/progress.ts";
import { formatBytes, formatBytesPerSecond } from "../output/units.ts";
import { Remaining } from "./remaining.ts";

export interface UploadReport extends Disposable {
  readonly onEvent: (event: UploadEvent) => void;
  /** The last state of the progress; other lines may follow. */
  end(): void;
  created(created: CreatedSnapshot): void;
  failed(message: string): void;
}

/** For one source. */
export async function openUploadReport(
  context: CommandContext,
  source: string,
  asJson: boolean,
): Promise<UploadReport> {
  if (asJson) return new JsonReport(context, source);
  return new TextReport(context, source, await openProgress(context));
}

class TextReport implements UploadReport {
  readonly #context: CommandContext;
  readonly #source: string;
  readonly #progress: Progress;
  readonly #remaining: Remaining;

  constructor(context: CommandContext, source: string, progress: Progress) {
    this.#context = context;
    this.#source = source;
    this.#progress = progress;
    this.#remaining = new Remaining(context.clock);
    context.log.info(`Snapshotting ${source} ...`);
  }

  readonly onEvent = (event: UploadEvent): void => {
    const { log } = this.#context;
    if (event.kind === "progress") this.#progress.update(() => this.#line(event.counters));
    else if (event.kind === "estimate") this.#remaining.estimated(event.bytes);
    else if (event.kind === "entry") log.debug(`${event.what}\t${JSON.stringify(event.fields)}`);
    else if (event.kind === "checkpoint")
      log.debug(`checkpoint saved with ID ${event.snapshot.id}`);
    else this.#progress.interrupt(() => tell(this.#context, event));
  };

  end(): void {
    this.#progress.end();
  }

  created({ snapshot, saved, counters }: CreatedSnapshot): void {
    const { log } = this.#context;
    if (!saved) {
      log.info("\n Not saving snapshot because no files have been changed since previous snapshot");
      return;
    }
    const partial = snapshot.incomplete === undefined ? "" : " partial";
    const seconds = (snapshot.endTimeNs - snapshot.startTimeNs) / 1_000_000_000n;
    log.info(
      `Created${partial} snapshot with root ${snapshot.rootEntry?.object ?? "-"} and ID ${snapshot.id} in ${seconds}s`,
    );
    if (counters.ignoredErrors > 0)
      log.warn(`Ignored ${counters.ignoredErrors} error(s) while snapshotting ${this.#source}.`);
  }

  failed(): void {
    // Told at the end, with the failures of the other sources.
  }

  [Symbol.dispose](): void {
    this.#progress[Symbol.dispose]();
  }

  #line(counters: UploadCounters): string {
    const { openFiles, hashedFiles, hashedBytes, openBytes, cachedFiles, cachedBytes } = counters;
    const { newBytes, errors, ignoredErrors } = counters;
    const read = hashedBytes + openBytes;
    const parts = [
      ` * ${openFiles} hashing, ${hashedFiles} hashed (${formatBytes(read)})`,
      `${cachedFiles} cached (${formatBytes(cachedBytes)})`,
      `new ${formatBytes(newBytes)}`,
      formatBytesPerSecond(this.#remaining.rate(read)),
    ];
    if (errors > 0) parts.push(`${errors} fatal errors`);
    if (ignoredErrors > 0) parts.push(`${ignoredErrors} errors ignored`);
    return `${parts.join(", ")}${this.#remaining.text(read + cachedBytes)}`;
  }
}

type Told = Extract<UploadEvent, { readonly kind: "error" | "warning" | "action" }>;

function tell({ log }: CommandContext, event: Told): void {
  if (event.kind === "action") tellAction(log, event);
  else if (event.kind === "warning") log.warn(`"${event.path}": ${event.message}`);
  else if (event.ignored)
    log.warn(`Ignored error when processing "${event.path}": ${event.message}`);
  else log.error(`Error when processing "${event.path}": ${event.message}`);
}

function tellAction(log: CommandContext["log"], event: ActionEvent): void {
  const what = `${event.action} action on ${event.path}`;
  switch (event.state) {
    case "running":
      log.debug(`running ${what}`);
      break;
    case "disabled":
      log.info(`Not executing ${what} because it's been disabled for this client.`);
      break;
    case "failed":
      log.error(`error running ${what}: ${event.message}`);
  }
}

/** SECURITY: as the log, events hold names of files, never their contents. */
class JsonReport implements UploadReport {
  readonly #context: CommandContext;
  readonly #source: string;
  readonly #intervalMs: number;
  #nextMs = 0;
  #last: UploadCounters | undefined;

  constructor(context: CommandContext, source: string) {
    this.#context = context;
    this.#source = source;
    this.#intervalMs = Number(context.globals.progressUpdateInterval / 1_000_000n);
    this.#write("started", {});
  }

  readonly onEvent = (event: UploadEvent): void => {
    const { kind, ...fields } = event;
    if (kind === "progress") this.#counters(event.counters);
    else if (kind === "checkpoint") this.#write("checkpoint", { id: event.snapshot.id });
    else if (kind === "entry")
      this.#context.log.fileOnly("debug", `${event.what}\t${JSON.stringify(event.fields)}`);
    else this.#write(kind, fields);
  };

  end(): void {
    const last = this.#last;
    this.#last = undefined;
    if (last !== undefined) this.#write("progress", { ...last });
  }

  created({ snapshot, saved, counters }: CreatedSnapshot): void {
    const { id, incomplete, rootEntry, startTimeNs, endTimeNs } = snapshot;
    this.#write("finished", {
      saved,
      id: saved ? id : undefined,
      rootObject: rootEntry?.object,
      incomplete,
      durationMs: Number((endTimeNs - startTimeNs) / 1_000_000n),
      errors: counters.errors,
      ignoredErrors: counters.ignoredErrors,
    });
  }

  failed(message: string): void {
    this.#write("failed", { message });
  }

  [Symbol.dispose](): void {
    this.#last = undefined;
  }

  #counters(counters: UploadCounters): void {
    const nowMs = this.#context.clock.nowMs();
    this.#last = copyOf(counters);
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + this.#intervalMs;
    this.end();
  }

  #write(event: string, fields: object): void {
    process.stderr.write(`${JSON.stringify({ event, source: this.#source, ...fields })}\n`);
  }
}

function copyOf(counters: UploadCounters): UploadCounters {
  const { openFiles, openBytes, hashedFiles, hashedBytes, newBytes } = counters;
  const { cachedFiles, cachedBytes, directories, errors, ignoredErrors } = counters;
  const { excludedFiles, excludedDirectories, excludedBytes } = counters;
  return {
    openFiles,
    openBytes,
    hashedFiles,
    hashedBytes,
    newBytes,
    cachedFiles,
    cachedBytes,
    directories,
    excludedFiles,
    excludedDirectories,
    excludedBytes,
    errors,
    ignoredErrors,
  };
}
