/** Rebuilding indexes from what packs say of themselves. It revives contents that were deleted by an index alone. */
import { type BlobId, type BlobMetadata, listAllBlobs, statExisting } from "../blob/index.ts";
import { type CallOptions, mapUnordered, type OwnedBytes } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import {
  DATA_PACK_PREFIX,
  IndexBuilder,
  METADATA_PACK_PREFIX,
  newSessionId,
  OLD_INDEX_PREFIX,
  type PackedIndex,
  POISON_BLOB_ID,
  RANGE_INDEX_PREFIX,
  readPackIndex,
  SINGLE_EPOCH_INDEX_PREFIX,
  UNCOMPACTED_INDEX_PREFIX,
} from "../format/index.ts";
import type { CommittedIndex } from "./committed-index.ts";
import type { Context } from "./context.ts";
import type { IndexManager } from "./index-manager.ts";
import type { RecoverIndexesOptions, RecoverIndexesResult } from "./types.ts";

const PARALLEL_PACKS = 8;

type Outcome =
  | { readonly ok: true; readonly index: PackedIndex }
  | { readonly ok: false; readonly packId: BlobId; readonly message: string };

/** Reads the local index at the end of each pack and publishes them as one. Spec: kopia-format 4.5. */
export async function recoverIndexes(
  context: Context,
  manager: IndexManager,
  committed: CommittedIndex,
  options: RecoverIndexesOptions,
): Promise<RecoverIndexesResult> {
  if (options.replaceIndexes === true && (options.packs ?? options.prefixes) !== undefined)
    throw new RangeError("indexes can only be replaced by what all packs say");
  const { builder, packs, unreadable } = await readPacks(context, options);
  let contents = 0;
  for (const _ of builder.entries()) contents++;
  const before = options.replaceIndexes === true ? await allIndexBlobs(context, options) : [];
  const replaced = before.map((blob) => blob.id);
  const complete =
    unreadable.length === 0 || (options.onlyComplete !== true && options.replaceIndexes !== true);
  if (!options.commit || !complete || builder.count === 0)
    return { packs, contents, unreadable, indexBlobs: [], replaced: complete ? replaced : [] };
  const shards = builder.buildShards(context.format.indexVersion);
  const { blobs, state } = await manager.write(
    shards,
    newSessionId(context.clock, context.random),
    options,
  );
  await committed.published(
    state,
    new Map(blobs.map((blob, i) => [blob.id, shards[i] as OwnedBytes])),
    options,
  );
  const kept = new Set(blobs.map((blob) => blob.id));
  const gone = replaced.filter((id) => !kept.has(id));
  for (const id of gone) await context.storage.delete(id, options);
  return { packs, contents, unreadable, indexBlobs: blobs, replaced: gone };
}

async function readPacks(
  context: Context,
  options: RecoverIndexesOptions,
): Promise<
  { readonly builder: IndexBuilder } & Pick<RecoverIndexesResult, "packs" | "unreadable">
> {
  const builder = new IndexBuilder();
  const unreadable: { readonly packId: BlobId; readonly message: string }[] = [];
  let packs = 0;
  const outcomes = mapUnordered(
    packsToRead(context, options),
    options.parallel ?? PARALLEL_PACKS,
    async (blob, signal) => await readOne(context, blob, signal),
    options.signal,
  );
  for await (const outcome of outcomes) {
    packs++;
    if (outcome.ok) builder.addAll(outcome.index);
    else unreadable.push({ packId: outcome.packId, message: outcome.message });
    options.onProgress?.(packs, builder.count);
  }
  return { builder, packs, unreadable };
}

/** Of both managers; the blob that keeps old programs out of an upgraded repository stays. */
async function allIndexBlobs(context: Context, options: CallOptions): Promise<BlobMetadata[]> {
  const prefixes = context.format.epochParameters.enabled
    ? [UNCOMPACTED_INDEX_PREFIX, SINGLE_EPOCH_INDEX_PREFIX, RANGE_INDEX_PREFIX]
    : [OLD_INDEX_PREFIX];
  const all: BlobMetadata[] = [];
  for (const prefix of prefixes)
    all.push(...(await listAllBlobs(context.storage, prefix, options)));
  return all.filter((blob) => blob.id !== POISON_BLOB_ID);
}

async function readOne(
  context: Context,
  blob: BlobMetadata,
  signal: AbortSignal,
): Promise<Outcome> {
  const getRange = async (offset: number, length: number): Promise<OwnedBytes> =>
    await context.storage.get(blob.id, { signal, range: { offset, length } });
  try {
    return {
      ok: true,
      index: await readPackIndex(blob.id, getRange, blob.lengthBytes, context.codec),
    };
  } catch (error) {
    if (!isSejfError(error, "SEJF_CORRUPT") && !isSejfError(error, "SEJF_RANGE")) throw error;
    return { ok: false, packId: blob.id, message: error.message };
  }
}

async function* packsToRead(
  context: Context,
  options: RecoverIndexesOptions,
): AsyncGenerator<BlobMetadata, void, void> {
  if (options.packs !== undefined) {
    for (const id of options.packs) {
      yield await statExisting(context.storage, id, options);
    }
    return;
  }
  for (const prefix of options.prefixes ?? [DATA_PACK_PREFIX, METADATA_PACK_PREFIX])
    for await (const page of context.storage.list(prefix, options)) yield* page;
}
