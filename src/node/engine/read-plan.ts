/**
 * What to read of packs for some contents: located, sorted by pack and offset, neighbours joined, so that a directory
 * whose small files were packed together costs one read.
 */
import { mapConcurrent } from "../../bytes/index.ts";
import { assert, errorFromUnknown, SejfError } from "../../errors/index.ts";
import type { ContentPiece, ContentRef } from "../../format/index.ts";
import type { BulkEngineHost, ContentLocation } from "./host.ts";
import { type JobReply, type PieceColumn, type RangeColumn, SEAL_KEY_BYTES } from "./protocol.ts";

/** Unwanted bytes that are read along rather than begin another read. */
const GAP_BYTES: number = 32 * 1024;
/** The longest range; a single content may be longer. */
const RANGE_BYTES: number = 8 * 1024 * 1024;
/** Fetches from a remote store at the same time, for one job. */
const FETCHES = 4;

/** A content and its place, by the position in what was asked. */
export interface LocatedContent {
  readonly index: number;
  readonly ref: ContentRef;
  readonly location: ContentLocation;
}

interface Range {
  readonly packId: string;
  readonly offset: number;
  length: number;
}

/** Contents of one job with the ranges they lie in. */
export interface ReadPlan {
  readonly ranges: RangeColumn;
  /** For each content of the plan, in the order given: where it is, or why it cannot be read. */
  readonly places: readonly (PlacedContent | SejfError)[];
  /** To be moved with the message. */
  readonly transfer: readonly ArrayBuffer[];
  /** Gets the answer to the job: what was lent to it is used again. */
  readonly takeBack?: ((reply: JobReply) => void) | undefined;
  /** To be called when the job with the plan has ended. */
  readonly release?: (() => void) | undefined;
}

/** Finds pieces and what is to be read for them; what cannot be had is an error in its place. */
export type PlanPieces = (
  pieces: readonly ContentPiece[],
  signal: AbortSignal,
) => Promise<ReadPlan>;

/** In packs. */
export function packPlanner(host: BulkEngineHost): PlanPieces {
  return async (pieces, signal) => {
    const located = await locateAll(
      pieces.map(({ ref }) => ref),
      host,
    );
    return await planReads(located, host, signal);
  };
}

export interface PlacedContent {
  readonly range: number;
  /** From the range's beginning. */
  readonly offset: number;
  readonly ref: ContentRef;
  readonly location: ContentLocation;
}

/** Places in the order asked; what no index names is an error. */
export async function locateAll(
  refs: readonly ContentRef[],
  host: BulkEngineHost,
): Promise<(LocatedContent | SejfError)[]> {
  const locations = await host.locate(refs);
  return refs.map((ref, index) => {
    const location = locations[index];
    return location === undefined
      ? new SejfError("SEJF_CONTENT_NOT_FOUND", `content ${ref} is in no index`)
      : { index, ref, location };
  });
}

/** Reads and places of located contents; ranges of a store without local files are fetched here. */
export async function planReads(
  contents: readonly (LocatedContent | SejfError)[],
  host: BulkEngineHost,
  signal: AbortSignal,
): Promise<ReadPlan> {
  const order = contents.flatMap((content, at) =>
    content instanceof SejfError ? [] : [{ at, location: content.location }],
  );
  order.sort((a, b) => compareLocations(a.location, b.location));
  const ranges: Range[] = [];
  const rangeOf = new Int32Array(contents.length).fill(-1);
  for (const { at, location } of order) {
    if (!joins(ranges.at(-1), location)) {
      ranges.push({ packId: location.packId, offset: location.packOffset, length: 0 });
    }
    const range = ranges.at(-1) as Range;
    range.length = Math.max(
      range.length,
      location.packOffset + location.packedLength - range.offset,
    );
    rangeOf[at] = ranges.length - 1;
  }
  const { column, failures, transfer } = await loadable(ranges, host, signal);
  const places = contents.map((content, at): PlacedContent | SejfError => {
    if (content instanceof SejfError) return content;
    const range = rangeOf[at]!;
    const { ref, location } = content;
    return (
      failures[range] ?? {
        range,
        offset: location.packOffset - ranges[range]!.offset,
        ref,
        location,
      }
    );
  });
  return { ranges: column, places, transfer };
}

/** `undefined` where they are not sealed. */
function keyColumn(
  pieces: readonly Omit<ContentPiece, "ref">[],
): Uint8Array<ArrayBuffer> | undefined {
  if (pieces[0]?.seal === undefined) return undefined;
  const keys = new Uint8Array(SEAL_KEY_BYTES * pieces.length);
  const bytes = Buffer.from(keys.buffer);
  pieces.forEach(({ seal }, i) => {
    assert(seal !== undefined, "all pieces of a job are sealed, or none");
    const written = bytes.write(seal.keyText, i * SEAL_KEY_BYTES, SEAL_KEY_BYTES, "base64url");
    assert(written === SEAL_KEY_BYTES, "a key has 32 bytes");
  });
  return keys;
}

/** Columns for placed contents, in order. */
export function pieceColumn(
  placed: readonly PlacedContent[],
  pieces: readonly Omit<ContentPiece, "ref">[],
): PieceColumn {
  return {
    range: Uint32Array.from(placed, ({ range }) => range),
    offset: Uint32Array.from(placed, ({ offset }) => offset),
    packedLength: Uint32Array.from(placed, ({ location }) => location.packedLength),
    originalLength: Uint32Array.from(placed, ({ location }) => location.originalLength),
    compression: Uint32Array.from(placed, ({ location }) => location.compressionId),
    objectCompressed: Uint8Array.from(pieces, ({ objectCompressed }) =>
      objectCompressed === true ? 1 : 0,
    ),
    lengthBytes: Uint32Array.from(pieces, ({ lengthBytes }) => lengthBytes),
    keys: keyColumn(pieces),
    ids: placed.map(({ ref }) => ref).join(" "),
  };
}

/** By pack, then by offset. */
export function compareLocations(a: ContentLocation, b: ContentLocation): number {
  if (a.packId !== b.packId) return a.packId < b.packId ? -1 : 1;
  return a.packOffset - b.packOffset;
}

function joins(range: Range | undefined, location: ContentLocation): boolean {
  if (range === undefined || range.packId !== location.packId) return false;
  const end = location.packOffset + location.packedLength;
  return (
    location.packOffset <= range.offset + range.length + GAP_BYTES &&
    end - range.offset <= RANGE_BYTES
  );
}

interface Loadable {
  readonly column: RangeColumn;
  readonly failures: readonly (SejfError | undefined)[];
  readonly transfer: readonly ArrayBuffer[];
}

async function loadable(
  ranges: readonly Range[],
  host: BulkEngineHost,
  signal: AbortSignal,
): Promise<Loadable> {
  const paths: string[] = [];
  const path = new Uint32Array(ranges.length);
  const failures: (SejfError | undefined)[] = ranges.map(() => undefined);
  const data: (Uint8Array<ArrayBuffer> | undefined)[] = ranges.map(() => undefined);
  if (host.storage.localPath === undefined) {
    await fetchRanges(ranges, host, signal, data, failures);
  } else {
    ranges.forEach((range, i) => {
      if (range.packId !== ranges[i - 1]?.packId) paths.push(localPathOf(range, host));
      path[i] = paths.length - 1;
    });
  }
  const offset = Float64Array.from(ranges, (range) => range.offset);
  const length = Uint32Array.from(ranges, (range, i) =>
    failures[i] === undefined ? range.length : 0,
  );
  const transfer = [
    ...new Set(data.flatMap((bytes) => (bytes === undefined ? [] : [bytes.buffer]))),
  ];
  return { column: { paths, path, offset, length, data }, failures, transfer };
}

function localPathOf(range: Range, host: BulkEngineHost): string {
  return host.storage.localPath?.(range.packId as ContentLocation["packId"]) ?? "";
}

async function fetchRanges(
  ranges: readonly Range[],
  host: BulkEngineHost,
  signal: AbortSignal,
  data: (Uint8Array<ArrayBuffer> | undefined)[],
  failures: (SejfError | undefined)[],
): Promise<void> {
  const fetchOne = async (index: number): Promise<void> => {
    const { packId, offset, length } = ranges[index] as Range;
    try {
      data[index] = await host.readPackRange(
        packId as ContentLocation["packId"],
        { offset, length },
        { signal },
      );
    } catch (error) {
      signal.throwIfAborted();
      failures[index] = errorFromUnknown(error, `reading the pack ${packId}`);
      // The thread is told of an empty range, which no content lies in.
      data[index] = new Uint8Array(0);
    }
  };
  for await (const _ of mapConcurrent(ranges.keys(), FETCHES, fetchOne, signal)) {
    // Each call has put its bytes into place.
  }
}
