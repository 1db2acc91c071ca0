/** Changing and forgetting a connection: what needs its file, but not the repository. */
import { rm } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
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

/** @throws SEJF_INVALID_ARGUMENT. */
export function assertPermissiveOnlyReadOnly(client: ClientOptions): void {
  if (client.permissiveCacheLoading && !client.readOnly) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      "permissive loading of indexes is only possible on a read-only connection",
    );
  }
}
