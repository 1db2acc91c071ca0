/** Retention of accounts' snapshots, as the server does it. */
export type {
  AccountRetention,
  AccountRetentionOptions,
  ApplyRetentionOptions,
  ExpiredSnapshot,
  RetentionRun,
} from "./types.ts";
