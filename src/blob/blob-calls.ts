/** Small calls that every user of a storage needs, and the checks that every implementation shares. */
import type { CallOptions, OwnedBytes } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import type { BlobId, BlobMetadata, BlobStorage, ByteRange } from "./storage.ts";

/** Far above any blob that is written on purpose; a larger one is refused before memory is taken for it. */
export const MAX_BLOB_BYTES = 0x7fff_ffff;

/** The whole blob, or `undefined` when there is none. */
export async function getBlobIfPresent(
  storage: BlobStorage,
  id: BlobId,
  options?: CallOptions,
): Promise<OwnedBytes | undefined> {
  try {
    return await storage.get(id, options);
  } catch (error) {
    if (isSejfError(error, "SEJF_BLOB_NOT_FOUND")) return undefined;
    throw error;
  }
}

/** @throws SEJF_BLOB_NOT_FOUND where the caller knows that the blob has to be there. */
export async function statExisting(
  storage: BlobStorage,
  id: BlobId,
  options?: CallOptions,
): Promise<BlobMetadata> {
  const metadata = await storage.stat(id, options);
  if (metadata === undefined)
    throw new SejfError("SEJF_BLOB_NOT_FOUND", `blob ${id} is not in ${storage.displayName}`);
  return metadata;
}

/** Everything with the prefix, in memory: for prefixes that hold few blobs (indexes, sessions, logs). */
export async function listAllBlobs(
  storage: BlobStorage,
  prefix: string,
  options?: CallOptions,
): Promise<BlobMetadata[]> {
  const all: BlobMetadata[] = [];
  for await (const page of storage.list(prefix, options)) all.push(...page);
  return all;
}

/** The data of a put as a list of parts, empty ones left out. */
export function blobParts(data: Uint8Array | readonly Uint8Array[]): readonly Uint8Array[] {
  const parts = data instanceof Uint8Array ? [data] : data;
  return parts.filter((part) => part.byteLength > 0);
}

export function totalLength(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (const part of parts) length += part.byteLength;
  return length;
}

/**
 * Checks a range against the blob's length.
 * @throws RangeError for what is no range at all; SEJF_RANGE when the blob ends before it does.
 */
export function checkRange(id: BlobId, range: ByteRange, blobLength: number): void {
  const { offset, length } = range;
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
    throw new RangeError(
      `range of ${length} bytes at ${offset}, expected whole numbers of 0 or more`,
    );
  }
  if (offset + length > blobLength) {
    throw new SejfError(
      "SEJF_RANGE",
      `blob ${id} is ${blobLength} bytes, ${length} bytes at offset ${offset} were asked for`,
    );
  }
}
