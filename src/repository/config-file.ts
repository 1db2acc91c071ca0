/** Loading and saving the connection file. In memory the cache folder is absolute, in the file relative where possible. */
import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import { writeFileAtomically } from "./atomic-file.ts";
import { type ConnectionConfig, decodeConfig, encodeConfig } from "./config-json.ts";
import { isAbsent } from "./password-file.ts";
import { cacheDirectoryOverride, type Environment } from "./paths.ts";

/**
 * The connection at an absolute path, its cache folder made absolute or replaced by the environment's.
 * @throws SEJF_NOT_CONNECTED when there is none or it is broken; SEJF_PERMISSION.
 */
export async function loadConfig(configFile: string, env: Environment): Promise<ConnectionConfig> {
  let text: string;
  try {
    text = await readFile(configFile, "utf8");
  } catch (error) {
    if (!isAbsent(error))
      throw errorFromUnknown(error, `reading the connection file ${configFile}`);
    throw new SejfError(
      "SEJF_NOT_CONNECTED",
      `not connected to a repository: there is no ${configFile}`,
      {
        hint: "use `repository connect` or `repository create` first, or name another file with --config-file",
      },
    );
  }
  const config = decodeConfig(text, configFile);
  const stored = config.caching?.cacheDirectory;
  if (config.caching === undefined || stored === undefined) return config;
  const directory =
    cacheDirectoryOverride(env) ?? (stored === "" ? "" : resolve(dirname(configFile), stored));
  return { ...config, caching: { ...config.caching, cacheDirectory: directory } };
}

/** @throws SEJF_NO_SPACE, SEJF_PERMISSION, SEJF_IO. */
export async function saveConfig(configFile: string, config: ConnectionConfig): Promise<void> {
  const directory = config.caching?.cacheDirectory;
  const stored =
    directory === undefined || directory === ""
      ? config
      : {
          ...config,
          caching: {
            ...config.caching,
            cacheDirectory: relativeWherePossible(configFile, directory),
          },
        };
  await writeFileAtomically(configFile, encodeConfig(stored));
}

/** On Windows a path on another drive stays absolute. */
function relativeWherePossible(configFile: string, directory: string): string {
  const path = relative(dirname(configFile), directory);
  return path === "" || isAbsolute(path) ? directory : path;
}
