/** The flags that `repository connect` and `repository create` share, and the connecting itself. */
import type { BlobStorage, ConnectionInfo } from "../../blob/index.ts";
import type {
  ApiServer,
  CachingOptions,
  ClientOptions,
  ConnectOptions,
} from "../../repository/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import type { CommandContext } from "../context.ts";
import { duration, type FlagValues, flag, inert, integer, text } from "../flags.ts";
import { VERSION } from "../version.ts";

const flags = {
  cacheDirectory: text("Cache directory", { env: "CACHE_DIRECTORY", placeholder: "PATH" }),
  contentCacheSizeMb: integer("Desired size of local content cache (soft limit)", {
    default: 5000,
    placeholder: "MB",
  }),
  contentCacheSizeLimitMb: integer("Maximum size of local content cache (hard limit)", {
    placeholder: "MB",
  }),
  contentMinSweepAge: duration("Minimal age of content cache item to be subject to sweeping"),
  metadataCacheSizeMb: integer("Desired size of local metadata cache (soft limit)", {
    default: 5000,
    placeholder: "MB",
  }),
  metadataCacheSizeLimitMb: integer("Maximum size of local metadata cache (hard limit)", {
    placeholder: "MB",
  }),
  metadataMinSweepAge: duration("Minimal age of metadata cache item to be subject to sweeping"),
  indexMinSweepAge: duration("Minimal age of index cache item to be subject to sweeping"),
  maxListCacheDuration: duration("Duration of index cache", { default: 30_000_000_000n }),
  overrideHostname: text("Override hostname used by this repository connection", { hidden: true }),
  overrideUsername: text("Override username used by this repository connection", { hidden: true }),
  checkForUpdates: inert("switch", "sejf never looks for updates", { env: "CHECK_FOR_UPDATES" }),
  readonly: flag("Make repository read-only to avoid accidental changes"),
  permissiveCacheLoading: flag(
    "Do not fail when loading bad cache index entries. Repository must be opened in read-only mode",
    { hidden: true },
  ),
  description: text("Human-readable description of the repository"),
  enableActions: flag("Allow snapshot actions"),
  repositoryFormatCacheDuration: duration("Duration of kopia.repository format blob cache", {
    hidden: true,
  }),
  disableRepositoryFormatCache: flag("Disable caching of kopia.repository format blob", {
    hidden: true,
  }),
};

type AllFlags = { readonly [K in keyof typeof flags]: (typeof flags)[K] };
export const CONNECT_FLAGS: AllFlags = flags;
export type ConnectFlagValues = FlagValues<AllFlags>;

const MIB = 1 << 20;

/** Opens a storage that is not connected yet. The caller disposes it. */
export async function openUnconnected(
  context: CommandContext,
  info: ConnectionInfo,
  create = false,
): Promise<BlobStorage> {
  const { openStorage } = await import("../../storage/index.ts");
  return await openStorage(info, {
    create,
    random: context.random,
    clock: context.clock,
    onWarning: (message) => context.log.warn(message),
  });
}

/** Connects, and keeps the password beside the connection file unless that was refused. */
export async function connect(
  context: CommandContext,
  storage: BlobStorage,
  password: string,
  values: ConnectFlagValues,
): Promise<void> {
  const { connectRepository } = await import("../../repository/index.ts");
  await context.assertNoDeviceFile();
  await connectRepository(storage, { ...(await connectionOptions(context, values)), password });
  await finishConnect(context, password);
  context.log.info("Connected to repository.");
}

/** Connects to a repository server; without a password it is asked for. */
export async function connectToServer(
  context: CommandContext,
  server: ApiServer,
  password: string | undefined,
  values: ConnectFlagValues,
): Promise<void> {
  const { defaultIdentity } = await import("../../repository/index.ts");
  const { connectServer, keptCacheKey } = await import("../../rpc/client/index.ts");
  await context.assertNoDeviceFile();
  const client = clientOptions(values);
  const { username, hostname } = { ...defaultIdentity(), ...client };
  context.log.info(`Connecting to server '${server.url}' as '${username}@${hostname}'...`);
  const known = password ?? (await context.passwordToConnect());
  try {
    await connectServer(server, {
      ...(await connectionOptions(context, values)),
      password: known,
      clientVersion: VERSION,
    });
  } catch (error) {
    // With a hint of its own it is no refusal of the account: of the server's certificate, for one.
    const isRefused = isSejfError(error, "SEJF_ACCESS_DENIED") && error.hint === undefined;
    throw isRefused ? withAccountHint(error) : error;
  }
  await finishConnect(context, known);
  if (context.globals.persistCredentials)
    await keptCacheKey(server, { password: known }, context.configFile);
  context.log.info("Connected to repository API Server.");
}

/** Nobody is told whether there is such an account: what its owner has to do is told to all. */
function withAccountHint(error: SejfError): SejfError {
  return new SejfError("SEJF_ACCESS_DENIED", error.message, {
    cause: error,
    hint: `are the password and the name right? --override-username and --override-hostname say another name, the server's operator sees the accounts with \`sejf server user list\`; a sealed account connects with --enroll and its code, or as a further device with --account-key`,
  });
}

/** Whatever a connection is made to. */
export async function connectionOptions(
  context: CommandContext,
  values: ConnectFlagValues,
): Promise<Omit<ConnectOptions, "password"> & { readonly configFile: string }> {
  return {
    engine: await context.engine(),
    configFile: context.configFile,
    client: clientOptions(values),
    caching: cachingOptions(values),
    env: context.env,
    signal: context.signal,
    log: (level, message) => context.log[level](message),
  };
}

/** Keeps the password beside the connection file, unless that was refused; `undefined`: there is none to keep. */
export async function finishConnect(
  context: CommandContext,
  password: string | undefined,
): Promise<void> {
  const { forgetPassword, persistPassword } = await import("../../repository/index.ts");
  if (password !== undefined && context.globals.persistCredentials)
    await persistPassword(context.configFile, password);
  else await forgetPassword(context.configFile);
}

function clientOptions(values: ConnectFlagValues): Partial<ClientOptions> {
  const cacheNs = values.disableRepositoryFormatCache
    ? -1n
    : (values.repositoryFormatCacheDuration ?? 0n);
  return {
    ...(values.overrideHostname ? { hostname: values.overrideHostname } : {}),
    ...(values.overrideUsername ? { username: values.overrideUsername } : {}),
    ...(values.description ? { description: values.description } : {}),
    ...(cacheNs === 0n ? {} : { formatBlobCacheDurationNs: Number(cacheNs) }),
    readOnly: values.readonly,
    permissiveCacheLoading: values.permissiveCacheLoading,
    enableActions: values.enableActions,
  };
}

function cachingOptions(values: ConnectFlagValues): CachingOptions {
  return {
    cacheDirectory: values.cacheDirectory,
    maxCacheSize: values.contentCacheSizeMb * MIB,
    contentCacheSizeLimitBytes: megabytes(values.contentCacheSizeLimitMb),
    maxMetadataCacheSize: values.metadataCacheSizeMb * MIB,
    metadataCacheSizeLimitBytes: megabytes(values.metadataCacheSizeLimitMb),
    maxListCacheDuration: seconds(values.maxListCacheDuration),
    minMetadataSweepAge: seconds(values.metadataMinSweepAge),
    minContentSweepAge: seconds(values.contentMinSweepAge),
    minIndexSweepAge: seconds(values.indexMinSweepAge),
  };
}

function megabytes(value: number | undefined): number | undefined {
  return value === undefined ? undefined : value * MIB;
}

function seconds(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Number(value) / 1e9;
}
