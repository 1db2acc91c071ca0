/** The flags of a repository in a folder. Reference: kopia cli/storage_filesystem.go. */
import { isAbsolute } from "node:path";
import type { ConnectionInfo } from "../../blob/index.ts";
import { type Environment, expandHome } from "../../repository/index.ts";
import { decimal, type FlagValues, flag, integer, text } from "../flags.ts";
import { usageError } from "../usage-error.ts";

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
/** What clients of format version 1 can read. */
const OLD_SHARDS: readonly number[] = [3, 3];

const flags = {
  path: text("Path to the repository", { required: true, placeholder: "PATH" }),
  ownerUid: text("User ID owning newly created files", { placeholder: "USER" }),
  ownerGid: text("Group ID owning newly created files", { placeholder: "GROUP" }),
  fileMode: text("File mode for newly created files (0600)", { placeholder: "MODE" }),
  dirMode: text("Mode of newly directory files (0700)", { placeholder: "MODE" }),
  flat: flag("Use flat directory structure"),
  listParallelism: integer("Set list parallelism", { hidden: true }),
  maxDownloadSpeed: decimal("Limit the download speed", { placeholder: "BYTES_PER_SEC" }),
  maxUploadSpeed: decimal("Limit the upload speed", { placeholder: "BYTES_PER_SEC" }),
};

type AllFlags = { readonly [K in keyof typeof flags]: (typeof flags)[K] };
export const FILESYSTEM_FLAGS: AllFlags = flags;
export type FilesystemFlagValues = FlagValues<AllFlags>;

/** `formatVersion` is given when a repository is made: version 1 has another layout. */
export function filesystemConnection(
  values: FilesystemFlagValues,
  env: Environment,
  formatVersion?: number,
): ConnectionInfo {
  const path = expandHome(values.path, env);
  if (!isAbsolute(path))
    throw usageError(
      `--path: ${JSON.stringify(values.path)} is not an absolute path`,
      "repositories are named by their whole path, such as /backup/repository",
    );
  return {
    type: "filesystem",
    config: {
      path,
      fileMode: octal("--file-mode", values.fileMode) ?? FILE_MODE,
      dirMode: octal("--dir-mode", values.dirMode) ?? DIRECTORY_MODE,
      ...optional("uid", ownerId("--owner-uid", values.ownerUid)),
      ...optional("gid", ownerId("--owner-gid", values.ownerGid)),
      dirShards: shards(values.flat, formatVersion),
      ...optional("listParallelism", values.listParallelism),
      ...optional("maxUploadSpeedBytesPerSecond", values.maxUploadSpeed),
      ...optional("maxDownloadSpeedBytesPerSecond", values.maxDownloadSpeed),
    },
  };
}

function shards(flat: boolean, formatVersion: number | undefined): readonly number[] | null {
  if (flat) return [];
  return formatVersion === 1 ? OLD_SHARDS : null;
}

function optional(name: string, value: number | undefined): Record<string, number> {
  return value === undefined || value === 0 ? {} : { [name]: value };
}

function octal(name: string, value: string | undefined): number | undefined {
  if (value === undefined || value === "") return undefined;
  if (/^[0-7]{1,5}$/.test(value)) return Number.parseInt(value, 8);
  throw usageError(`${name}: ${JSON.stringify(value)} is not an octal mode such as 0600`);
}

/** 0 is a real owner, but also the one that root has anyway. */
function ownerId(name: string, value: string | undefined): number | undefined {
  if (value === undefined || value === "") return undefined;
  if (/^\d{1,10}$/.test(value)) return Number(value);
  throw usageError(`${name}: ${JSON.stringify(value)} is not a number`);
}
