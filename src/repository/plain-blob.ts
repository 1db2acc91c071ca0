/** Any blob of a repository as it was before encryption, for looking at. */
import type { BlobId } from "../blob/index.ts";
import type { CallOptions, OwnedBytes } from "../bytes/index.ts";
import type { CompressionEngine } from "../compress/index.ts";
import { type BlobKind, blobKind, createBlobCodec } from "../format/index.ts";
import type { Connection } from "./connection.ts";

/** Kinds that are encrypted as a whole, under their own name. */
const ENCRYPTED: ReadonlySet<BlobKind> = new Set([
  "uncompacted-index",
  "single-epoch-index",
  "range-index",
  "old-index",
  "compaction-log",
  "cleanup-schedule",
  "session",
  "log",
]);

/**
 * Decrypted and hashed against its name where the blob is of a kind that is encrypted as a whole; packs and the
 * `kopia.` blobs come as they are stored. `isPlain` tells which.
 * @throws SEJF_BLOB_NOT_FOUND; SEJF_CORRUPT naming the blob.
 */
export async function readPlainBlob(
  connection: Connection,
  id: BlobId,
  compression: CompressionEngine,
  options: CallOptions = {},
): Promise<{ readonly data: OwnedBytes; readonly isPlain: boolean }> {
  const { storage, engine, access, random } = connection;
  const stored = await storage.get(id, options);
  if (!ENCRYPTED.has(blobKind(id))) return { data: stored, isPlain: false };
  const codec = createBlobCodec(engine, compression, access.format, random);
  return { data: codec.decryptBlob(id, stored), isPlain: true };
}
