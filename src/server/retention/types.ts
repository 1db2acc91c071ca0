/**
 * Retention on the server. Ordinary accounts get Kopia's result. For append-only ones it goes by the time of receipt and
 * by the operator's policies, and only the server's own schedule deletes. The rule: docs/server.md.
 */
import type { CallOptions, Clock } from "../../bytes/index.ts";
import type { DirectContents } from "../../content/index.ts";
import type { Labels, ManifestId, ManifestStore } from "../../manifest/index.ts";
import type { SnapshotSource } from "../../snapshot/index.ts";
import type { Account, AuditLog, ServerLog } from "../types.ts";

/** What retention needs of a direct repository. */
export interface RetainedRepository {
  readonly manifests: ManifestStore;
  readonly contents: Pick<DirectContents, "indexBlobs">;
  flush(options?: CallOptions): Promise<void>;
}

export interface AccountRetentionOptions {
  readonly repository: RetainedRepository;
  /** The account of `user@host`, as it is now; `undefined` when there is none. */
  readonly findAccount: (name: string, options?: CallOptions) => Promise<Account | undefined>;
  readonly clock: Clock;
  readonly audit: AuditLog;
  readonly log: ServerLog;
  /**
   * Whether the account may delete snapshots with these labels. One that may not is treated as append-only: by Kopia's
   * access rules alone a client could let retention delete for it. Default: only what the account's own setting says.
   */
  readonly mayDelete?:
    | ((account: Account, labels: Labels, options?: CallOptions) => Promise<boolean>)
    | undefined;
  /** Milliseconds that only go forward, whatever is done to the clock. Default: the process's own. */
  readonly monotonicMs?: (() => number) | undefined;
  /** Days that any snapshot of an append-only account stays. Default 30. */
  readonly minimumAgeDays?: number | undefined;
}

export interface ApplyRetentionOptions extends CallOptions {
  /** False: only says what would expire. */
  readonly reallyDelete: boolean;
  /** The session's view, with what it has put and not flushed; it gets the deletions. Default: the repository's. */
  readonly manifests?: ManifestStore | undefined;
}

export interface AccountRetention {
  /**
   * For a client's request about its own source. Gives what expired, by Kopia's rule. For an append-only account, and one
   * that may not delete these snapshots, nothing is deleted: with `reallyDelete` it gives nothing, without it what the schedule would delete now.
   */
  apply(
    account: Account,
    path: string,
    options: ApplyRetentionOptions,
  ): Promise<readonly ManifestId[]>;
  /**
   * For the schedule: expires snapshots of the append-only accounts, flushed at the end. Ordinary accounts are left
   * alone, as with Kopia. A source that cannot be judged is left alone and logged, and does not stop the others.
   */
  run(options?: CallOptions & { readonly dryRun?: boolean | undefined }): Promise<RetentionRun>;
}

export interface ExpiredSnapshot {
  readonly id: ManifestId;
  readonly source: SnapshotSource;
}

export interface RetentionRun {
  /** Deleted, or with `dryRun` what would be. */
  readonly expired: readonly ExpiredSnapshot[];
  /** Why nothing was deleted: the clock cannot be trusted at the moment, or manifests cannot be read. */
  readonly refused?: string | undefined;
}
