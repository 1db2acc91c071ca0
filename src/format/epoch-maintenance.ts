/**
 * What maintenance should do with epochs, as decisions on listings: `content/` carries them out. All times are those
 * of the storage. Spec: kopia-format 5.6.
 */
import type { BlobMetadata } from "../blob/index.ts";
import { EPOCH_MARKER_PREFIX, UNCOMPACTED_INDEX_PREFIX, WATERMARK_PREFIX } from "./blob-names.ts";
import { epochOf, epochOfUncompacted, watermarkOf } from "./epoch-names.ts";
import type { EpochParameters } from "./epoch-parameters.ts";
import { type EpochSnapshot, resolveEpochs, UNSETTLED_EPOCHS } from "./epochs.ts";

/** Whether the current epoch is old enough, and full enough, to end. */
export function shouldAdvanceEpoch(
  parameters: EpochParameters,
  uncompactedOfWriteEpoch: readonly BlobMetadata[],
): boolean {
  const blobs = uncompactedOfWriteEpoch;
  if (blobs.length === 0) return false;
  let oldest = blobs[0]!.timestamp;
  let newest = oldest;
  let sizeBytes = 0;
  for (const blob of blobs) {
    if (blob.timestamp < oldest) oldest = blob.timestamp;
    if (blob.timestamp > newest) newest = blob.timestamp;
    sizeBytes += blob.lengthBytes;
  }
  if (newest - oldest < parameters.minEpochDurationNs) return false;
  return (
    blobs.length >= parameters.advanceOnCount || sizeBytes >= parameters.advanceOnTotalSizeBytes
  );
}

/**
 * The oldest settled epoch that nothing has compacted yet: merge all its uncompacted blobs into one set. When it has
 * none, there is nothing to do.
 */
export function singleEpochToCompact(snapshot: EpochSnapshot): number | undefined {
  let epoch = (snapshot.ranges.at(-1)?.max ?? -1) + 1;
  while (snapshot.singles.has(epoch)) epoch++;
  return epoch <= snapshot.writeEpoch - UNSETTLED_EPOCHS ? epoch : undefined;
}

/** The settled epochs to merge into one range, both inclusive, once there are enough of them. */
export function rangeToCompact(
  snapshot: EpochSnapshot,
  parameters: EpochParameters,
): { readonly min: number; readonly max: number } | undefined {
  const max = snapshot.writeEpoch - UNSETTLED_EPOCHS;
  const min = (snapshot.ranges.at(-1)?.max ?? -1) + 1;
  return max >= 0 && max - min >= parameters.fullCheckpointFrequency ? { min, max } : undefined;
}

/** Blobs that nobody needs any more. */
export interface EpochCleanup {
  /** Uncompacted indexes that a set of their epoch has replaced long enough. */
  readonly indexes: readonly BlobMetadata[];
  readonly markers: readonly BlobMetadata[];
  readonly watermarks: readonly BlobMetadata[];
}

/** From a listing of everything that begins with `x`. */
export function epochCleanup(
  listing: readonly BlobMetadata[],
  parameters: EpochParameters,
): EpochCleanup {
  const snapshot = resolveEpochs(listing);
  const now = newestOf(listing.filter((blob) => isCurrent(blob, snapshot)));
  // without a recent write there is no storage clock to go by
  if (now === undefined) return { indexes: [], markers: [], watermarks: [] };
  const before = now - parameters.cleanupSafetyMarginNs;
  return {
    indexes: listing.filter((blob) => {
      const epoch = blob.id.startsWith(UNCOMPACTED_INDEX_PREFIX) ? epochOf(blob.id) : undefined;
      const replaced =
        epoch === undefined ? undefined : newestOf(snapshot.singles.get(epoch) ?? []);
      return replaced !== undefined && replaced < before;
    }),
    markers: listing.filter((blob) => {
      const epoch = blob.id.startsWith(EPOCH_MARKER_PREFIX) ? epochOf(blob.id) : undefined;
      return epoch !== undefined && epoch < snapshot.writeEpoch - 1;
    }),
    watermarks: listing.filter((blob) => {
      const watermarkS = blob.id.startsWith(WATERMARK_PREFIX) ? watermarkOf(blob.id) : undefined;
      return (
        watermarkS !== undefined &&
        watermarkS !== snapshot.deletionWatermarkS &&
        blob.timestamp < before
      );
    }),
  };
}

/** An uncompacted index of an epoch around the current one. */
function isCurrent(blob: BlobMetadata, { writeEpoch }: EpochSnapshot): boolean {
  const epoch = epochOfUncompacted(blob.id);
  return epoch !== undefined && epoch >= writeEpoch - 1 && epoch <= writeEpoch + 1;
}

function newestOf(blobs: readonly BlobMetadata[]): bigint | undefined {
  return blobs.reduce<bigint | undefined>(
    (newest, { timestamp }) => (newest === undefined || timestamp > newest ? timestamp : newest),
    undefined,
  );
}
