/** Changing and forgetting a connection: what needs its file, but not the repository. */
import { rm } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import {
  type ApiServer,
  apiServerJson,
  apiServerOf,
  parseApiServer,
  serverDescription,
} from "./api-server.ts";
import { loadConfig, saveConfig } from "./config-file.ts";
import type { ClientOptions, ConnectionConfig } from "./config-json.ts";
import type { Environment } from "./paths.ts";

/** Removes the connection file, its maintenance lock and its caches, which are made anew by the next connection. */
export async function disconnectRepository(
  configFile: string,
  env: Environment,
): Promise<ConnectionConfig> {
  const config = await loadConfig(configFile, env);
  const directory = config.caching?.cacheDirectory ?? "";
  if (directory !== "" && !isAbsolute(directory)) {
    throw new SejfError(
      "SEJF_NOT_CONNECTED",
      `the cache folder in ${configFile} is not an absolute path, refusing to delete it`,
    );
  }
  try {
    if (directory !== "") await rm(directory, { recursive: true, force: true });
    await rm(`${configFile}.mlock`, { force: true });
    await rm(configFile);
  } catch (error) {
    throw errorFromUnknown(error, `disconnecting from the repository of ${configFile}`);
  }
  return config;
}

/**
 * Changes settings of this client in the connection file; what is not named stays, unknown fields too.
 * @throws SEJF_NOT_CONNECTED, SEJF_INVALID_ARGUMENT.
 */
export async function setClientOptions(
  configFile: string,
  changes: Partial<ClientOptions>,
  env: Environment,
): Promise<ClientOptions> {
  const config = await loadConfig(configFile, env);
  const client = { ...config.client, ...changes };
  assertPermissiveOnlyReadOnly(client);
  await saveConfig(configFile, { ...config, client });
  return client;
}

/**
 * The server has moved, or has another certificate; what is not named stays. Nobody is asked: a sealed account refuses another
 * repository than its own by itself. @throws SEJF_NOT_CONNECTED, SEJF_INVALID_ARGUMENT for a connection without a server.
 */
export async function setServer(
  configFile: string,
  moved: { readonly url?: string | undefined; readonly fingerprint?: string | undefined },
  env: Environment,
): Promise<ApiServer> {
  const config = await loadConfig(configFile, env);
  if (config.apiServer === undefined)
    throw new SejfError("SEJF_INVALID_ARGUMENT", `${configFile} is no connection to a server`, {
      hint: "use `repository connect`",
    });
  const old = apiServerOf(config.apiServer, configFile);
  const server = parseApiServer({
    url: moved.url ?? old.url,
    fingerprint: moved.fingerprint ?? old.fingerprint,
    cacheKeyAlgorithm: old.cacheKeyAlgorithm,
    upgrades: old.upgrades,
  });
  const { client } = config;
  const isDescribed = client.description === serverDescription(old);
  await saveConfig(configFile, {
    ...config,
    client: isDescribed ? { ...client, description: serverDescription(server) } : client,
    apiServer: { ...config.apiServer, ...apiServerJson(server) },
  });
  return server;
}

/** @throws SEJF_INVALID_ARGUMENT. */
export function assertPermissiveOnlyReadOnly(client: ClientOptions): void {
  if (client.permissiveCacheLoading && !client.readOnly) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      "permissive loading of indexes is only possible on a read-only connection",
    );
  }
}
