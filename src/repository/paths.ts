/**
 * Where the connection file, the caches and the logs lie: at Kopia's places, so that a user of Kopia goes on with the
 * connection there is. Reference: kopia internal/ospath, cli/config.go, repo/caching.go.
 */
import { createHash } from "node:crypto";
import { homedir, platform } from "node:os";
import { basename, isAbsolute, join, resolve } from "node:path";

/** Environment variables; `process.env` in the program, a plain object in tests. */
export type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_CONFIG_NAME = "repository.config";

/**
 * The connection file: as given, else `SEJF_CONFIG_PATH`, else `KOPIA_CONFIG_PATH`, else Kopia's default. A bare name
 * without a folder lies in Kopia's configuration folder. Always absolute.
 */
export function resolveConfigFile(given: string | undefined, env: Environment): string {
  const path =
    firstOf(given, env["SEJF_CONFIG_PATH"], env["KOPIA_CONFIG_PATH"]) ?? DEFAULT_CONFIG_NAME;
  if (basename(path) === path) return join(configDirectory(env), path);
  return resolve(path);
}

/** Kopia's configuration folder of this user. */
export function configDirectory(env: Environment): string {
  if (platform() === "win32") return join(env["APPDATA"] ?? homedir(), "kopia");
  if (platform() === "darwin") return join(homeOf(env), "Library", "Application Support", "kopia");
  return join(firstOf(env["XDG_CONFIG_HOME"]) ?? join(homeOf(env), ".config"), "kopia");
}

/** Where logs go when nothing else is said: beside Kopia's, in a folder of our own. */
export function logDirectory(env: Environment): string {
  if (platform() === "win32") return join(env["LOCALAPPDATA"] ?? homedir(), "sejf");
  if (platform() === "darwin") return join(homeOf(env), "Library", "Logs", "sejf");
  return join(userCacheDirectory(env), "sejf");
}

/** The system's folder for this user's caches. */
export function userCacheDirectory(env: Environment): string {
  if (platform() === "win32") return env["LOCALAPPDATA"] ?? homedir();
  if (platform() === "darwin") return join(homeOf(env), "Library", "Caches");
  return firstOf(env["XDG_CACHE_HOME"]) ?? join(homeOf(env), ".cache");
}

/** The cache folder of a connection: the same one as Kopia's. Spec: kopia-format 1.6. */
export function defaultCacheDirectory(
  uniqueId: Uint8Array,
  configFile: string,
  env: Environment,
): string {
  const name = createHash("sha256").update(uniqueId).update(configFile).digest("hex").slice(0, 16);
  return join(userCacheDirectory(env), "kopia", name);
}

/** The cache folder that the environment demands, when it names an absolute one. */
export function cacheDirectoryOverride(env: Environment): string | undefined {
  const given = firstOf(env["SEJF_CACHE_DIRECTORY"], env["KOPIA_CACHE_DIRECTORY"]);
  return given !== undefined && isAbsolute(given) ? given : undefined;
}

/** `~` and `~/x` become paths in the home folder, as Kopia reads the paths of repositories. */
export function expandHome(path: string, env: Environment): string {
  return path.startsWith("~") ? homeOf(env) + path.slice(1) : path;
}

function homeOf(env: Environment): string {
  return firstOf(env["HOME"]) ?? homedir();
}

/** The first that is neither absent nor empty. */
function firstOf(...values: readonly (string | undefined)[]): string | undefined {
  return values.find((value) => value !== undefined && value !== "");
}
