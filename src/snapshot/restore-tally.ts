/** What has been restored so far, and what a failure does: it ends everything, or is counted and told. */
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import type { DirectoryHandle } from "../node/index.ts";
import type { RestoreCallOptions, RestoreCounters, RestoreSummary } from "./restore-types.ts";

/** Errors kept for the summary; all are counted and told. */
const MAX_LISTED_ERRORS = 1000;

export class RestoreTally {
  readonly counters: { -readonly [K in keyof RestoreCounters]: RestoreCounters[K] } = {
    files: 0,
    directories: 0,
    symlinks: 0,
    bytes: 0,
    skipped: 0,
    skippedBytes: 0,
    deletedFiles: 0,
    deletedDirectories: 0,
    deletedSymlinks: 0,
    errors: 0,
  };
  readonly #options: RestoreCallOptions;
  /** Aborted when the restore ends before its time: no failure is to be ignored then. */
  readonly #stopped: AbortSignal;
  readonly #errors: { readonly path: string; readonly message: string }[] = [];

  constructor(options: RestoreCallOptions, stopped: AbortSignal) {
    this.#options = options;
    this.#stopped = stopped;
  }

  file(sizeBytes: number): void {
    this.counters.files++;
    this.counters.bytes += sizeBytes;
  }

  skip(sizeBytes: number): void {
    this.counters.skipped++;
    this.counters.skippedBytes += sizeBytes;
  }

  /** Counts a failure and goes on, or throws it. `handle`: the directory whose path for calls its text may have. */
  fail(path: string, error: unknown, handle?: DirectoryHandle): void {
    if (this.#stopped.aborted) throw error;
    const failure = described(errorFromUnknown(error, `restoring ${path}`), handle);
    if (this.#options.ignoreErrors !== true) throw failure;
    this.counters.errors++;
    const message = failure.message;
    if (this.#errors.length < MAX_LISTED_ERRORS) this.#errors.push({ path, message });
    this.#options.onEvent?.({ kind: "error", path, message });
  }

  /** As `fail` with a failure of the repository's own. */
  corrupt(path: string, what: string): void {
    this.fail(path, new SejfError("SEJF_CORRUPT", `${path} cannot be restored: ${what}`));
  }

  tellProgress(): void {
    this.#options.onEvent?.({ kind: "progress", counters: this.counters });
  }

  summary(): RestoreSummary {
    return { ...this.counters, errorsList: this.#errors };
  }
}

function described(failure: SejfError, handle: DirectoryHandle | undefined): SejfError {
  const message = handle?.describe(failure.message) ?? failure.message;
  if (message === failure.message) return failure;
  const { code, hint, retryable } = failure;
  return new SejfError(code, message, { cause: failure, hint, retryable });
}
