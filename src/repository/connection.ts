/**
 * A connection: the configuration file, the storage it names, and the format behind the password. Enough for the
 * commands that work on the repository as a whole; `openRepository` adds contents and manifests.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import {
  type BlobStorage,
  type ConnectionInfo,
  readOnlyStorage,
  THROTTLING_LIMIT_NAMES,
  type ThrottlingLimits,
} from "../blob/index.ts";
import {
  type CallOptions,
  type Clock,
  type Random,
  systemClock,
  systemRandom,
} from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";
import { BLOB_CONFIG_BLOB_ID, checkRequiredFeatures, FORMAT_BLOB_ID } from "../format/index.ts";
import { nodeCryptoEngine } from "../node/index.ts";
import { openStorage } from "../storage/index.ts";
import { loadConfig } from "./config-file.ts";
import type { ConnectionConfig } from "./config-json.ts";
import { FormatAccess, readStoredFormat } from "./format-access.ts";
import { type Environment, resolveConfigFile } from "./paths.ts";
import { assertNotLocked, guardStorage } from "./upgrade-guard.ts";

/** How to find and open the repository of a connection file. */
export interface OpenOptions extends CallOptions {
  /** Absent: `SEJF_CONFIG_PATH`, `KOPIA_CONFIG_PATH`, else Kopia's default file. */
  readonly configFile?: string | undefined;
  readonly password: string;
  /** Only looked at for paths. Default: the process's. */
  readonly env?: Environment | undefined;
  readonly engine?: CryptoEngine | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** Goes on although this owner upgrades the repository: for the upgrading program itself. */
  readonly upgradeOwnerId?: string | undefined;
  /** What a user should know, and what only a log wants to. */
  readonly log?: ((level: "debug" | "info" | "warn", message: string) => void) | undefined;
}

/** An open connection. Disposing closes the storage and forgets the key. */
export interface Connection extends AsyncDisposable {
  readonly configFile: string;
  readonly config: ConnectionConfig;
  /** With retries, limits and the watch on upgrades; read-only when the connection is. */
  readonly storage: BlobStorage;
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
  const config = await loadConfig(configFile, env);
  const base = await openStorage(storageOf(config, configFile), {
    random: options.random,
    clock: options.clock,
    limits: config.client.throttling,
    onWarning: (message) => options.log?.("warn", message),
  });
  try {
    return await openOnStorage(base, config, configFile, options);
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
): Promise<Connection> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const engine = options.engine ?? nodeCryptoEngine;
  const { signal } = options;
  const storage = config.client.readOnly ? readOnlyStorage(base) : base;
  const stored = await readStoredFormat(storage, { signal });
  const access = await FormatAccess.open(
    storage,
    stored,
    options.password,
    { engine, clock, random },
    { signal },
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

/** @throws SEJF_UNSUPPORTED for a connection to a server. */
export function storageOf(config: ConnectionConfig, configFile: string): ConnectionInfo {
  if (config.storage !== undefined) return config.storage;
  throw new SejfError(
    "SEJF_UNSUPPORTED",
    `${configFile} is a connection to a repository server, which this version of sejf does not speak to`,
    {
      hint: "connect to the storage itself, or use kopia for this connection",
    },
  );
}

/** The connection's own limits, else those inside of the storage's configuration. */
export function throttlingOf(config: ConnectionConfig): ThrottlingLimits {
  if (config.client.throttling !== undefined) return config.client.throttling;
  const inside = config.storage?.config ?? {};
  const pairs = THROTTLING_LIMIT_NAMES.map((name) => [name, inside[name]] as const);
  return Object.fromEntries(pairs.filter(([, value]) => typeof value === "number"));
}

/**
 * Removes the copies of the format that kopia keeps in the cache folder, so that it does not go on with an old
 * password, old parameters, or the keys of a repository that was there before.
 */
export async function dropCachedFormat(cacheDirectory: string | undefined): Promise<void> {
  if (cacheDirectory === undefined || cacheDirectory === "") return;
  for (const id of [FORMAT_BLOB_ID, BLOB_CONFIG_BLOB_ID])
    await rm(join(cacheDirectory, id), { force: true });
}
