/** What a restore is asked for, what it tells on the way, and what comes of it. */
import type { CallOptions } from "../bytes/index.ts";

export interface RestoreCounters {
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  readonly bytes: number;
  /** Already there with equal size and time (`skipExisting`). */
  readonly skipped: number;
  readonly errors: number;
}

export type RestoreEvent =
  | { readonly kind: "progress"; readonly counters: RestoreCounters }
  /** Only with `ignoreErrors`; without, the error is thrown. */
  | { readonly kind: "error"; readonly path: string; readonly message: string };

export interface RestoreOptions extends CallOptions {
  /** Existing files are truncated and rewritten in place. Default true. */
  readonly overwriteFiles?: boolean | undefined;
  /** Existing directories are filled. False: an existing directory must be empty. Default true. */
  readonly overwriteDirectories?: boolean | undefined;
  /** Existing symlinks are replaced. Default true. */
  readonly overwriteSymlinks?: boolean | undefined;
  /** Files with equal size and time (within 2 s) and existing symlinks stay. Default false. */
  readonly skipExisting?: boolean | undefined;
  /** Before a directory is filled, what the snapshot does not have, or has as another kind, is removed. Default false. */
  readonly deleteExtra?: boolean | undefined;
  readonly writeFilesAtomically?: boolean | undefined;
  readonly writeSparseFiles?: boolean | undefined;
  readonly flushFiles?: boolean | undefined;
  readonly skipOwners?: boolean | undefined;
  readonly skipPermissions?: boolean | undefined;
  readonly skipTimes?: boolean | undefined;
  /** EPERM from chown, chmod, utimes is not an error. Default true. */
  readonly ignorePermissionErrors?: boolean | undefined;
  /** Counts and goes on. Default false: the first error is thrown. */
  readonly ignoreErrors?: boolean | undefined;
  /** Symlinks are not restored but counted as skipped: for systems and users that may not make them. Default false. */
  readonly skipSymlinks?: boolean | undefined;
  readonly onEvent?: ((event: RestoreEvent) => void) | undefined;
}

export interface RestoreSummary extends RestoreCounters {
  readonly errorsList: readonly { readonly path: string; readonly message: string }[];
}
