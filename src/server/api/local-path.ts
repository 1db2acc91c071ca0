/** Paths as people type them into the interface, on the server's own disk. */
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import type { Environment } from "../../repository/index.ts";

/** `~` and paths without a root are in the home folder of the server's user. Clean and absolute. */
export function resolveLocalPath(path: string, env: Environment): string {
  const home = env["HOME"] ?? homedir();
  if (path === "~" || /^~[/\\]/.test(path)) return resolve(home + path.slice(1));
  return isAbsolute(path) ? resolve(path) : join(home, path);
}
