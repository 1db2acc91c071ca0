/**
 * Repositories: the seam that everything above hangs on, the connection file, and the direct repository, which
 * works on the storage itself.
 */
export { writeFileAtomically } from "./atomic-file.ts";
export {
  cacheLimits,
  DEFAULT_CONTENT_SWEEP_AGE_S,
  ownCacheDirectory,
  setCachingOptions,
} from "./caching.ts";
export { loadConfig, saveConfig } from "./config-file.ts";
export {
  type CachingOptions,
  type ClientOptions,
  clientOptionsJson,
  type ConnectionConfig,
  decodeConfig,
  encodeConfig,
  throttlingJson,
} from "./config-json.ts";
export {
  connectRepository,
  type ConnectOptions,
  disconnectRepository,
  setClientOptions,
} from "./connect.ts";
export {
  type Connection,
  dropCachedFormat,
  openConnection,
  type OpenOptions,
  storageOf,
  throttlingOf,
} from "./connection.ts";
export {
  assertRetentionPossible,
  type CreatedRepository,
  createRepository,
  type CreateRepositoryOptions,
  populateRepository,
} from "./create.ts";
export { DirectRepository } from "./direct-repository.ts";
export { FormatAccess } from "./format-access.ts";
export { defaultIdentity } from "./identity.ts";
export { openRepository, type OpenRepositoryOptions } from "./open.ts";
export {
  forgetPassword,
  isAbsent,
  loadPersistedPassword,
  passwordFileOf,
  persistPassword,
} from "./password-file.ts";
export {
  cacheDirectoryOverride,
  configDirectory,
  type Environment,
  expandHome,
  logDirectory,
  resolveConfigFile,
} from "./paths.ts";
export { readPlainBlob } from "./plain-blob.ts";
export { type RecoverFormatOptions, recoverFormatBlob } from "./repair.ts";
export { decodeToken, encodeToken, type Token } from "./token.ts";
export type { ClientIdentity, Repository, RepositoryParameters } from "./types.ts";
