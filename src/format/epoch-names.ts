/** Names of index blobs, markers and watermarks with epochs. Spec: kopia-format 5.2. */
import { type BlobId, type BlobMetadata, toBlobId } from "../blob/index.ts";
import { type OwnedBytes, utf8ToBytes } from "../bytes/index.ts";
import {
  EPOCH_MARKER_PREFIX,
  RANGE_INDEX_PREFIX,
  SINGLE_EPOCH_INDEX_PREFIX,
  UNCOMPACTED_INDEX_PREFIX,
  WATERMARK_PREFIX,
} from "./blob-names.ts";

/** A blob to be put. */
export interface NamedBlob {
  readonly id: BlobId;
  readonly data: OwnedBytes;
}

const MARKER_BODY = "epoch-marker";
const WATERMARK_BODY = "deletion-watermark";

/** `xn5_`; mind the underscore when listing: `xn1` begins epoch 10 as well. */
export function uncompactedIndexPrefix(epoch: number): string {
  return `${UNCOMPACTED_INDEX_PREFIX}${epoch}_`;
}

export function singleEpochIndexPrefix(epoch: number): string {
  return `${SINGLE_EPOCH_INDEX_PREFIX}${epoch}_`;
}

/** Both inclusive. */
export function rangeIndexPrefix(min: number, max: number): string {
  return `${RANGE_INDEX_PREFIX}${min}_${max}_`;
}

/** `<session or set>-c<count>`: what follows the hash in the name of an index blob. */
export function indexSuffix(session: string, count: number): string {
  return `${session}-c${count}`;
}

/** Begins an epoch. */
export function epochMarkerBlob(epoch: number): NamedBlob {
  return { id: toBlobId(`${EPOCH_MARKER_PREFIX}${epoch}`), data: utf8ToBytes(MARKER_BODY) };
}

/** Deletions up to that Unix second are final. */
export function watermarkBlob(watermarkS: number): NamedBlob {
  return { id: toBlobId(`${WATERMARK_PREFIX}${watermarkS}`), data: utf8ToBytes(WATERMARK_BODY) };
}

/** The epoch in the name of a marker, an uncompacted index or a single-epoch set; `undefined` when there is none. */
export function epochOf(id: BlobId): number | undefined {
  return decimal(id.split("_", 1)[0]!.replace(/^\D+/, ""));
}

/** The epoch of an uncompacted index, only where its name is exactly as a writer of that epoch makes it. */
export function epochOfUncompacted(id: BlobId): number | undefined {
  const epoch = id.startsWith(UNCOMPACTED_INDEX_PREFIX) ? epochOf(id) : undefined;
  return epoch !== undefined && id.startsWith(uncompactedIndexPrefix(epoch)) ? epoch : undefined;
}

/** The range in the name of a compacted index. */
export function rangeOf(id: BlobId): { readonly min: number; readonly max: number } | undefined {
  const parts = id.split("_");
  if (parts.length < 3) return undefined;
  const min = decimal(parts[0]!.replace(/^\D+/, ""));
  const max = decimal(parts[1]!);
  return min === undefined || max === undefined ? undefined : { min, max };
}

/** Unix seconds in the name of a watermark. */
export function watermarkOf(id: BlobId): number | undefined {
  return decimal(id.slice(WATERMARK_PREFIX.length));
}

function decimal(text: string): number | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

const COUNT_PATTERN = /^c(\d+)$/;

/**
 * The first set of blobs to be complete, in the order of the listing; `undefined` when none is. Names that tell no
 * set are one each.
 */
export function firstCompleteSet(
  blobs: readonly BlobMetadata[],
): readonly BlobMetadata[] | undefined {
  const sets = new Map<string, BlobMetadata[]>();
  for (const blob of blobs) {
    const [, set, count] = blob.id.split("-");
    const wanted = set?.startsWith("s") === true ? COUNT_PATTERN.exec(count ?? "") : null;
    if (set === undefined || wanted === null) return [blob];
    const found = sets.get(set) ?? [];
    found.push(blob);
    sets.set(set, found);
    if (found.length === Number(wanted[1])) return found;
  }
  return undefined;
}
