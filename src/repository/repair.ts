/**
 * Finding a lost `kopia.repository` again: where the password cannot be changed every pack begins with a copy.
 * Spec: kopia-format 2.9. Where we differ: the newest pack wins, because old packs hold outdated copies.
 */
import { type BlobId, type BlobMetadata, type BlobStorage, listAllBlobs } from "../blob/index.ts";
import type { CallOptions, OwnedBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import { FORMAT_BLOB_ID, findFormatBlobCopy } from "../format/index.ts";
import { nodeCryptoEngine } from "../node/index.ts";

const WINDOW_BYTES = 65536;

export interface RecoverFormatOptions extends CallOptions {
  /** Beginnings of the names to look in. Default: all packs. */
  readonly prefixes?: readonly string[] | undefined;
  /** Finds, but does not write. */
  readonly dryRun?: boolean | undefined;
  readonly engine?: CryptoEngine | undefined;
  /** Told of each blob that is looked into. */
  readonly onBlob?: ((id: BlobId) => void) | undefined;
}

/**
 * Restores `kopia.repository` from the newest pack that has a copy. Gives the pack.
 * @throws SEJF_NOT_FOUND when no pack has one.
 */
export async function recoverFormatBlob(
  storage: BlobStorage,
  options: RecoverFormatOptions = {},
): Promise<BlobId> {
  const { signal } = options;
  const engine = options.engine ?? nodeCryptoEngine;
  for (const pack of await newestFirst(storage, options.prefixes ?? ["p", "q"], { signal })) {
    options.onBlob?.(pack.id);
    const copy = await findCopy(storage, pack, engine, { signal });
    if (copy === undefined) continue;
    if (options.dryRun !== true) await storage.put(FORMAT_BLOB_ID, copy, { signal });
    return pack.id;
  }
  throw new SejfError(
    "SEJF_NOT_FOUND",
    `no pack in ${storage.displayName} holds a copy of ${FORMAT_BLOB_ID}`,
    {
      hint: "only repositories of format version 1 keep copies; look for a backup of this one blob",
    },
  );
}

async function newestFirst(
  storage: BlobStorage,
  prefixes: readonly string[],
  options: CallOptions,
): Promise<readonly BlobMetadata[]> {
  const packs: BlobMetadata[] = [];
  for (const prefix of prefixes) packs.push(...(await listAllBlobs(storage, prefix, options)));
  return packs.sort((a, b) => Number(b.timestamp - a.timestamp));
}

async function findCopy(
  storage: BlobStorage,
  pack: BlobMetadata,
  engine: CryptoEngine,
  options: CallOptions,
): Promise<OwnedBytes | undefined> {
  const length = Math.min(WINDOW_BYTES, pack.lengthBytes);
  try {
    const head = await storage.get(pack.id, { ...options, range: { offset: 0, length } });
    const tail = await storage.get(pack.id, {
      ...options,
      range: { offset: pack.lengthBytes - length, length },
    });
    return findFormatBlobCopy(engine, head, tail);
  } catch (error) {
    if (isSejfError(error, "SEJF_BLOB_NOT_FOUND") || isSejfError(error, "SEJF_RANGE"))
      return undefined;
    throw error;
  }
}
