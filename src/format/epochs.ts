/**
 * The state of the epochs, from listings alone: which epoch is written to, and which index blobs are the active
 * ones. Spec: kopia-format 5.3. The caller lists, and sees to it that a state is not used for too long.
 */
import type { BlobMetadata } from "../blob/index.ts";
import {
  EPOCH_MARKER_PREFIX,
  RANGE_INDEX_PREFIX,
  SINGLE_EPOCH_INDEX_PREFIX,
  UNCOMPACTED_INDEX_PREFIX,
  WATERMARK_PREFIX,
} from "./blob-names.ts";
import {
  epochOf,
  epochOfUncompacted,
  firstCompleteSet,
  rangeOf,
  uncompactedIndexPrefix,
  watermarkOf,
} from "./epoch-names.ts";

/** Prefixes to list for `resolveEpochs`. */
export const EPOCH_STATE_PREFIXES: readonly string[] = [
  EPOCH_MARKER_PREFIX,
  WATERMARK_PREFIX,
  SINGLE_EPOCH_INDEX_PREFIX,
  RANGE_INDEX_PREFIX,
];

/** A complete set of indexes that stands for all epochs from `min` to `max`. */
export interface EpochRange {
  readonly min: number;
  readonly max: number;
  readonly blobs: readonly BlobMetadata[];
}

export interface EpochSnapshot {
  readonly writeEpoch: number;
  /** Unix seconds; `undefined` when there never was one. */
  readonly deletionWatermarkS: number | undefined;
  /** The chain of ranges in use, from epoch 0 on. */
  readonly ranges: readonly EpochRange[];
  /** Complete single-epoch sets, settled or not. */
  readonly singles: ReadonlyMap<number, readonly BlobMetadata[]>;
  /** Prefixes to list for `activeFor`: `xn3_`, …; or `xn` alone where there would be many. */
  uncompactedPrefixes(): readonly string[];
  /** The active index blobs, from a listing of those prefixes; others in it are passed over. */
  activeFor(uncompacted: readonly BlobMetadata[]): readonly BlobMetadata[];
}

/** The newest epochs may still grow: those above `writeEpoch` minus this. */
export const UNSETTLED_EPOCHS = 2;

/** More epochs than this are listed all at once. */
const MAX_PREFIXES = 32;

/** From a listing of `EPOCH_STATE_PREFIXES`, in the order of the store. Names that cannot be read are passed over. */
export function resolveEpochs(listing: readonly BlobMetadata[]): EpochSnapshot {
  const of = (prefix: string): readonly BlobMetadata[] =>
    listing.filter((blob) => blob.id.startsWith(prefix));
  const watermark = highest(of(WATERMARK_PREFIX).map((blob) => watermarkOf(blob.id)));
  return new ResolvedEpochs(
    highest(of(EPOCH_MARKER_PREFIX).map((blob) => epochOf(blob.id))) ?? 0,
    watermark,
    longestChain(completeRanges(of(RANGE_INDEX_PREFIX))),
    completeSingles(of(SINGLE_EPOCH_INDEX_PREFIX)),
  );
}

class ResolvedEpochs implements EpochSnapshot {
  readonly writeEpoch: number;
  readonly deletionWatermarkS: number | undefined;
  readonly ranges: readonly EpochRange[];
  readonly singles: ReadonlyMap<number, readonly BlobMetadata[]>;
  readonly #activeRanges: readonly EpochRange[];
  readonly #activeSingles: readonly number[];
  readonly #firstUncompacted: number;

  constructor(
    writeEpoch: number,
    deletionWatermarkS: number | undefined,
    ranges: readonly EpochRange[],
    singles: ReadonlyMap<number, readonly BlobMetadata[]>,
  ) {
    this.writeEpoch = writeEpoch;
    this.deletionWatermarkS = deletionWatermarkS;
    this.ranges = ranges;
    this.singles = singles;
    let next = 0;
    this.#activeRanges = ranges.filter((range) => {
      if (range.max <= next) return false;
      next = range.max + 1;
      return true;
    });
    this.#firstUncompacted = next;
    this.#activeSingles = [...singles.keys()]
      .filter((epoch) => epoch >= next && epoch <= writeEpoch - UNSETTLED_EPOCHS)
      .toSorted((a, b) => a - b);
  }

  uncompactedPrefixes(): readonly string[] {
    // also the epoch behind the current one: another client may have begun it
    const last = this.writeEpoch + 1;
    const count = last - this.#firstUncompacted + 1 - this.#activeSingles.length;
    if (count > MAX_PREFIXES) return [UNCOMPACTED_INDEX_PREFIX];
    const compacted = new Set(this.#activeSingles);
    const prefixes: string[] = [];
    for (let epoch = this.#firstUncompacted; prefixes.length < count; epoch++) {
      if (!compacted.has(epoch)) prefixes.push(uncompactedIndexPrefix(epoch));
    }
    return prefixes;
  }

  activeFor(uncompacted: readonly BlobMetadata[]): readonly BlobMetadata[] {
    const compacted = new Set(this.#activeSingles);
    return [
      ...this.#activeRanges.flatMap((range) => range.blobs),
      ...this.#activeSingles.flatMap((epoch) => this.singles.get(epoch) ?? []),
      ...uncompacted.filter((blob) => {
        const epoch = epochOfUncompacted(blob.id);
        if (epoch === undefined || epoch < this.#firstUncompacted || epoch > this.writeEpoch + 1)
          return false;
        return !compacted.has(epoch);
      }),
    ];
  }
}

function highest(values: readonly (number | undefined)[]): number | undefined {
  return values.reduce(
    (max, value) => (value !== undefined && (max === undefined || value > max) ? value : max),
    undefined,
  );
}

function completeSingles(
  blobs: readonly BlobMetadata[],
): ReadonlyMap<number, readonly BlobMetadata[]> {
  const complete = new Map<number, readonly BlobMetadata[]>();
  for (const [epoch, group] of grouped(blobs, (blob) => epochOf(blob.id))) {
    const set = firstCompleteSet(group);
    if (set !== undefined) complete.set(epoch, set);
  }
  return complete;
}

function completeRanges(blobs: readonly BlobMetadata[]): readonly EpochRange[] {
  const ranges: EpochRange[] = [];
  const groups = grouped(blobs, (blob) => {
    const range = rangeOf(blob.id);
    return range === undefined || range.max < range.min ? undefined : `${range.min}_${range.max}`;
  });
  for (const [key, group] of groups) {
    const set = firstCompleteSet(group);
    const [min, max] = key.split("_").map(Number);
    if (set !== undefined) ranges.push({ min: min!, max: max!, blobs: set });
  }
  return ranges;
}

function grouped<K>(
  blobs: readonly BlobMetadata[],
  keyOf: (blob: BlobMetadata) => K | undefined,
): ReadonlyMap<K, BlobMetadata[]> {
  const groups = new Map<K, BlobMetadata[]>();
  for (const blob of blobs) {
    const key = keyOf(blob);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [blob]);
    else group.push(blob);
  }
  return groups;
}

/** A chain of ranges and how far it gets. */
interface Chain {
  readonly range: EpochRange;
  readonly next: Chain | undefined;
  readonly reach: number;
  readonly length: number;
}

/** From epoch 0 as far as possible, with as few ranges as possible. One that reaches epoch 0 only is none. */
function longestChain(ranges: readonly EpochRange[]): readonly EpochRange[] {
  const bestFrom = new Map<number, Chain>();
  for (const range of ranges.toSorted((a, b) => b.min - a.min)) {
    const next = bestFrom.get(range.max + 1);
    const chain: Chain = {
      range,
      next,
      reach: next?.reach ?? range.max,
      length: 1 + (next?.length ?? 0),
    };
    const best = bestFrom.get(range.min);
    const reach = best?.reach ?? 0;
    if (
      chain.reach > reach ||
      (best !== undefined && chain.reach === reach && chain.length < best.length)
    )
      bestFrom.set(range.min, chain);
  }
  const chosen: EpochRange[] = [];
  for (let chain = bestFrom.get(0); chain !== undefined; chain = chain.next)
    chosen.push(chain.range);
  return chosen;
}
