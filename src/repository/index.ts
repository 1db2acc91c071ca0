/**
 * Repositories: the seam that everything above hangs on, the connection file, and the direct repository, which
 * works on the storage itself. Importing this loads little; what opens a repository loads the rest when it is called.
 */
export {
  type ApiServer,
  apiServerJson,
  apiServerOf,
  CACHE_KEY_ALGORITHMS,
  type CacheKeyAlgorithm,
  parseApiServer,
} from "./api-server.ts";
export { writeFileAtomically } from "./atomic-file.ts";
export {
  cacheLimits,
  DEFAULT_CONTENT_SWEEP_AGE_S,
  ownCacheDirectory,
  setCachingOptions,
} from "./caching.ts";
export { disconnectRepository, setClientOptions, setServer } from "./client-settings.ts";
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
export type { ConnectOptions, PreparedConnection } from "./connect.ts";
export type { Connection, OpenOptions } from "./connection.ts";
export { dropCachedFormat, serverOf, storageOf, throttlingOf } from "./connection-settings.ts";
export type { CreatedRepository, CreateRepositoryOptions } from "./create.ts";
export type { DirectRepository } from "./direct-repository.ts";
export { CACHE_SALT, type EarlyKey, type EarlyKeyOptions, startEarlyKey } from "./early-key.ts";
export { keptOrDerived } from "./key-file.ts";
export {
  connectRepository,
  createRepository,
  openConnection,
  openRepository,
  prepareServerConnection,
  readPlainBlob,
  recoverFormatBlob,
} from "./facade.ts";
export type { FormatAccess } from "./format-access.ts";
export { defaultIdentity } from "./identity.ts";
export { populateRepository } from "./initial-manifests.ts";
export type { OpenRepositoryOptions } from "./open.ts";
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
export type { RecoverFormatOptions } from "./repair.ts";
export { assertNotSealed, sealedAccountOf, sealedMark } from "./sealed-mark.ts";
export { assertRetentionPossible } from "./retention.ts";
export { decodeToken, encodeToken, type ServerToken, type Token } from "./token.ts";
export type { ClientIdentity, Repository, RepositoryParameters } from "./types.ts";
