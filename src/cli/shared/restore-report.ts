/**
 * What `restore` tells while it runs: lines for people and a progress line, or with `--json-progress` events as JSON
 * lines on standard error, of the same form as those of `snapshot create`.
 */
import type {
  DirEntry,
  RestoreCounters,
  RestoreEvent,
  RestoreSummary,
} from "../../snapshot/index.ts";
import type { CommandContext } from "../context.ts";
import { openProgress, type Progress } from "../output/progress.ts";
import { formatBytes, formatBytesPerSecond } from "../output/units.ts";
import { Remaining } from "./remaining.ts";

export interface RestoreReport extends Disposable {
  readonly onEvent: (event: RestoreEvent) => void;
  finished(summary: RestoreSummary): void;
}

/** For one target. */
export async function openRestoreReport(
  context: CommandContext,
  target: string,
  entry: DirEntry,
  asJson: boolean,
): Promise<RestoreReport> {
  return asJson
    ? new JsonReport(context, target, entry)
    : new TextReport(context, entry, await openProgress(context));
}

/** Entries and bytes that there are, where that is known. */
function totalsOf({
  type,
  sizeBytes,
  summary,
}: DirEntry): { readonly entries: number; readonly bytes: number } | undefined {
  if (summary === undefined) return type === "d" ? undefined : { entries: 1, bytes: sizeBytes };
  const { files, directories, symlinks } = summary;
  return { entries: files + directories + symlinks, bytes: summary.sizeBytes };
}

class TextReport implements RestoreReport {
  readonly #context: CommandContext;
  readonly #progress: Progress;
  readonly #totals: ReturnType<typeof totalsOf>;
  readonly #remaining: Remaining;

  constructor(context: CommandContext, entry: DirEntry, progress: Progress) {
    this.#context = context;
    this.#progress = progress;
    this.#totals = totalsOf(entry);
    this.#remaining = new Remaining(context.clock);
    if (this.#totals !== undefined) this.#remaining.estimated(this.#totals.bytes);
  }

  readonly onEvent = (event: RestoreEvent): void => {
    const { log } = this.#context;
    if (event.kind === "progress") this.#progress.update(() => this.#line(event.counters));
    else
      this.#progress.interrupt(() =>
        log.error(`Ignored error when restoring "${event.path}": ${event.message}`),
      );
  };

  finished(summary: RestoreSummary): void {
    this.#progress.end();
    this.#context.log.info(summaryLine(summary));
  }

  [Symbol.dispose](): void {
    this.#progress[Symbol.dispose]();
  }

  #line(counters: RestoreCounters): string {
    const { files, directories, symlinks, bytes, skipped, skippedBytes, errors } = counters;
    const done = bytes + skippedBytes;
    const total = this.#totals;
    const whole = total === undefined ? "" : ` of ${total.entries} (${formatBytes(total.bytes)})`;
    const parts = [
      ` Processed ${files + directories + symlinks + skipped} (${formatBytes(done)})${whole}`,
    ];
    if (skipped > 0) parts.push(`skipped ${skipped} (${formatBytes(skippedBytes)})`);
    if (errors > 0) parts.push(`ignored ${errors} errors`);
    parts.push(formatBytesPerSecond(this.#remaining.rate(bytes)));
    return parts.join(", ") + this.#remaining.text(done);
  }
}

function summaryLine(summary: RestoreSummary): string {
  const { files, directories, symlinks, bytes, skipped, skippedBytes, errors } = summary;
  const { deletedFiles, deletedDirectories, deletedSymlinks } = summary;
  const maybe = (count: number, text: string): string => (count === 0 ? "" : `, ${text}`);
  return [
    `Restored ${files} files, ${directories} directories and ${symlinks} symbolic links (${formatBytes(bytes)})`,
    maybe(skipped, `skipped ${skipped} (${formatBytes(skippedBytes)})`),
    maybe(deletedDirectories, `deleted directories ${deletedDirectories}`),
    maybe(deletedFiles, `deleted files ${deletedFiles}`),
    maybe(deletedSymlinks, `deleted symbolic links ${deletedSymlinks}`),
    maybe(errors, `ignored ${errors} errors`),
    ".",
  ].join("");
}

/** SECURITY: as the log, events hold names of files, never their contents. */
class JsonReport implements RestoreReport {
  readonly #context: CommandContext;
  readonly #target: string;
  readonly #intervalMs: number;
  #nextMs = 0;

  constructor(context: CommandContext, target: string, entry: DirEntry) {
    this.#context = context;
    this.#target = target;
    this.#intervalMs = Number(context.globals.progressUpdateInterval / 1_000_000n);
    this.#write("started", { object: entry.object });
    const totals = totalsOf(entry);
    if (totals !== undefined) this.#write("estimate", totals);
  }

  readonly onEvent = (event: RestoreEvent): void => {
    if (event.kind === "error") {
      this.#write("error", { path: event.path, message: event.message, ignored: true });
      return;
    }
    const nowMs = this.#context.clock.nowMs();
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + this.#intervalMs;
    this.#write("progress", event.counters);
  };

  finished(summary: RestoreSummary): void {
    this.#write("progress", { ...summary, errorsList: undefined });
    this.#write("finished", { errors: summary.errors });
  }

  [Symbol.dispose](): void {
    // Nothing is held.
  }

  #write(event: string, fields: object): void {
    process.stderr.write(`${JSON.stringify({ event, target: this.#target, ...fields })}\n`);
  }
}
