/**
 * The doors to everything that needs the format, the storages and the engines: they load it when they are called,
 * so that whoever only looks at a connection file, or is about to start deriving a key, does not wait for it.
 */
import type { BlobId, BlobStorage } from "../blob/index.ts";
import type { CallOptions, OwnedBytes } from "../bytes/index.ts";
import type { CompressionEngine } from "../compress/index.ts";
import type { ApiServer } from "./api-server.ts";
import type { ConnectOptions, PreparedConnection } from "./connect.ts";
import type { Connection, OpenOptions } from "./connection.ts";
import type { CreatedRepository, CreateRepositoryOptions } from "./create.ts";
import type { DirectRepository } from "./direct-repository.ts";
import type { OpenRepositoryOptions } from "./open.ts";
import type { RecoverFormatOptions } from "./repair.ts";

/**
 * The repository of a connection file, ready to read and (unless it is read-only) write. Disposing it flushes nothing.
 * @throws as `openConnection`, and what reading the index state gives: SEJF_CORRUPT, SEJF_IO.
 */
export async function openRepository(options: OpenRepositoryOptions): Promise<DirectRepository> {
  const open = await import("./open.ts");
  return await open.openRepository(options);
}

/**
 * Opens the storage of a connection file and the format in it.
 * @throws SEJF_NOT_CONNECTED, SEJF_NOT_A_REPOSITORY, SEJF_INVALID_PASSWORD, SEJF_UNSUPPORTED_FORMAT,
 * SEJF_UPGRADE_IN_PROGRESS, SEJF_UNSUPPORTED for a connection to a server.
 */
export async function openConnection(options: OpenOptions): Promise<Connection> {
  const connection = await import("./connection.ts");
  return await connection.openConnection(options);
}

/**
 * Tries the password on the repository in `storage`, then writes the connection file, whose path it gives. A
 * connection that was there before is replaced only after that. The storage stays the caller's.
 * @throws SEJF_NOT_A_REPOSITORY, SEJF_INVALID_PASSWORD, SEJF_UNSUPPORTED_FORMAT, SEJF_INVALID_ARGUMENT.
 */
export async function connectRepository(
  storage: BlobStorage,
  options: ConnectOptions,
): Promise<string> {
  const connect = await import("./connect.ts");
  return await connect.connectRepository(storage, options);
}

/** A connection to a server as a file would say it; nobody has tried it yet. @throws SEJF_INVALID_ARGUMENT. */
export async function prepareServerConnection(
  server: ApiServer,
  options: Pick<ConnectOptions, "configFile" | "client" | "caching" | "fields" | "env">,
): Promise<PreparedConnection> {
  const connect = await import("./connect.ts");
  return connect.prepareServerConnection(server, options);
}

/**
 * Writes `kopia.blobcfg` and `kopia.repository` into an empty storage.
 * @throws SEJF_ALREADY_EXISTS when the storage holds anything else; SEJF_INVALID_ARGUMENT, SEJF_UNSUPPORTED.
 */
export async function createRepository(
  storage: BlobStorage,
  options: CreateRepositoryOptions,
): Promise<CreatedRepository> {
  const create = await import("./create.ts");
  return await create.createRepository(storage, options);
}

/**
 * Restores `kopia.repository` from the newest pack that has a copy. Gives the pack.
 * @throws SEJF_NOT_FOUND when no pack has one.
 */
export async function recoverFormatBlob(
  storage: BlobStorage,
  options: RecoverFormatOptions = {},
): Promise<BlobId> {
  const repair = await import("./repair.ts");
  return await repair.recoverFormatBlob(storage, options);
}

/**
 * Any blob as it was before encryption: decrypted and hashed against its name where it is of a kind that is encrypted
 * as a whole; packs and the `kopia.` blobs come as they are stored. `isPlain` tells which.
 * @throws SEJF_BLOB_NOT_FOUND; SEJF_CORRUPT naming the blob.
 */
export async function readPlainBlob(
  connection: Connection,
  id: BlobId,
  compression: CompressionEngine,
  options: CallOptions = {},
): Promise<{ readonly data: OwnedBytes; readonly isPlain: boolean }> {
  const plain = await import("./plain-blob.ts");
  return await plain.readPlainBlob(connection, id, compression, options);
}
