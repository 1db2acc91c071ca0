/** What an upload is asked for, what it tells on the way, and what comes of it. */
import type { CallOptions, TimestampNs } from "../bytes/index.ts";
import type { LocalName } from "../format/index.ts";
import type { SnapshotManifest } from "./types.ts";

/** Running totals; the listener must not keep the object. */
export interface UploadCounters {
  /** Files under way, and what was stored of big ones among them; not in the others' figures yet. */
  readonly openFiles: number;
  readonly openBytes: number;
  /** Files read (or their parts), and their bytes. */
  readonly hashedFiles: number;
  readonly hashedBytes: number;
  /** Of these bytes those the repository did not have. */
  readonly newBytes: number;
  readonly cachedFiles: number;
  readonly cachedBytes: number;
  readonly directories: number;
  readonly excludedFiles: number;
  readonly excludedDirectories: number;
  readonly excludedBytes: number;
  readonly errors: number;
  readonly ignoredErrors: number;
}

export type UploadEvent =
  /** After every batch of results. */
  | { readonly kind: "progress"; readonly counters: UploadCounters }
  /** A file or directory that is not in the snapshot. `path` is below the root, with `/`. */
  | {
      readonly kind: "error";
      readonly path: string;
      readonly message: string;
      readonly ignored: boolean;
    }
  /** In the snapshot, but not as it should be: a name that is not UTF-8, a file that changed while it was read. */
  | { readonly kind: "warning"; readonly path: string; readonly message: string }
  /** How much there will be to do, as far as it can be known: once, or never. */
  | { readonly kind: "estimate"; readonly files: number; readonly bytes: number }
  /** A single entry, as far as policies want such things told. */
  | { readonly kind: "entry"; readonly what: string; readonly fields: EntryFields }
  /** An incomplete snapshot was saved and flushed, so that a long upload is safe from garbage collection. */
  | { readonly kind: "checkpoint"; readonly snapshot: SnapshotManifest }
  | ActionEvent;

/** As Kopia names them. */
export interface EntryFields {
  readonly path: string;
  dur?: string;
  size?: number;
  files?: number;
  dirs?: number;
  errors?: number;
  mtime?: string;
  oid?: string;
}

/** `classic`: a walk beside the upload. `rough`: what the volume holds. `adaptive`: rough, unless it holds little. */
export type EstimationType = "classic" | "rough" | "adaptive";

export interface EstimationSettings {
  readonly type: EstimationType;
  /** Files of a volume below which `adaptive` walks. */
  readonly adaptiveThreshold: number;
}

/** Data that come from elsewhere than a file, as the one file of a directory. */
export interface StreamSource {
  /** Of the file. */
  readonly name: string;
  readonly data: AsyncIterable<Uint8Array>;
}

export type ActionName =
  | "before-snapshot-root"
  | "after-snapshot-root"
  | "before-folder"
  | "after-folder";

/** An action of the policy begins, is not run because actions are not allowed, or failed without ending the upload. */
export type ActionEvent = {
  readonly kind: "action";
  readonly action: ActionName;
  /** The folder, as a path of this machine. */
  readonly path: string;
} & (
  | { readonly state: "running" | "disabled" }
  | { readonly state: "failed"; readonly message: string }
);

export interface ActionSettings {
  /**
   * SECURITY: whoever may write policies into the repository decides what an action does, with all rights of this
   * user. Only true when the user of this machine has said so, and never for policies that a server hands out.
   */
  readonly allowActions: boolean;
  /** Of the processes, to which the actions' own variables are added. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Of the program, for `KOPIA_VERSION`. */
  readonly version: string;
}

export interface CreateSnapshotOptions extends CallOptions {
  /** What is read: default the source's path. Absolute. */
  readonly localPath?: LocalName | undefined;
  /** Read in place of a local path, which is then only the name of the directory. */
  readonly stream?: StreamSource | undefined;
  /** At most 1024 bytes. */
  readonly description?: string | undefined;
  /** Keys without the `tag:` that is stored. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly pins?: readonly string[] | undefined;
  /** Stored instead of the real ones; with only one given the other keeps the real duration. */
  readonly startTimeNs?: TimestampNs | undefined;
  readonly endTimeNs?: TimestampNs | undefined;
  /** Percent of unchanged files that are read all the same. Default 0. */
  readonly forceHashPercent?: number | undefined;
  /** The first error that is not ignored ends the upload; what was done is saved as incomplete. */
  readonly failFast?: boolean | undefined;
  /** Default 45 minutes, which is also the longest allowed. */
  readonly checkpointIntervalMs?: number | undefined;
  /** Stops when more bytes than this were read into objects: `limit reached`. */
  readonly uploadLimitBytes?: number | undefined;
  /** Files read at once, in place of what the policy says. */
  readonly parallel?: number | undefined;
  /** How much is told of single entries, in place of what policies say: 0 nothing to 10 everything. */
  readonly directoryLogDetail?: number | undefined;
  readonly entryLogDetail?: number | undefined;
  /** Absent: nothing is estimated. */
  readonly estimation?: EstimationSettings | undefined;
  /** Absent: the actions of policies are not run, and events say so. */
  readonly actions?: ActionSettings | undefined;
  readonly onEvent?: ((event: UploadEvent) => void) | undefined;
}

export interface CreatedSnapshot {
  /** An abort does not throw: what was done is saved with `incomplete` `canceled`. */
  readonly snapshot: SnapshotManifest;
  /** False: the policy ignores identical snapshots and this one is; nothing was saved. */
  readonly saved: boolean;
  readonly counters: UploadCounters;
}
