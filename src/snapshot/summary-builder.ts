/** Totals of a directory while its entries come in, with Kopia's peculiarities. Spec: kopia-snapshots 3.2. */
import type { TimestampNs } from "../bytes/index.ts";
import { compareNames } from "./names.ts";
import type { DirectorySummary, DirEntry, FailedEntry } from "./types.ts";

/** Kopia cuts its own list after the summary was copied, so that all are written; this bounds a directory all the same. */
const MAX_ERRORS = 10_000;

export class SummaryBuilder {
  #sizeBytes = 0;
  #files = 0;
  #symlinks = 0;
  #directories = 0;
  #failed = 0;
  #ignoredErrors = 0;
  #errors: FailedEntry[] = [];
  /** Begins at the epoch: entries from before 1970 do not count. */
  #maxTimeNs: TimestampNs = 0n;
  #entries = 0;

  add(entry: DirEntry): void {
    this.#entries++;
    this.#seeTime(entry.mtimeNs);
    if (entry.type === "f") {
      this.#files++;
      this.#sizeBytes += entry.sizeBytes;
    } else if (entry.type === "s") {
      this.#symlinks++;
    } else if (entry.type === "d" && entry.summary !== undefined) {
      this.#addBelow(entry.summary);
    }
  }

  /** `path` is below the snapshot's root. */
  addFailure(path: string, error: string, ignored: boolean): void {
    if (ignored) this.#ignoredErrors++;
    else this.#failed++;
    this.#errors.push({ path, error });
  }

  clone(): SummaryBuilder {
    const copy = new SummaryBuilder();
    copy.#addBelow(this.build(0n));
    copy.#directories--;
    copy.#entries = this.#entries;
    copy.#maxTimeNs = this.#maxTimeNs;
    return copy;
  }

  /** `ownMtimeNs` counts where there is no entry. */
  build(ownMtimeNs: TimestampNs, incomplete?: string): DirectorySummary {
    const errors = this.#errors
      .toSorted((a, b) => compareNames(a.path, b.path))
      .slice(0, MAX_ERRORS);
    const summary = {
      sizeBytes: this.#sizeBytes,
      files: this.#files,
      symlinks: this.#symlinks,
      directories: this.#directories + 1,
      maxTimeNs: this.#entries === 0 ? ownMtimeNs : this.#maxTimeNs,
      failed: this.#failed,
      ignoredErrors: this.#ignoredErrors,
      errors,
    };
    return incomplete === undefined ? summary : { ...summary, incomplete };
  }

  #addBelow(below: DirectorySummary): void {
    this.#sizeBytes += below.sizeBytes;
    this.#files += below.files;
    this.#symlinks += below.symlinks;
    this.#directories += below.directories;
    this.#failed += below.failed;
    this.#ignoredErrors += below.ignoredErrors;
    this.#errors.push(...below.errors);
    this.#seeTime(below.maxTimeNs);
  }

  #seeTime(timeNs: TimestampNs): void {
    if (timeNs > this.#maxTimeNs) this.#maxTimeNs = timeNs;
  }
}

/** The summary of a directory with these entries, as `SummaryBuilder` makes it. */
export function summaryOf(entries: readonly DirEntry[], ownMtimeNs: TimestampNs): DirectorySummary {
  const builder = new SummaryBuilder();
  for (const entry of entries) builder.add(entry);
  return builder.build(ownMtimeNs);
}

/** The root of a snapshot always has a summary, also where it is a file. */
export function asRoot(entry: DirEntry): DirEntry {
  if (entry.type === "d" || entry.summary !== undefined) return entry;
  const { sizeBytes, mtimeNs } = entry;
  const counts = { symlinks: 0, directories: 0, failed: 0, ignoredErrors: 0, errors: [] };
  return { ...entry, summary: { sizeBytes, files: 1, maxTimeNs: mtimeNs, ...counts } };
}
