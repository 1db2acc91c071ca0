/** What the arguments of `restore` ask for: from a snapshot to a target, in place, or placeholders that are expanded. */
import { resolve } from "node:path";
import type { ClientIdentity } from "../../repository/index.ts";
import { type ArchiveFormat, parseSource, PLACEHOLDER_SUFFIX } from "../../snapshot/index.ts";
import { usageError } from "../usage-error.ts";

export const RESTORE_MODES = ["auto", "local", "zip", "zip-nocompress", "tar", "tgz"] as const;
export type RestoreMode = (typeof RESTORE_MODES)[number];

export type RestoreRequest =
  | { readonly placeholders: readonly string[] }
  | {
      readonly placeholders?: undefined;
      readonly source: string;
      /** Absolute; of a restore in place to be found with `inPlaceTarget`. */
      readonly target: string | undefined;
    };

/** @throws SEJF_INVALID_ARGUMENT. */
export function parseRestoreArguments(args: readonly string[]): RestoreRequest {
  const isPlaceholder = (arg: string): boolean =>
    arg.replace(/\/+$/, "").endsWith(PLACEHOLDER_SUFFIX);
  const placeholders = args.filter(isPlaceholder);
  if (placeholders.length === args.length)
    return { placeholders: placeholders.map((path) => resolve(path)) };
  const [source = "", target] = args;
  if (placeholders.length > 0 || args.length > 2)
    throw usageError("restore requires a source and a target path, or placeholders");
  return { source, target: target === undefined ? undefined : resolve(target) };
}

/** A path of this client is restored to where it came from. @throws SEJF_INVALID_ARGUMENT. */
export function inPlaceTarget(source: string, identity: ClientIdentity): string {
  const parsed = parseSource(source, identity);
  if (parsed.hostname !== identity.hostname || parsed.username !== identity.username) {
    throw usageError(
      "the source must be a path of this user and host to be the target too",
      "give a target path as the second argument",
    );
  }
  return parsed.path;
}

/** `undefined` for a folder. */
export function archiveFormat(mode: RestoreMode, target: string): ArchiveFormat | undefined {
  if (mode === "local") return undefined;
  if (mode !== "auto") return mode;
  if (target.endsWith(".zip")) return "zip";
  if (target.endsWith(".tar")) return "tar";
  return target.endsWith(".tar.gz") || target.endsWith(".tgz") ? "tgz" : undefined;
}
