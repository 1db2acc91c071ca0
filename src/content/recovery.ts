/** Rebuilding indexes from what packs say of themselves. It revives contents that were deleted by an index alone. */
import { type BlobId, type BlobMetadata, statExisting } from "../blob/index.ts";
import { mapUnordered, type OwnedBytes } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import { IndexBuilder, newSessionId, type PackedIndex, readPackIndex } from "../format/index.ts";
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
  const builder = new IndexBuilder();
  const unreadable: { readonly packId: BlobId; readonly message: string }[] = [];
  let packs = 0;
  const outcomes = mapUnordered(
    packsToRead(context, options),
    PARALLEL_PACKS,
    async (blob, signal) => await readOne(context, blob, signal),
    options.signal,
  );
  for await (const outcome of outcomes) {
    packs++;
    if (outcome.ok) builder.addAll(outcome.index);
    else unreadable.push({ packId: outcome.packId, message: outcome.message });
  }
  let contents = 0;
  for (const _ of builder.entries()) contents++;
  if (!options.commit || builder.count === 0)
    return { packs, contents, unreadable, indexBlobs: [] };
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
  return { packs, contents, unreadable, indexBlobs: blobs };
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
  for (const prefix of ["p", "q"])
    for await (const page of context.storage.list(prefix, options)) yield* page;
}
