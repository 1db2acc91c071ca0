/** What `repository status` says of this client and of a connection to a server. */
import { formatDuration } from "../../bytes/index.ts";
import {
  type ApiServer,
  apiServerJson,
  clientOptionsJson,
  type ConnectionConfig,
  encodeToken,
  type Token,
} from "../../repository/index.ts";
import type { RemoteRepository } from "../../rpc/client/index.ts";
import { isSejfError } from "../../errors/index.ts";
import type { CommandContext } from "../context.ts";
import { type JsonOptions, jsonText } from "../output/json.ts";
import { formatBytes } from "../output/units.ts";

type StatusFlags = JsonOptions & {
  readonly reconnectToken: boolean;
  readonly reconnectTokenWithPassword: boolean;
};

/** The same for every connection. */
export function tellClient(context: CommandContext, { client }: ConnectionConfig): void {
  const { out } = context;
  out.line(`Config file:         ${context.configFile}`);
  out.line();
  out.line(`Description:         ${client.description}`);
  out.line(`Hostname:            ${client.hostname}`);
  out.line(`Username:            ${client.username}`);
  out.line(`Read-only:           ${client.readOnly}`);
  const cache = client.formatBlobCacheDurationNs;
  out.line(`Format blob cache:   ${cache > 0 ? formatDuration(BigInt(cache)) : "disabled"}`);
}

/** The server is asked, so that a connection that does not work any more is an error. */
export async function tellServerStatus(
  context: CommandContext,
  config: ConnectionConfig,
  server: ApiServer,
  flags: StatusFlags,
): Promise<void> {
  await using repository = await context.openServerRepository();
  if (flags.json) {
    context.out.line(jsonText(serverStatusJson(context, config, server, repository), flags));
    return;
  }
  tellTrust(context, config, server);
  tellClient(context, config);
  await tellServer(context, server, repository);
  if (!flags.reconnectToken) return;
  const password = flags.reconnectTokenWithPassword ? await context.password() : undefined;
  const { username, hostname } = config.client;
  showToken(context, { server, username, hostname, password });
}

/** The line that connects again. */
export function showToken({ out }: CommandContext, token: Token): void {
  out.line(
    `\nTo reconnect to the repository use:\n\n$ sejf repository connect from-config --token ${encodeToken(token)}\n`,
  );
  if (token.password !== undefined) {
    out.line(
      "NOTICE: The token printed above can be trivially decoded to reveal the repository password. Do not store it in an unsecured place.",
    );
  }
}

/** Kopia's members are empty for what only a direct connection knows; `apiServer` is ours. */
function serverStatusJson(
  context: CommandContext,
  { client }: ConnectionConfig,
  server: ApiServer,
  { parameters }: RemoteRepository,
): Readonly<Record<string, unknown>> {
  return {
    configFile: context.configFile,
    uniqueIDHex: "",
    clientOptions: clientOptionsJson(client),
    storage: { type: "", config: null },
    contentFormat: {
      hash: parameters.hash,
      epochParameters: NO_EPOCHS,
      enablePasswordChange: false,
    },
    objectFormat: { splitter: parameters.splitter },
    blobRetention: {},
    apiServer: apiServerJson(server),
  };
}

const NO_EPOCHS = {
  Enabled: false,
  EpochRefreshFrequency: 0,
  FullCheckpointFrequency: 0,
  CleanupSafetyMargin: 0,
  MinEpochDuration: 0,
  EpochAdvanceOnCountThreshold: 0,
  EpochAdvanceOnTotalSizeBytesThreshold: 0,
  DeleteParallelism: 0,
};

/** SECURITY: the first thing that is said of a managed account is that the server sees everything. */
function tellTrust(
  { out }: CommandContext,
  { client }: ConnectionConfig,
  { url }: ApiServer,
): void {
  const account = `${client.username}@${client.hostname}`;
  out.line(
    `Who can read:        the server at ${url} and whoever operates it can read everything; so can everybody with the password of ${account}`,
  );
  out.line(
    `Who can delete:      the server and whoever operates it; ${account} only what the server lets it`,
  );
  out.line();
}

async function tellServer(
  context: CommandContext,
  server: ApiServer,
  repository: RemoteRepository,
): Promise<void> {
  const { out, signal } = context;
  const { hash, splitter, indexVersion } = repository.parameters;
  out.line();
  out.line(`Server:              ${server.url}`);
  out.line(`Certificate:         ${server.fingerprint ?? "trusted by this system"}`);
  const capacity = await capacityOf(repository, signal);
  if (capacity === undefined) out.line("Storage capacity:    unbounded");
  else {
    out.line(`Storage capacity:    ${formatBytes(Number(capacity.sizeBytes))}`);
    out.line(`Storage available:   ${formatBytes(Number(capacity.freeBytes))}`);
  }
  out.line(`Hash:                ${hash}`);
  out.line(`Splitter:            ${splitter}`);
  out.line(`Content compression: ${indexVersion >= 2}`);
}

/** Not every storage has one, and not everybody may ask. */
async function capacityOf(
  repository: RemoteRepository,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<RemoteRepository["capacity"]>> | undefined> {
  try {
    return await repository.capacity({ signal });
  } catch (error) {
    if (isSejfError(error, "SEJF_UNSUPPORTED") || isSejfError(error, "SEJF_ACCESS_DENIED"))
      return undefined;
    throw error;
  }
}
