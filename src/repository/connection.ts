/**
 * A connection: the configuration file, the storage it names, and the format behind the password. Enough for the
 * commands that work on the repository as a whole; `openRepository` adds contents and manifests.
 */
import { type BlobStorage, readOnlyStorage, type ThrottledStorage } from "../blob/index.ts";
import { type CallOptions, type Clock, type Random, systemClock } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { checkRequiredFeatures } from "../format/index.ts";
import { nodeCryptoEngine, nodeRandom } from "../node/index.ts";
import { openStorage } from "../storage/index.ts";
import { loadConfig } from "./config-file.ts";
import type { ConnectionConfig } from "./config-json.ts";
import { storageOf } from "./connection-settings.ts";
import type { EarlyKey } from "./early-key.ts";
import { FormatAccess, readStoredFormat } from "./format-access.ts";
import { type Environment, resolveConfigFile } from "./paths.ts";
import { assertNotSealed } from "./sealed-mark.ts";
import { assertNotLocked, guardStorage } from "./upgrade-guard.ts";

/** How to find and open the repository of a connection file. */
export interface OpenOptions extends CallOptions {
  /** Absent: `SEJF_CONFIG_PATH`, `KOPIA_CONFIG_PATH`, else Kopia's default file. */
  readonly configFile?: string | undefined;
  readonly password: string;
  /** A derivation of the key that was begun before; used when it is of this password and this repository. */
  readonly earlyKey?: EarlyKey | undefined;
  /** Only looked at for paths. Default: the process's. */
  readonly env?: Environment | undefined;
  readonly engine?: CryptoEngine | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** Goes on although this owner upgrades the repository: for the upgrading program itself. */
  readonly upgradeOwnerId?: string | undefined;
  /** The limits of the storage can be changed while it is open: `Connection.throttle`. Default false. */
  readonly adjustableLimits?: boolean | undefined;
  /** SECURITY: for the layer that seals alone, which stands before it. Default false. */
  readonly belowSealed?: boolean | undefined;
  /** Writes nothing, whatever the connection file allows. Default false. */
  readonly readOnly?: boolean | undefined;
  /** What a user should know, and what only a log wants to. */
  readonly log?: ((level: "debug" | "info" | "warn", message: string) => void) | undefined;
}

/** An open connection. Disposing closes the storage and forgets the key. */
export interface Connection extends AsyncDisposable {
  readonly configFile: string;
  readonly config: ConnectionConfig;
  /** With retries, limits and the watch on upgrades; read-only when the connection is. */
  readonly storage: BlobStorage;
  /** With `adjustableLimits`. */
  readonly throttle: ThrottledStorage | undefined;
  readonly access: FormatAccess;
  readonly engine: CryptoEngine;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Opens the storage of a connection file and the format in it.
 * @throws SEJF_NOT_CONNECTED, SEJF_NOT_A_REPOSITORY, SEJF_INVALID_PASSWORD, SEJF_UNSUPPORTED_FORMAT,
 * SEJF_UPGRADE_IN_PROGRESS, SEJF_UNSUPPORTED for a connection to a server.
 */
export async function openConnection(options: OpenOptions): Promise<Connection> {
  const env = options.env ?? process.env;
  const configFile = resolveConfigFile(options.configFile, env);
  const loaded = await loadConfig(configFile, env);
  if (options.belowSealed !== true) assertNotSealed(loaded, configFile);
  const config =
    options.readOnly === true
      ? { ...loaded, client: { ...loaded.client, readOnly: true } }
      : loaded;
  let throttle: ThrottledStorage | undefined;
  const base = await openStorage(storageOf(config, configFile), {
    random: options.random,
    clock: options.clock,
    limits: config.client.throttling,
    onThrottle:
      options.adjustableLimits === true
        ? (storage) => {
            throttle = storage;
          }
        : undefined,
    onWarning: (message) => options.log?.("warn", message),
  });
  try {
    return { ...(await openOnStorage(base, config, configFile, options)), throttle };
  } catch (error) {
    await base[Symbol.asyncDispose]();
    throw error;
  }
}

async function openOnStorage(
  base: BlobStorage,
  config: ConnectionConfig,
  configFile: string,
  options: OpenOptions,
): Promise<Omit<Connection, "throttle">> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? nodeRandom;
  const engine = options.engine ?? nodeCryptoEngine;
  const { signal } = options;
  const storage = config.client.readOnly ? readOnlyStorage(base) : base;
  const stored = await readStoredFormat(storage, { signal });
  const access = await FormatAccess.open(
    storage,
    stored,
    options.password,
    { engine, clock, random },
    { signal, earlyKey: options.earlyKey, configFile },
  );
  for (const warning of checkRequiredFeatures(access.format.requiredFeatures))
    options.log?.("warn", warning);
  if (!config.client.permissiveCacheLoading) assertNotLocked(access, clock, options.upgradeOwnerId);
  return {
    configFile,
    config,
    storage: guardStorage(storage, access, clock, options.upgradeOwnerId),
    access,
    engine,
    clock,
    random,
    async [Symbol.asyncDispose](): Promise<void> {
      access[Symbol.dispose]();
      await base[Symbol.asyncDispose]();
    },
  };
}
