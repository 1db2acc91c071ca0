/** Retention of accounts' snapshots, as the server does it. */
export { createAccountRetention } from "./account-retention.ts";
export type {
  AccountRetention,
  AccountRetentionOptions,
  ApplyRetentionOptions,
  ExpiredSnapshot,
  RetainedRepository,
  RetentionRun,
} from "./types.ts";
