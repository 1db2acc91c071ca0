/** What a restore is asked for, what it tells on the way, and what comes of it. */
import type { CallOptions } from "../bytes/index.ts";

export interface RestoreCounters {
  /** Placeholders count as what they stand for. */
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  readonly bytes: number;
  /** Already there with equal size and time (`skipExisting`). */
  readonly skipped: number;
  readonly skippedBytes: number;
  /** Removed from the target (`deleteExtra`); what was in a directory is not counted. */
  readonly deletedFiles: number;
  readonly deletedDirectories: number;
  readonly deletedSymlinks: number;
  readonly errors: number;
}

export type RestoreEvent =
  | { readonly kind: "progress"; readonly counters: RestoreCounters }
  /** Only with `ignoreErrors`; without, the error is thrown. */
  | { readonly kind: "error"; readonly path: string; readonly message: string };

/** What counts for every kind of target. */
export interface RestoreCallOptions extends CallOptions {
  /** Existing files are truncated and rewritten in place. Default true. */
  readonly overwriteFiles?: boolean | undefined;
  readonly flushFiles?: boolean | undefined;
  readonly skipOwners?: boolean | undefined;
  readonly skipPermissions?: boolean | undefined;
  readonly skipTimes?: boolean | undefined;
  /** Counts and goes on. Default false: the first error is thrown. */
  readonly ignoreErrors?: boolean | undefined;
  readonly onEvent?: ((event: RestoreEvent) => void) | undefined;
}

export interface RestoreOptions extends RestoreCallOptions {
  /** Existing directories are filled. False: an existing directory must be empty. Default true. */
  readonly overwriteDirectories?: boolean | undefined;
  /** Existing symlinks are replaced. Default true. */
  readonly overwriteSymlinks?: boolean | undefined;
  /**
   * Files and symlinks stay that have the recorded size and time, as exactly as the file system keeps times. A file
   * gets its time when it is whole, so none that a killed restore left unfinished is taken for one. Default false.
   */
  readonly skipExisting?: boolean | undefined;
  /** Before a directory is filled, what the snapshot does not have, or has as another kind, is removed. Default false. */
  readonly deleteExtra?: boolean | undefined;
  readonly writeFilesAtomically?: boolean | undefined;
  readonly writeSparseFiles?: boolean | undefined;
  /** EPERM from chown, chmod, utimes is not an error. Default true. */
  readonly ignorePermissionErrors?: boolean | undefined;
  /** Symlinks are not restored but counted as skipped: for systems and users that may not make them. Default false. */
  readonly skipSymlinks?: boolean | undefined;
  /** Pieces of work under way at the same time. Default and at most: what keeps all threads busy. */
  readonly parallel?: number | undefined;
  /** What lies deeper becomes a placeholder; 0: only the top directory is real. Default: everything is restored. */
  readonly shallow?: number | undefined;
  /** Files below this many bytes are restored where `shallow` has placeholders. Default 0. */
  readonly shallowMinSizeBytes?: number | undefined;
}

export interface RestoreSummary extends RestoreCounters {
  readonly errorsList: readonly { readonly path: string; readonly message: string }[];
}
