/** Sources of snapshots as text: `user@host:/path`. */
import { isAbsolute, resolve } from "node:path";
import { SejfError } from "../errors/index.ts";
import type { ClientIdentity } from "../repository/index.ts";
import type { SnapshotSource } from "./types.ts";

const WITH_HOST = /^(?:([^@:/\\]*)@)([^:/\\]*):(.*)$/s;

/**
 * `user@host:/path`, `user@host:` parts left empty are this client's; anything without `@host:` is a local path,
 * made absolute and clean. @throws SEJF_INVALID_ARGUMENT for an empty path.
 */
export function parseSource(text: string, identity: ClientIdentity): SnapshotSource {
  const match = WITH_HOST.exec(text);
  const path = match === null ? resolve(text) : (match[3] as string);
  if (path === "" || text === "")
    throw new SejfError("SEJF_INVALID_ARGUMENT", `${JSON.stringify(text)} has no path`);
  return {
    username: match?.[1] || identity.username,
    hostname: match?.[2] || identity.hostname,
    path: isAbsolute(path) ? resolve(path) : path,
  };
}

export function formatSource({ username, hostname, path }: SnapshotSource): string {
  return `${username}@${hostname}:${path}`;
}
