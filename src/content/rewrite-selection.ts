/**
 * Which contents are worth a copy into new packs, and the copying: contents of packs that were closed early, of an
 * old format version, or named one by one. Spec: kopia-snapshots 7.6.
 */
import type { BlobId } from "../blob/index.ts";
import { type CallOptions, type Clock, mapUnordered } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { ContentId, IdRange } from "../format/index.ts";
import type { ContentInfo, DirectContents } from "./types.ts";

/** Kopia's default: a younger content may still be moved by somebody else. */
export const FULL_REWRITE_AGE_MS: number = 2 * 3_600_000;
/** Packs below this share of the full size are short. */
const SHORT_PACK_PERCENT = 60;
const PARALLEL_REWRITES = 16;

export interface RewriteSelection {
  /** Named ones, whatever else is asked for. */
  readonly ids?: readonly ContentId[] | undefined;
  /** Contents of short packs, where a prefix (`p`, `q`) has at least two such packs. */
  readonly shortPacks?: boolean | undefined;
  /** Contents written in this format version. */
  readonly formatVersion?: number | undefined;
  /** Only packs whose ID begins so; not for `ids`. */
  readonly packPrefix?: string | undefined;
  /** Only these contents; not for `ids`. */
  readonly prefix?: string | undefined;
  readonly range?: IdRange | undefined;
}

export interface RewriteContentsOptions extends RewriteSelection, CallOptions {
  readonly clock: Clock;
  /** Younger contents stay where they are. */
  readonly minAgeMs: number;
  readonly dryRun?: boolean | undefined;
  /** Copied at the same time. Default 16. */
  readonly parallel?: number | undefined;
  readonly onContent?: ((info: ContentInfo, isRetained: boolean) => void) | undefined;
  /** Of one content; the others go on. */
  readonly onFailure?: ((info: ContentInfo, error: unknown) => void) | undefined;
}

export interface RewriteContentsResult {
  readonly contents: number;
  /** In packs, as they were. */
  readonly packedBytes: number;
  /** Too young. */
  readonly retained: number;
  readonly failed: number;
}

/** Copies and, unless something failed, flushes. @throws SEJF_CONTENT_NOT_FOUND for a named one; SEJF_READ_ONLY. */
export async function rewriteContents(
  contents: DirectContents,
  options: RewriteContentsOptions,
): Promise<RewriteContentsResult> {
  const isDry = options.dryRun === true;
  if (contents.readOnly && !isDry)
    throw new SejfError("SEJF_READ_ONLY", "the repository is open for reading only", {
      hint: "connect again without --readonly to write",
    });
  const totals = { contents: 0, packedBytes: 0, retained: 0, failed: 0 };
  const nowMs = options.clock.nowMs();
  const chosen = await selectContents(contents, options);
  const copy = async (info: ContentInfo, signal: AbortSignal): Promise<void> => {
    const isRetained = nowMs - info.timestampS * 1000 < options.minAgeMs;
    options.onContent?.(info, isRetained);
    if (isRetained) {
      totals.retained++;
      return;
    }
    try {
      if (!isDry) await contents.rewrite([[info.id]], { signal });
      totals.contents++;
      totals.packedBytes += info.packedLength;
    } catch (error) {
      signal.throwIfAborted();
      totals.failed++;
      options.onFailure?.(info, error);
    }
  };
  const parallel = options.parallel ?? PARALLEL_REWRITES;
  for await (const _ of mapUnordered(chosen, parallel, copy, options.signal));
  if (!isDry && totals.failed === 0 && totals.contents > 0) await contents.flush(options);
  return totals;
}

/** Each once, as the index is now: what a copy changes must not be seen as something new to copy. */
export async function selectContents(
  contents: DirectContents,
  options: RewriteSelection & CallOptions,
): Promise<readonly ContentInfo[]> {
  const chosen = new Map<ContentId, ContentInfo>();
  for (const id of options.ids ?? []) {
    const info = await contents.info(id, options);
    if (info === undefined)
      throw new SejfError("SEJF_CONTENT_NOT_FOUND", `content ${id} is in no index`);
    chosen.set(id, info);
  }
  if (options.shortPacks !== true && options.formatVersion === undefined)
    return [...chosen.values()];
  const shortPacks =
    options.shortPacks === true ? await findShortPacks(contents, options) : undefined;
  const { prefix, range, signal } = options;
  for await (const page of contents.list({ prefix, range, signal, includeDeleted: true })) {
    for (const info of page) {
      if (!info.packId.startsWith(options.packPrefix ?? "")) continue;
      if (shortPacks?.has(info.packId) === true || info.formatVersion === options.formatVersion)
        chosen.set(info.id, info);
    }
  }
  return [...chosen.values()];
}

/** By what the index says is in them, deleted contents included. A prefix's only short pack is left alone. */
async function findShortPacks(
  contents: DirectContents,
  options: CallOptions & Pick<RewriteSelection, "packPrefix">,
): Promise<ReadonlySet<BlobId>> {
  const sizes = new Map<BlobId, number>();
  for await (const page of contents.list({ signal: options.signal, includeDeleted: true }))
    for (const { packId, packedLength } of page)
      if (packId.startsWith(options.packPrefix ?? ""))
        sizes.set(packId, (sizes.get(packId) ?? 0) + packedLength);
  const threshold = (contents.format.maxPackSize * SHORT_PACK_PERCENT) / 100;
  const short = [...sizes].filter(([, size]) => size < threshold).map(([packId]) => packId);
  const groups = Map.groupBy(short, (packId) => packId.slice(0, 1));
  return new Set([...groups.values()].filter((group) => group.length >= 2).flat());
}
