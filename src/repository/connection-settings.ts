/** What a connection file says beside the settings of the client. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { ConnectionInfo, ThrottlingLimits } from "../blob/index.ts";
import { SejfError } from "../errors/index.ts";
import { type ApiServer, apiServerOf } from "./api-server.ts";
import { type ConnectionConfig, THROTTLING_NAMES } from "./config-json.ts";

/** Copies that kopia keeps in the cache folder. */
const CACHED_FORMAT_FILES: readonly string[] = ["kopia.repository", "kopia.blobcfg"];

/** @throws SEJF_UNSUPPORTED for a connection to a server: nothing but the server touches the storage. */
export function storageOf(config: ConnectionConfig, configFile: string): ConnectionInfo {
  if (config.storage !== undefined) return config.storage;
  throw new SejfError("SEJF_UNSUPPORTED", "operation supported only on direct repository", {
    hint: `${configFile} is a connection to a repository server; this is for whoever works on the storage itself`,
  });
}

/** The server of a connection; `undefined` for a direct one. @throws SEJF_NOT_CONNECTED, SEJF_INVALID_ARGUMENT. */
export function serverOf(config: ConnectionConfig, configFile: string): ApiServer | undefined {
  if (config.apiServer === undefined) return undefined;
  return apiServerOf(config.apiServer, `the connection file ${configFile}`);
}

/**
 * The connection's own limits, else those inside of the storage's configuration. @throws SEJF_UNSUPPORTED for a
 * connection to a server, which never touches a storage.
 */
export function throttlingOf(config: ConnectionConfig, configFile: string): ThrottlingLimits {
  const inside = storageOf(config, configFile).config;
  if (config.client.throttling !== undefined) return config.client.throttling;
  const pairs = THROTTLING_NAMES.map((name) => [name, inside[name]] as const);
  return Object.fromEntries(pairs.filter(([, value]) => typeof value === "number"));
}

/**
 * Removes the copies of the format that kopia keeps in the cache folder, so that it does not go on with an old
 * password, old parameters, or the keys of a repository that was there before.
 */
export async function dropCachedFormat(cacheDirectory: string | undefined): Promise<void> {
  if (cacheDirectory === undefined || cacheDirectory === "") return;
  for (const name of CACHED_FORMAT_FILES) await rm(join(cacheDirectory, name), { force: true });
}
