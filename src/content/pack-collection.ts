/**
 * Packs and session markers that nobody needs: in no index entry (deleted ones count too), old enough, and not of a
 * session that lives. Spec: kopia-snapshots 7.5, 7.6.
 *
 * The order is what makes it safe beside writers: blobs are listed first, then sessions, then the indexes are read
 * anew. A writer publishes its index before it takes its marker away, so a pack that was listed is by then either in
 * an index, or of a session whose marker is still there, or lost.
 */
import type { BlobId, BlobMetadata } from "../blob/index.ts";
import { type CallOptions, type Clock, mapUnordered, parseTimestamp } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import {
  DATA_PACK_PREFIX,
  METADATA_PACK_PREFIX,
  SESSION_PREFIX,
  sessionOfBlob,
} from "../format/index.ts";
import type { DirectContents } from "./types.ts";

/** How long what nobody needs is kept, for a writer that still may. */
export interface CollectionAges {
  readonly minPackAgeMs: number;
  /** A session whose last sign of life is older than this is dead. */
  readonly sessionExpiryMs: number;
}

const HOUR_MS = 3_600_000;
/** Safe beside other clients. */
export const FULL_COLLECTION_AGES: CollectionAges = {
  minPackAgeMs: 24 * HOUR_MS,
  sessionExpiryMs: 96 * HOUR_MS,
};
/** Only where nobody else writes. */
export const NO_COLLECTION_AGES: CollectionAges = { minPackAgeMs: 0, sessionExpiryMs: 0 };

export interface CollectPacksOptions extends CallOptions {
  readonly clock: Clock;
  readonly ages: CollectionAges;
  /** Only blobs whose ID begins so; must begin with `p`, `q` or `s`. Default: all three. */
  readonly prefix?: string | undefined;
  /** Otherwise only counted. */
  readonly delete: boolean;
  /** Deleted at the same time. Default 16. */
  readonly parallel?: number | undefined;
  readonly onUnreferenced?: ((blob: BlobMetadata) => void) | undefined;
}

export interface BlobCount {
  readonly count: number;
  readonly sizeBytes: number;
}

export interface CollectPacksResult {
  readonly unreferenced: BlobCount;
  /** In no index, but too young or of a session that lives. */
  readonly retained: BlobCount;
  readonly deleted: BlobCount;
  /** What writers that died left in the storage, removed with the rest. */
  readonly temporary: BlobCount;
}

const PARALLEL_DELETES = 16;
/** A clock that runs a little behind the store's must not keep everything. */
const CLOCK_SLACK_MS = 1000;
const COLLECTED = [DATA_PACK_PREFIX, METADATA_PACK_PREFIX, SESSION_PREFIX] as const;

/** @throws SEJF_INVALID_ARGUMENT for another prefix; SEJF_READ_ONLY; SEJF_CORRUPT when a session marker cannot be read. */
export async function collectPacks(
  contents: DirectContents,
  options: CollectPacksOptions,
): Promise<CollectPacksResult> {
  const { prefix = "" } = options;
  if (prefix !== "" && !COLLECTED.some((allowed) => prefix.startsWith(allowed))) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `blobs with the prefix ${JSON.stringify(prefix)} are never collected, only packs (p, q) and session markers (s)`,
    );
  }
  if (options.delete && contents.readOnly)
    throw new SejfError("SEJF_READ_ONLY", "the repository is open for reading only", {
      hint: "connect again without --readonly to write",
    });
  const listed = await listCandidates(contents, prefix, options);
  const live = await liveSessions(contents, options);
  await contents.refresh(options);
  const referenced = await referencedPacks(contents, options);
  const nowMs = options.clock.nowMs() + CLOCK_SLACK_MS;
  const unreferenced: BlobMetadata[] = [];
  const retained: BlobMetadata[] = [];
  for (const blob of listed) {
    if (referenced.has(blob.id)) continue;
    const ageMs = nowMs - Number(blob.timestamp / 1_000_000n);
    const session = sessionOfBlob(blob.id);
    const isKept =
      ageMs < Math.max(0, options.ages.minPackAgeMs) ||
      (session !== undefined && live.has(session));
    (isKept ? retained : unreferenced).push(blob);
  }
  for (const blob of unreferenced) options.onUnreferenced?.(blob);
  if (options.delete) await deleteAll(contents, unreferenced, options);
  const temporary =
    options.delete && prefix === ""
      ? await contents.storage.removeStaleTemporaryFiles?.(options.clock, {
          signal: options.signal,
        })
      : undefined;
  return {
    unreferenced: countOf(unreferenced),
    retained: countOf(retained),
    deleted: countOf(options.delete ? unreferenced : []),
    temporary: { count: temporary?.files ?? 0, sizeBytes: temporary?.bytes ?? 0 },
  };
}

async function listCandidates(
  contents: DirectContents,
  prefix: string,
  options: CallOptions,
): Promise<readonly BlobMetadata[]> {
  const listed: BlobMetadata[] = [];
  for (const each of prefix === "" ? COLLECTED : [prefix])
    for await (const page of contents.storage.list(each, options)) listed.push(...page);
  return listed;
}

async function liveSessions(
  contents: DirectContents,
  options: CollectPacksOptions,
): Promise<ReadonlySet<string>> {
  const nowMs = options.clock.nowMs() + CLOCK_SLACK_MS;
  const sessions = await contents.sessions(options);
  return new Set(
    sessions
      .filter(
        ({ checkpointTime }) =>
          nowMs - Number(parseTimestamp(checkpointTime) / 1_000_000n) <
          options.ages.sessionExpiryMs,
      )
      .map(({ id }) => id),
  );
}

async function referencedPacks(
  contents: DirectContents,
  options: CallOptions,
): Promise<ReadonlySet<BlobId>> {
  const referenced = new Set<BlobId>();
  for await (const page of contents.list({ ...options, includeDeleted: true }))
    for (const { packId } of page) referenced.add(packId);
  return referenced;
}

async function deleteAll(
  contents: DirectContents,
  blobs: readonly BlobMetadata[],
  options: CollectPacksOptions,
): Promise<void> {
  const deletions = mapUnordered(
    blobs,
    options.parallel ?? PARALLEL_DELETES,
    async (blob, signal) => await contents.storage.delete(blob.id, { signal }),
    options.signal,
  );
  for await (const _ of deletions);
}

function countOf(blobs: readonly BlobMetadata[]): BlobCount {
  return {
    count: blobs.length,
    sizeBytes: blobs.reduce((sum, blob) => sum + blob.lengthBytes, 0),
  };
}
