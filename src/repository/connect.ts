/** Connecting and disconnecting: writing the connection file once the repository could be opened, and removing it. */
import { resolve } from "node:path";
import type { BlobStorage } from "../blob/index.ts";
import { type CallOptions, systemClock, systemRandom, utf8ToBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { checkRequiredFeatures } from "../format/index.ts";
import { nodeCryptoEngine } from "../node/index.ts";
import { type ApiServer, apiServerJson, serverDescription } from "./api-server.ts";
import { assertPermissiveOnlyReadOnly } from "./client-settings.ts";
import { saveConfig } from "./config-file.ts";
import {
  type CachingOptions,
  type ClientOptions,
  type ConnectionConfig,
  DEFAULT_FORMAT_CACHE_NS,
} from "./config-json.ts";
import { dropCachedFormat } from "./connection-settings.ts";
import { FormatAccess, readStoredFormat } from "./format-access.ts";
import { defaultIdentity } from "./identity.ts";
import {
  cacheDirectoryOverride,
  defaultCacheDirectory,
  type Environment,
  resolveConfigFile,
} from "./paths.ts";

export interface ConnectOptions extends CallOptions {
  readonly configFile?: string | undefined;
  readonly password: string;
  /** What differs from the defaults: this user and host, read-write, actions off. */
  readonly client?: Partial<ClientOptions> | undefined;
  /** Sizes and ages as stored; `maxCacheSize` 0 switches the caches off. */
  readonly caching?: CachingOptions | undefined;
  /** More fields for the connection file: `sealedMark`. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
  readonly env?: Environment | undefined;
  readonly engine?: CryptoEngine | undefined;
  readonly log?: ((level: "debug" | "info" | "warn", message: string) => void) | undefined;
}

const DEFAULT_CACHE_BYTES = 5000 * (1 << 20);
const DEFAULT_LIST_CACHE_S = 30;

/**
 * Tries the password on the repository in `storage`, then writes the connection file. A connection that was there
 * before is replaced only after that. The storage stays the caller's.
 * @throws SEJF_NOT_A_REPOSITORY, SEJF_INVALID_PASSWORD, SEJF_UNSUPPORTED_FORMAT, SEJF_INVALID_ARGUMENT.
 */
export async function connectRepository(
  storage: BlobStorage,
  options: ConnectOptions,
): Promise<string> {
  const env = options.env ?? process.env;
  const configFile = resolveConfigFile(options.configFile, env);
  const { signal } = options;
  const stored = await readStoredFormat(storage, { signal });
  const tools = {
    engine: options.engine ?? nodeCryptoEngine,
    clock: systemClock,
    random: systemRandom,
  };
  using access = await FormatAccess.open(storage, stored, options.password, tools, { signal });
  for (const warning of checkRequiredFeatures(access.format.requiredFeatures))
    options.log?.("warn", warning);
  const client = clientOptions(`Repository in ${storage.displayName}`, options.client ?? {});
  const caching = cachingOptions(options.caching ?? {}, stored.blob.uniqueId, configFile, env);
  await dropCachedFormat(caching.cacheDirectory);
  await saveConfig(configFile, {
    storage: storage.connectionInfo,
    apiServer: undefined,
    caching,
    client,
    unknown: options.fields ?? {},
  });
  return configFile;
}

/** What a connection file would say; `save` writes it. */
export interface PreparedConnection {
  readonly configFile: string;
  readonly config: ConnectionConfig;
  /** With what trying it has told. A connection that was there before is replaced. */
  save(learned: Pick<ApiServer, "upgrades">): Promise<void>;
}

/** A connection to a server, which nobody has tried yet. @throws SEJF_INVALID_ARGUMENT. */
export function prepareServerConnection(
  server: ApiServer,
  options: Pick<ConnectOptions, "configFile" | "client" | "caching" | "fields" | "env">,
): PreparedConnection {
  const env = options.env ?? process.env;
  const configFile = resolveConfigFile(options.configFile, env);
  const caching = cachingOptions(options.caching ?? {}, utf8ToBytes(server.url), configFile, env);
  const config: ConnectionConfig = {
    storage: undefined,
    apiServer: apiServerJson(server),
    caching,
    client: clientOptions(serverDescription(server), options.client ?? {}),
    unknown: options.fields ?? {},
  };
  const save = async (learned: Pick<ApiServer, "upgrades">): Promise<void> => {
    await dropCachedFormat(caching.cacheDirectory);
    await saveConfig(configFile, {
      ...config,
      apiServer: apiServerJson({ ...server, ...learned }),
    });
  };
  return { configFile, config, save };
}

/** @throws SEJF_INVALID_ARGUMENT when permissive loading is asked for on a writable connection. */
function clientOptions(description: string, given: Partial<ClientOptions>): ClientOptions {
  const client: ClientOptions = {
    ...defaultIdentity(),
    readOnly: false,
    permissiveCacheLoading: false,
    description,
    enableActions: false,
    formatBlobCacheDurationNs: DEFAULT_FORMAT_CACHE_NS,
    throttling: undefined,
    ...given,
  };
  assertPermissiveOnlyReadOnly(client);
  return client;
}

function cachingOptions(
  given: CachingOptions,
  uniqueId: Uint8Array,
  configFile: string,
  env: Environment,
): CachingOptions {
  if (given.maxCacheSize === 0) return {};
  const directory =
    given.cacheDirectory === undefined || given.cacheDirectory === ""
      ? (cacheDirectoryOverride(env) ?? defaultCacheDirectory(uniqueId, configFile, env))
      : resolve(given.cacheDirectory);
  return {
    maxCacheSize: DEFAULT_CACHE_BYTES,
    maxMetadataCacheSize: DEFAULT_CACHE_BYTES,
    maxListCacheDuration: DEFAULT_LIST_CACHE_S,
    ...withoutUndefined(given),
    cacheDirectory: directory,
  };
}

function withoutUndefined(values: CachingOptions): CachingOptions {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
