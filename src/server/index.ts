/** The repository server: accounts, rights, sessions, jobs, the web interface's endpoints. */
export type * from "./types.ts";
export {
  type AccountBook,
  type AccountChange,
  formatPasswordHash,
  hashPassword,
  openAccounts,
  parseAccountName,
  parsePasswordHash,
  type StoredAccount,
} from "./accounts/index.ts";
export {
  ACCESS_LEVELS,
  addAclEntry,
  type AclEntry,
  deleteAclEntry,
  enableAcl,
  encodeAclEntry,
  formatAclTarget,
  listAclEntries,
  parseAclTarget,
  type StoredAclEntry,
} from "./authorize/index.ts";
export { startServer } from "./start/index.ts";
export type { RunningServer, StartServerOptions } from "./start/index.ts";
export {
  describeAccounts,
  sealedAccountInfo,
  type SealedAccountInfo,
  type EnrollmentCode,
  issueEnrollmentCode,
  SEEN_OF_SEALED,
} from "./sealed/index.ts";
