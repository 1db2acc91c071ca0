/** Symlinks of a restore: their targets are read beside the walk, some at a time. */
import type { CallOptions } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { LocalName } from "../format/index.ts";
import { localName, setLinkAttributes } from "../node/index.ts";
import { type ObjectId, readObject } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import { attributesOf, placeSymlink } from "./restore-rules.ts";
import type { RestoreTally } from "./restore-tally.ts";
import type { RestoreOptions } from "./restore-types.ts";
import type { DirEntry } from "./types.ts";

/** Longer than any system allows. */
const MAX_LINK_BYTES = 64 * 1024;

/** Where a symlink points to. @throws SEJF_CORRUPT, SEJF_CONTENT_NOT_FOUND. */
export async function readLinkTarget(
  repository: Repository,
  object: ObjectId,
  options: CallOptions,
): Promise<LocalName> {
  const target = await readObject(repository.contents, object, MAX_LINK_BYTES, options);
  if (target.length === 0 || target.includes(0))
    throw new SejfError("SEJF_CORRUPT", "a symbolic link without a possible target");
  return localName(target);
}

/** Makes a symlink, or leaves the one that is there. @throws SEJF_ALREADY_EXISTS, SEJF_PERMISSION, SEJF_IO, SEJF_CORRUPT. */
export async function restoreSymlink(
  repository: Repository,
  directory: () => LocalName,
  entry: DirEntry,
  options: RestoreOptions,
  tally: RestoreTally,
): Promise<void> {
  if (options.skipSymlinks === true) {
    tally.skip(0);
    return;
  }
  const target = await readLinkTarget(repository, entry.object, { signal: options.signal });
  const made = placeSymlink(directory(), entry, target, options);
  if (made === undefined) {
    tally.skip(0);
    return;
  }
  setLinkAttributes(made, attributesOf(entry, options), {
    ignorePermissionErrors: options.ignorePermissionErrors !== false,
  });
  tally.counters.symlinks++;
}
