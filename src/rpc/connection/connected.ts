/**
 * Repositories as a connection file says: behind a server where it names one, else worked on directly. And making
 * such a connection to a server. Spec: kopia-server 1.3.
 */
import { type OwnedBytes, systemClock, systemRandom } from "../../bytes/index.ts";
import { DEFAULT_CACHE_LIMITS } from "../../content/index.ts";
import type { CryptoEngine } from "../../crypto/index.ts";
import { SejfError } from "../../errors/index.ts";
import { nodeCompressionEngine, nodeCryptoEngine } from "../../node/index.ts";
import {
  type ApiServer,
  assertNotSealed,
  CACHE_SALT,
  cacheLimits,
  type ConnectionConfig,
  type ConnectOptions,
  keptOrDerived,
  type Repository,
  loadConfig,
  openRepository,
  type OpenRepositoryOptions,
  ownCacheDirectory,
  prepareServerConnection,
  resolveConfigFile,
  serverOf,
} from "../../repository/index.ts";
import { deriveCacheKey, LocalContentCache } from "../remote/local-cache.ts";
import { openRemoteRepository, type RemoteRepository } from "../remote/remote-repository.ts";

export interface OpenConnectedOptions extends OpenRepositoryOptions {
  /** For the server's log: `cli:snapshot create`. */
  readonly purpose?: string | undefined;
  /** Told to the server for its log. */
  readonly clientVersion?: string | undefined;
  /** 32 bytes that nobody can guess, under which local copies are kept. Default: a key that is derived from the password. */
  readonly cacheKey?: OwnedBytes | undefined;
}

export interface ConnectServerOptions extends ConnectOptions {
  readonly clientVersion?: string | undefined;
}

/**
 * The repository of a connection file, of whichever kind it is. Disposing it flushes nothing.
 * @throws as `openRepository`, and for a server as `openServerRepository`.
 */
export async function openConnectedRepository(options: OpenConnectedOptions): Promise<Repository> {
  const { config } = await connectionOf(options);
  return await (config.apiServer === undefined ? openRepository : openServerRepository)(options);
}

/**
 * The repository behind the server of a connection file. Disposing it flushes nothing.
 * @throws SEJF_NOT_CONNECTED; SEJF_UNSUPPORTED for a direct connection; SEJF_CONNECTION; SEJF_ACCESS_DENIED for a
 * wrong user, password or certificate; SEJF_INVALID_ARGUMENT.
 */
export async function openServerRepository(
  options: OpenConnectedOptions,
): Promise<RemoteRepository> {
  const { config, configFile } = await connectionOf(options);
  const server = serverOf(config, configFile);
  if (server === undefined)
    throw new SejfError("SEJF_UNSUPPORTED", `${configFile} is not a connection to a server`);
  const cache = localCache(config, server, options, configFile);
  return await openServer(config, server, options, cache);
}

async function connectionOf(
  options: OpenConnectedOptions,
): Promise<{ readonly config: ConnectionConfig; readonly configFile: string }> {
  const env = options.env ?? process.env;
  const configFile = resolveConfigFile(options.configFile, env);
  const config = await loadConfig(configFile, env);
  if (options.belowSealed !== true) assertNotSealed(config, configFile);
  return { config, configFile };
}

/**
 * Tries the password on the server, then writes the connection file, whose path it gives. A connection that was there
 * before is replaced only after that.
 * @throws SEJF_CONNECTION; SEJF_ACCESS_DENIED for a wrong user, password or certificate; SEJF_INVALID_ARGUMENT.
 */
export async function connectServer(
  server: ApiServer,
  options: ConnectServerOptions,
): Promise<string> {
  const prepared = await prepareServerConnection(server, options);
  await using tried = await openServer(prepared.config, server, options);
  await prepared.save({ upgrades: tried.upgrades });
  return prepared.configFile;
}

async function openServer(
  config: ConnectionConfig,
  server: ApiServer,
  options: Omit<OpenConnectedOptions, "configFile">,
  cache?: LocalContentCache,
): Promise<RemoteRepository> {
  const { client } = config;
  try {
    return await openRemoteRepository({
      url: server.url,
      fingerprint: server.fingerprint,
      identity: { username: client.username, hostname: client.hostname },
      password: options.password,
      purpose: options.purpose,
      clientVersion: options.clientVersion,
      readOnly: client.readOnly,
      description: client.description,
      upgrades: server.upgrades,
      engine: engineOf(options),
      compression: options.compression ?? nodeCompressionEngine,
      clock: options.clock,
      threads: options.threads,
      signal: options.signal,
      log: options.log,
      cache,
    });
  } catch (error) {
    await cache?.[Symbol.asyncDispose]();
    throw error;
  }
}

function localCache(
  config: ConnectionConfig,
  server: ApiServer,
  options: OpenConnectedOptions,
  configFile: string,
): LocalContentCache | undefined {
  const directory = ownCacheDirectory(config);
  if (directory === undefined) return undefined;
  const { cacheKey } = options;
  return new LocalContentCache({
    directory,
    limits: { ...DEFAULT_CACHE_LIMITS, ...cacheLimits(config) },
    clock: options.clock ?? systemClock,
    engine: engineOf(options),
    random: options.random ?? systemRandom,
    key:
      cacheKey === undefined
        ? keptCacheKey(server, options, configFile)
        : Promise.resolve(cacheKey),
  });
}

/** Under which local copies are kept; kept itself beside a kept password, so that later commands need not derive it. */
export async function keptCacheKey(
  { cacheKeyAlgorithm: keyAlgorithm }: ApiServer,
  options: Pick<OpenConnectedOptions, "password" | "earlyKey" | "engine">,
  configFile: string,
): Promise<OwnedBytes> {
  const { password, earlyKey } = options;
  const source = { uniqueId: CACHE_SALT, keyAlgorithm };
  return await keptOrDerived(
    configFile,
    password,
    source,
    async () =>
      await (earlyKey?.take(source, password) ??
        deriveCacheKey(engineOf(options), keyAlgorithm, password)),
  );
}

function engineOf({ engine }: Pick<OpenConnectedOptions, "engine">): CryptoEngine {
  return engine ?? nodeCryptoEngine;
}
