/** What an upload has done so far, for progress, for limits and for the `stats` of the manifest. */
import type { UploadCounters, UploadEvent } from "./create-types.ts";
import type { SnapshotStats } from "./types.ts";

type Listener = ((event: UploadEvent) => void) | undefined;

/** Progress is told at most once for so many unchanged files and directories. */
const QUIET_STEPS = 1000;

export class UploadTally implements UploadCounters {
  hashedFiles = 0;
  hashedBytes = 0;
  newBytes = 0;
  cachedFiles = 0;
  cachedBytes = 0;
  directories = 0;
  excludedFiles = 0;
  excludedDirectories = 0;
  excludedBytes = 0;
  errors = 0;
  ignoredErrors = 0;
  /** Files, and streams, that were to be read. */
  attemptedFiles = 0;
  /** Files under way, and what was stored of big ones among them. */
  openFiles = 0;
  openBytes = 0;
  readonly #listener: Listener;
  #quiet = 0;
  readonly #openBytes = new Map<number, number>();

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  progress(): void {
    this.#quiet = 0;
    this.#listener?.({ kind: "progress", counters: this });
  }

  /** A small step: progress is told now and then. */
  step(): void {
    if (++this.#quiet >= QUIET_STEPS) this.progress();
  }

  /** Something of a big file was stored; it is told at once. */
  readPartly(job: number, bytes: number): void {
    this.#openBytes.set(job, (this.#openBytes.get(job) ?? 0) + bytes);
    this.openBytes += bytes;
    this.progress();
  }

  /** The file's own result has come. */
  readWholly(job: number): void {
    const bytes = this.#openBytes.get(job);
    if (bytes === undefined) return;
    this.#openBytes.delete(job);
    this.openBytes -= bytes;
  }

  tell(event: UploadEvent): void {
    this.#listener?.(event);
  }

  failure(path: string, message: string, ignored: boolean): void {
    if (ignored) this.ignoredErrors++;
    else this.errors++;
    this.tell({ kind: "error", path, message, ignored });
  }

  exclude(isDirectory: boolean, sizeBytes: number): void {
    if (isDirectory) this.excludedDirectories++;
    else {
      this.excludedFiles++;
      this.excludedBytes += sizeBytes;
    }
  }

  stats(): SnapshotStats {
    return {
      totalSize: this.hashedBytes + this.cachedBytes,
      excludedTotalSize: this.excludedBytes,
      fileCount: this.hashedFiles,
      cachedFiles: this.cachedFiles,
      nonCachedFiles: this.attemptedFiles,
      dirCount: this.directories,
      excludedFileCount: this.excludedFiles,
      excludedDirCount: this.excludedDirectories,
      ignoredErrorCount: this.ignoredErrors,
      errorCount: this.errors,
    };
  }

  /** A copy that stays as it is. */
  counters(): UploadCounters {
    const { hashedFiles, hashedBytes, newBytes, cachedFiles, cachedBytes, directories } = this;
    const { excludedFiles, excludedDirectories, excludedBytes, errors, ignoredErrors } = this;
    const { openFiles, openBytes } = this;
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
}
