/** One entry of an index, and which of several for the same content wins. Spec: kopia-format 4.6 to 4.8. */
import type { BlobId } from "../blob/index.ts";
import type { CompressorId } from "../compress/index.ts";
import type { ContentId } from "./content-id.ts";

export interface IndexEntry {
  readonly contentId: ContentId;
  readonly packId: BlobId;
  /** From the start of the pack. */
  readonly packOffset: number;
  /** Bytes in the pack, with encryption and error correction. */
  readonly packedLength: number;
  /** Plain bytes. */
  readonly originalLength: number;
  /** Unix time. */
  readonly timestampS: number;
  readonly deleted: boolean;
  /** The repository's `version` when it was written; readers do not interpret it. */
  readonly formatVersion: number;
  /** 0: not compressed. */
  readonly compressionId: CompressorId;
}

/** What the merge rule looks at. */
export type EntryRank = Pick<IndexEntry, "timestampS" | "deleted" | "packId">;

/**
 * Positive when `a` wins over `b`, negative when `b` does, 0 when neither: later, else live over deleted, else the
 * greater pack name.
 */
export function compareEntries(a: EntryRank, b: EntryRank): number {
  if (a.timestampS !== b.timestampS) return a.timestampS - b.timestampS;
  if (a.deleted !== b.deleted) return a.deleted ? -1 : 1;
  if (a.packId === b.packId) return 0;
  return a.packId > b.packId ? 1 : -1;
}

/**
 * A deleted winner this old does not exist any more. To be asked after all indexes were merged, never before: an
 * older live entry would come back.
 */
export function isHiddenByWatermark(
  entry: Pick<IndexEntry, "timestampS" | "deleted">,
  watermarkS: number | undefined,
): boolean {
  return watermarkS !== undefined && entry.deleted && entry.timestampS <= watermarkS;
}
