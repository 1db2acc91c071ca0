/**
 * How a directory tree holds blobs: one file a blob, in folders named by the first characters of its ID.
 * The file `.shards` in the root says how many. Reading a listing needs no rule: the ID is the folders and the
 * file name, one behind the other. Reference: kopia repo/blob/sharded.
 */
import { bytesToUtf8, type OwnedBytes, utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { isBlobId } from "./blob-id.ts";
import type { BlobId } from "./storage.ts";

/** What a blob's file name ends with; everything else in the tree is no blob. */
export const BLOB_SUFFIX = ".f";
/** The parameters, in the root of the tree. */
export const SHARDS_FILE = ".shards";
export const DEFAULT_MAX_UNSHARDED_LENGTH = 20;

const MAX_SHARDS_FILE_BYTES = 65_536;
const MAX_LEVELS = 64;

export interface ShardOverride {
  readonly prefix: string;
  readonly shards: readonly number[];
}

export interface ShardSpec {
  /** Lengths of folder names, outermost first; empty is flat. */
  readonly shards: readonly number[];
  /** IDs of at most this many characters lie in the root. */
  readonly maxUnshardedLength: number;
  /** The first whose prefix an ID begins with replaces `shards`. */
  readonly overrides: readonly ShardOverride[];
}

/**
 * The blob's path below the root, parts joined by `/`.
 * @throws SEJF_INVALID_ID for an ID whose folder would be `.` or `..`.
 */
export function shardPath(id: BlobId, spec: ShardSpec): string {
  let path = "";
  let rest: string = id;
  if (id.length > spec.maxUnshardedLength) {
    for (const length of shardsFor(id, spec)) {
      if (rest.length <= length) break;
      if (length === 0) continue;
      const folder = rest.slice(0, length);
      // SECURITY: an ID is refused `..` as a whole, but a cut may still leave a lone dot
      if (folder === "." || folder === "..")
        throw new SejfError("SEJF_INVALID_ID", `blob ID ${id} gives a folder named ${folder}`);
      path += `${folder}/`;
      rest = rest.slice(length);
    }
  }
  return `${path}${rest}${BLOB_SUFFIX}`;
}

function shardsFor(id: BlobId, spec: ShardSpec): readonly number[] {
  return spec.overrides.find((override) => id.startsWith(override.prefix))?.shards ?? spec.shards;
}

/** The ID of the file `name` in the folder whose names make `folderPrefix`, or `undefined` for what is no blob. */
export function blobIdOfFile(folderPrefix: string, name: string): BlobId | undefined {
  if (!name.endsWith(BLOB_SUFFIX)) return undefined;
  const id = folderPrefix + name.slice(0, -BLOB_SUFFIX.length);
  return isBlobId(id) ? id : undefined;
}

/** Whether a folder whose names make `folderPrefix` can hold an ID that begins with `wanted`. */
export function couldHold(folderPrefix: string, wanted: string): boolean {
  return (
    isBlobId(folderPrefix) && (folderPrefix.startsWith(wanted) || wanted.startsWith(folderPrefix))
  );
}

/** The bytes of `.shards`, as Go's encoder writes them: compact, with a line feed. */
export function formatShards(spec: ShardSpec): OwnedBytes {
  const json: Record<string, unknown> = {
    default: spec.shards,
    maxNonShardedLength: spec.maxUnshardedLength,
  };
  if (spec.overrides.length > 0)
    json["overrides"] = spec.overrides.map(({ prefix, shards }) => ({ prefix, shards }));
  return utf8ToBytes(`${JSON.stringify(json)}\n`);
}

/** @throws SEJF_CORRUPT for bytes that are no shard parameters. */
export function parseShards(bytes: Uint8Array): ShardSpec {
  if (bytes.byteLength > MAX_SHARDS_FILE_BYTES) throw corrupt(`is ${bytes.byteLength} bytes long`);
  const json = parseJson(bytes);
  if (!isRecord(json)) throw corrupt("is no JSON object");
  const overrides = json["overrides"] ?? [];
  if (!Array.isArray(overrides)) throw corrupt("has overrides that are no array");
  return {
    shards: toShards(json["default"]),
    maxUnshardedLength: toLength(json["maxNonShardedLength"] ?? 0),
    overrides: overrides.map(toOverride),
  };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(bytesToUtf8(bytes));
  } catch (error) {
    throw corrupt("is no JSON", error);
  }
}

function toOverride(value: unknown): ShardOverride {
  if (!isRecord(value) || typeof value["prefix"] !== "string")
    throw corrupt("has an override without a prefix");
  return { prefix: value["prefix"], shards: toShards(value["shards"]) };
}

function toShards(value: unknown): readonly number[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value) || value.length > MAX_LEVELS)
    throw corrupt(`has shards that are no array of at most ${MAX_LEVELS}`);
  return value.map(toLength);
}

function toLength(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw corrupt("has a length that is no whole number of 0 or more");
  return value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function corrupt(what: string, cause?: unknown): SejfError {
  return new SejfError("SEJF_CORRUPT", `file ${SHARDS_FILE} ${what}`, {
    cause,
    hint: `restore ${SHARDS_FILE} from a copy of the store; a new store has {"default":[1,3],"maxNonShardedLength":20}`,
  });
}
