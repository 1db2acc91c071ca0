/**
 * Blobs as files of a directory tree, byte for byte as Kopia lays it out.
 * Reference: kopia repo/blob/filesystem, repo/blob/sharded; kopia-format 1.3.
 */
import { lstat, mkdir, stat, statfs, unlink } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import {
  type BlobId,
  type BlobMetadata,
  blobParts,
  type BlobStorage,
  type ByteRange,
  type ConnectionInfo,
  type PutOptions,
  type ShardSpec,
  shardPath,
  type StorageCapabilities,
  totalLength,
} from "../../blob/index.ts";
import type { CallOptions, Clock, OwnedBytes, Random } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { type FilesystemConfig, parseFilesystemConfig } from "./config.ts";
import { readBlobFile } from "./read-file.ts";
import { defaultShards, readShardsFile, writeShardsFile } from "./shards-file.ts";
import { storageError, systemCode } from "./system-errors.ts";
import { listTree, walkTree } from "./tree.ts";
import {
  syncDirectory,
  TEMPORARY_NAME,
  writeFileAtomically,
  type WriteFileOptions,
} from "./write-file.ts";

export interface FilesystemStorageOptions {
  /** Makes the folder where there is none, and lays it out as a new repository. Default false. */
  readonly create?: boolean | undefined;
  /** Names of temporary files. */
  readonly random: Random;
  /** Told what went wrong without stopping the work. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

const DEFAULT_FILE_MODE = 0o600;
const DEFAULT_DIR_MODE = 0o700;
const DEFAULT_LIST_PARALLELISM = 4;
const STALE_AFTER_MS = 24 * 60 * 60 * 1000;

/**
 * Opens the store in a folder.
 * @throws SEJF_INVALID_ARGUMENT, SEJF_NOT_A_REPOSITORY when there is no such folder, SEJF_CORRUPT for a broken
 * `.shards`, SEJF_PERMISSION, SEJF_IO.
 */
export async function openFilesystemStorage(
  config: FilesystemConfig,
  options: FilesystemStorageOptions,
): Promise<FilesystemStorage> {
  const parsed = parseFilesystemConfig(config);
  const root = resolve(parsed.path);
  try {
    if (options.create === true)
      await mkdir(root, { recursive: true, mode: parsed.dirMode || DEFAULT_DIR_MODE });
    await assertFolder(root);
    const stored = await readShardsFile(root);
    const spec = stored ?? defaultShards(parsed.dirShards, options.create === true);
    return new FilesystemStorage({ ...parsed, path: root }, options, spec, stored !== undefined);
  } catch (error) {
    throw storageError(error, `opening the storage in ${root}`);
  }
}

/** Made by `openFilesystemStorage`. */
export class FilesystemStorage implements BlobStorage {
  readonly capabilities: StorageCapabilities = {
    objectLock: false,
    setTime: true,
    readOnly: false,
  };
  readonly displayName: string;
  readonly connectionInfo: ConnectionInfo;
  readonly #root: string;
  readonly #config: FilesystemConfig;
  readonly #random: Random;
  readonly #onWarning: ((message: string) => void) | undefined;
  /** Folders of the tree that are known to be there, and to be real ones. */
  readonly #folders = new Set<string>();
  #spec: ShardSpec;
  #shardsStored: Promise<void> | undefined;

  constructor(
    config: FilesystemConfig,
    options: FilesystemStorageOptions,
    spec: ShardSpec,
    shardsStored: boolean,
  ) {
    this.#root = config.path;
    this.#config = config;
    this.#random = options.random;
    this.#onWarning = options.onWarning;
    this.#spec = spec;
    this.#shardsStored = shardsStored ? Promise.resolve() : undefined;
    this.displayName = `Filesystem: ${config.path}`;
    this.connectionInfo = {
      type: "filesystem",
      config: { ...config, dirShards: config.dirShards ?? null },
    };
  }

  localPath(id: BlobId): string {
    return join(this.#root, shardPath(id, this.#spec));
  }

  async get(
    id: BlobId,
    options: CallOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<OwnedBytes> {
    options.signal?.throwIfAborted();
    const path = this.localPath(id);
    try {
      return await readBlobFile(path, id, options.range, options.signal);
    } catch (error) {
      if (systemCode(error) === "ENOENT") throw await this.#absence(id);
      if (error instanceof RangeError) throw error;
      throw storageError(error, `reading blob ${id}`, options.signal);
    }
  }

  async stat(id: BlobId, options: CallOptions = {}): Promise<BlobMetadata | undefined> {
    options.signal?.throwIfAborted();
    const path = this.localPath(id);
    try {
      const found = await lstat(path, { bigint: true });
      if (!found.isFile()) throw new SejfError("SEJF_IO", `blob ${id} is no regular file: ${path}`);
      return { id, lengthBytes: Number(found.size), timestamp: found.mtimeNs };
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw storageError(error, `looking for blob ${id}`);
      await this.#absence(id);
      return undefined;
    }
  }

  async put(
    id: BlobId,
    data: Uint8Array | readonly Uint8Array[],
    options: PutOptions = {},
  ): Promise<BlobMetadata> {
    options.signal?.throwIfAborted();
    if (options.retention !== undefined) {
      throw new SejfError("SEJF_UNSUPPORTED", "a filesystem storage has no object lock", {
        hint: "set no retention mode here",
      });
    }
    const parts = blobParts(data);
    try {
      await this.#storeShards();
      const path = this.localPath(id);
      const timestamp = await this.#write(path, parts, options);
      return { id, lengthBytes: totalLength(parts), timestamp };
    } catch (error) {
      if (options.ifAbsent === true && systemCode(error) === "EEXIST") {
        throw new SejfError("SEJF_ALREADY_EXISTS", `blob ${id} exists already`, { cause: error });
      }
      throw storageError(error, `writing blob ${id}`, options.signal);
    }
  }

  async delete(id: BlobId, options: CallOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    const path = this.localPath(id);
    try {
      await unlink(path);
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw storageError(error, `deleting blob ${id}`);
      await this.#absence(id);
    }
  }

  async *list(
    prefix: string,
    options: CallOptions = {},
  ): AsyncGenerator<readonly BlobMetadata[], void, void> {
    options.signal?.throwIfAborted();
    try {
      yield* listTree(this.#root, prefix, { parallel: this.#parallel, signal: options.signal });
    } catch (error) {
      throw storageError(error, `listing blobs in ${this.#root}`, options.signal);
    }
  }

  async capacity(
    options: CallOptions = {},
  ): Promise<{ readonly totalBytes: number; readonly freeBytes: number }> {
    options.signal?.throwIfAborted();
    try {
      const volume = await statfs(this.#root);
      return { totalBytes: volume.blocks * volume.bsize, freeBytes: volume.bavail * volume.bsize };
    } catch (error) {
      throw storageError(error, `asking for the free space of ${this.#root}`);
    }
  }

  /**
   * Removes what writers that died left behind: temporary files older than a day. A put that is still under way is
   * never that old.
   */
  async removeStaleTemporaryFiles(
    clock: Clock,
    options: CallOptions = {},
  ): Promise<{ readonly files: number; readonly bytes: number }> {
    const removed = { files: 0, bytes: 0 };
    const oldestMs = clock.nowMs() - STALE_AFTER_MS;
    try {
      for await (const folder of walkTree(this.#root, "", {
        parallel: this.#parallel,
        signal: options.signal,
      })) {
        for (const name of folder.files.filter((file) => TEMPORARY_NAME.test(file))) {
          options.signal?.throwIfAborted();
          const path = join(folder.path, name);
          const sizeBytes = await removeIfOld(path, oldestMs);
          if (sizeBytes === undefined) continue;
          removed.files++;
          removed.bytes += sizeBytes;
        }
      }
    } catch (error) {
      throw storageError(error, `removing temporary files in ${this.#root}`, options.signal);
    }
    return removed;
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  get #parallel(): number {
    return this.#config.listParallelism || DEFAULT_LIST_PARALLELISM;
  }

  async #write(path: string, parts: readonly Uint8Array[], put: PutOptions): Promise<bigint> {
    const { uid, gid, fileMode } = this.#config;
    const options: WriteFileOptions = {
      mode: fileMode || DEFAULT_FILE_MODE,
      random: this.#random,
      owner: uid === undefined || gid === undefined ? undefined : { uid, gid },
      timestamp: put.timestamp,
      ifAbsent: put.ifAbsent,
      signal: put.signal,
      onWarning: this.#onWarning,
    };
    await this.#ensureFolder(dirname(path));
    try {
      return await writeFileAtomically(path, parts, options);
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
      // somebody removed a folder that was there
      this.#folders.clear();
      await this.#ensureFolder(dirname(path));
      return writeFileAtomically(path, parts, options);
    }
  }

  /** Makes the folders from the root to `folder`; never the root itself, which may be a volume that is not mounted. */
  async #ensureFolder(folder: string): Promise<void> {
    if (folder === this.#root || this.#folders.has(folder)) return;
    await this.#ensureFolder(dirname(folder));
    try {
      await mkdir(folder, this.#config.dirMode || DEFAULT_DIR_MODE);
      await syncDirectory(dirname(folder));
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
    }
    // SECURITY: whoever may write in the store must not lead our writes out of it by a symlink
    if (!(await lstat(folder)).isDirectory())
      throw new SejfError("SEJF_IO", `${folder} is no folder, blobs belong in it`);
    this.#folders.add(folder);
  }

  /** The first put into a store without `.shards` leaves them, so that every later client lays it out the same way. */
  async #storeShards(): Promise<void> {
    this.#shardsStored ??= this.#writeShards();
    await this.#shardsStored;
  }

  async #writeShards(): Promise<void> {
    const mode = this.#config.fileMode || DEFAULT_FILE_MODE;
    try {
      this.#spec = await writeShardsFile(this.#root, this.#spec, { mode, random: this.#random });
    } catch (error) {
      this.#onWarning?.(`cannot store the layout of ${this.#root}: ${String(error)}`);
    }
  }

  /** The error for an absent blob, unless the whole store has vanished, which must not look like an empty one. */
  async #absence(id: BlobId): Promise<SejfError> {
    await assertFolder(this.#root);
    return new SejfError("SEJF_BLOB_NOT_FOUND", `blob ${id} is not in ${this.#root}${sep}`);
  }
}

/** The length of the file it removed; `undefined` for one that is young, or was renamed by its writer just now. */
async function removeIfOld(path: string, oldestMs: number): Promise<number | undefined> {
  try {
    const found = await lstat(path);
    if (!found.isFile() || found.mtimeMs > oldestMs) return undefined;
    await unlink(path);
    return found.size;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** @throws SEJF_NOT_A_REPOSITORY for a path that is no folder. */
async function assertFolder(path: string): Promise<void> {
  const hint = "check the path, and that the disk or share is mounted";
  const found = await stat(path).catch((error: unknown) => {
    if (systemCode(error) !== "ENOENT" && systemCode(error) !== "ENOTDIR")
      throw storageError(error, `looking for ${path}`);
    throw new SejfError("SEJF_NOT_A_REPOSITORY", `there is no folder ${path}`, {
      cause: error,
      hint,
    });
  });
  if (!found.isDirectory())
    throw new SejfError("SEJF_NOT_A_REPOSITORY", `${path} is no folder`, { hint });
}
