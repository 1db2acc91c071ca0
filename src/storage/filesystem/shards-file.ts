/** The file `.shards` in the root of a store, and what holds where it is missing. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  DEFAULT_MAX_UNSHARDED_LENGTH,
  formatShards,
  parseShards,
  SHARDS_FILE,
  type ShardSpec,
} from "../../blob/index.ts";
import { systemCode } from "./system-errors.ts";
import { writeFileAtomically, type WriteFileOptions } from "./write-file.ts";

const NEW_SHARDS: readonly number[] = [1, 3];
/** Stores made before `.shards` was invented. */
const LEGACY_SHARDS: readonly number[] = [3, 3];

/** `undefined` when there is none. System errors pass. @throws SEJF_CORRUPT. */
export async function readShardsFile(root: string): Promise<ShardSpec | undefined> {
  try {
    return parseShards(await readFile(join(root, SHARDS_FILE)));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Stores the layout, unless another writer was quicker: then theirs holds. Returns what the store has now. */
export async function writeShardsFile(
  root: string,
  spec: ShardSpec,
  options: WriteFileOptions,
): Promise<ShardSpec> {
  try {
    await writeFileAtomically(join(root, SHARDS_FILE), [formatShards(spec)], {
      ...options,
      ifAbsent: true,
    });
    return spec;
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
    return (await readShardsFile(root)) ?? spec;
  }
}

/** The layout of a store without `.shards`. */
export function defaultShards(
  configured: readonly number[] | null | undefined,
  creating: boolean,
): ShardSpec {
  const shards = configured ?? (creating ? NEW_SHARDS : LEGACY_SHARDS);
  return { shards, maxUnshardedLength: DEFAULT_MAX_UNSHARDED_LENGTH, overrides: [] };
}
