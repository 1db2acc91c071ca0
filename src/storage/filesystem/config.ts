/** The `config` of a connection of type `filesystem`, under the names that Kopia's connection files use. */
import { z } from "zod";
import type { ThrottlingLimits } from "../../blob/index.ts";
import { count, LIMIT_FIELDS, parseStorageConfig } from "../config-fields.ts";

/** Fields that we do not know are kept for whoever wrote them. */
export interface FilesystemConfig extends ThrottlingLimits {
  readonly path: string;
  /** Mode of new files, default 0600; 0 is the default too. The umask applies. */
  readonly fileMode?: number | undefined;
  /** Mode of new folders, default 0700; 0 is the default too. The umask applies. */
  readonly dirMode?: number | undefined;
  /** Owner of new files; only with `gid`, and only when run by root. */
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Layout where the store has no `.shards`; null is the usual one. */
  readonly dirShards?: readonly number[] | null | undefined;
  /** Folders listed at once; 0 is the default. */
  readonly listParallelism?: number | undefined;
}

const mode = z.int().min(0).max(0o7777);

const schema = z.looseObject({
  path: z
    .string()
    .min(1)
    .refine((path) => !path.includes("\0"), "must not hold a NUL"),
  fileMode: mode.optional(),
  dirMode: mode.optional(),
  uid: count.optional(),
  gid: count.optional(),
  dirShards: z.array(count.max(64)).max(64).nullish(),
  listParallelism: count.max(1024).optional(),
  ...LIMIT_FIELDS,
});

/** @throws SEJF_INVALID_ARGUMENT naming each field with a value that cannot be. */
export function parseFilesystemConfig(config: unknown): FilesystemConfig {
  return parseStorageConfig(schema, config, "filesystem");
}
