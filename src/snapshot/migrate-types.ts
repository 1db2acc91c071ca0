/** What a migration is asked for, what it tells on the way, and what comes of it. */
import type { CallOptions } from "../bytes/index.ts";
import type { SnapshotManifest, SnapshotSource } from "./types.ts";

/** Running totals; the listener must not keep the object. */
export interface MigrateCounters {
  /** Copied from one repository to the other. */
  readonly copiedFiles: number;
  readonly copiedBytes: number;
  /** Of snapshots migrated before: their objects are known already. */
  readonly knownFiles: number;
  readonly knownDirectories: number;
  readonly directories: number;
  readonly excluded: number;
  readonly errors: number;
}

export type MigrateEvent =
  | { readonly kind: "progress"; readonly counters: MigrateCounters }
  /** Something in the source repository cannot be read and is not in the new snapshot. */
  | { readonly kind: "error"; readonly path: string; readonly message: string }
  | { readonly kind: "begins"; readonly snapshot: SnapshotManifest }
  /** The destination has a snapshot of the same source with the same start. */
  | { readonly kind: "present"; readonly snapshot: SnapshotManifest }
  | { readonly kind: "incomplete"; readonly snapshot: SnapshotManifest };

export interface MigrateOptions extends CallOptions {
  /** Only the newest complete snapshot. */
  readonly latestOnly?: boolean | undefined;
  /** What the policy of the source in the destination excludes today is left out. Default false: all is taken. */
  readonly applyIgnoreRules?: boolean | undefined;
  readonly onEvent?: ((event: MigrateEvent) => void) | undefined;
}

export interface MigratedSource {
  readonly source: SnapshotSource;
  readonly migrated: number;
  /** Files and directories that are missing in the new snapshots. */
  readonly errors: number;
}
