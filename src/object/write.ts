/** Writing an object from a stream: split, write each segment as a content, join them by a seek table. Spec: kopia-snapshots 1.2. */
import { type CallOptions, concatBytes, utf8ToBytes } from "../bytes/index.ts";
import { compressorById, type CompressorId } from "../compress/index.ts";
import { assert } from "../errors/index.ts";
import type { ContentPiece, ContentPrefix, ContentWriter } from "../format/index.ts";
import { createSplitter, type Splitter, splitterSpec } from "../splitter/index.ts";
import type { ObjectId } from "./object-id.ts";
import { encodeSeekTable, seekTableChunks, type SeekTableRow } from "./seek-table.ts";

/** Larger tables are encoded piece by piece. */
const SMALL_TABLE_ROWS = 1024;

/** What the repository's format decides. A repository's `parameters` fit. */
export interface ObjectFormat {
  /** The repository's own splitter: for data without a policy and for all seek tables. */
  readonly splitter: string;
  /** 1: data without a prefix is compressed before it is named, data with one never. */
  readonly indexVersion: number;
}

export interface WriteObjectOptions extends CallOptions {
  readonly format: ObjectFormat;
  readonly prefix: ContentPrefix;
  readonly compressor?: CompressorId | undefined;
  /** For seek tables. */
  readonly metadataCompressor?: CompressorId | undefined;
  /** Instead of the repository's own. */
  readonly splitter?: string | undefined;
  /** Each segment, once it is written. */
  readonly onPiece?: ((piece: ContentPiece) => void) | undefined;
  /** Makes splitters; the portable ones when absent. */
  readonly makeSplitter?: ((name: string) => Splitter) | undefined;
}

/** A text, all bytes at once, or a stream of pieces of any size, which are not kept. */
export type ObjectSource = string | Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface WrittenObject {
  readonly id: ObjectId;
  readonly sizeBytes: number;
  /** The segments, without seek tables. */
  readonly pieces: readonly ContentPiece[];
}

/** At most one segment is held in memory. An empty source gives one content of no bytes. */
export async function writeObject(
  contents: ContentWriter,
  source: ObjectSource,
  options: WriteObjectOptions,
): Promise<WrittenObject> {
  const pieces: ContentPiece[] = [];
  for await (const segment of segments(
    typeof source === "string" ? utf8ToBytes(source) : source,
    options,
  )) {
    options.signal?.throwIfAborted();
    const piece = await writeSegment(contents, segment, options);
    pieces.push(piece);
    options.onPiece?.(piece);
  }
  const id = await objectFromPieces(contents, pieces, options);
  return { id, sizeBytes: pieces.reduce((sum, piece) => sum + piece.lengthBytes, 0), pieces };
}

async function* segments(
  source: Exclude<ObjectSource, string>,
  options: WriteObjectOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const name = options.splitter ?? options.format.splitter;
  // Too small for any cut: most directories and all symlinks, not worth a splitter.
  if (source instanceof Uint8Array && source.length <= splitterSpec(name).minBytes) {
    yield source;
    return;
  }
  const splitter = (options.makeSplitter ?? createSplitter)(name);
  let held: Uint8Array[] = [];
  let any = false;
  for await (const chunk of source instanceof Uint8Array ? [source] : source) {
    let rest = chunk;
    while (rest.length > 0) {
      const cut = splitter.nextCut(rest);
      if (cut === -1) break;
      held.push(rest.subarray(0, cut));
      yield held.length === 1 ? (held[0] as Uint8Array) : concatBytes(...held);
      held = [];
      any = true;
      rest = rest.subarray(cut);
    }
    if (rest.length > 0) held.push(source instanceof Uint8Array ? rest : rest.slice());
  }
  if (held.length > 0 || !any) yield concatBytes(...held);
}

async function writeSegment(
  contents: ContentWriter,
  segment: Uint8Array,
  options: WriteObjectOptions,
): Promise<ContentPiece> {
  const { prefix, compressor, signal } = options;
  const lengthBytes = segment.length;
  if (options.format.indexVersion > 1 || prefix !== "" || compressor === undefined) {
    return { ref: await contents.write(segment, { prefix, compressor, signal }), lengthBytes };
  }
  const payload = compressorById(compressor, contents.compression).compress(segment);
  assert(payload.length >= 4, "a compressed payload has a header");
  const objectCompressed = payload.length < lengthBytes;
  const ref = await contents.write(objectCompressed ? payload : segment, { prefix, signal });
  return objectCompressed ? { ref, lengthBytes, objectCompressed } : { ref, lengthBytes };
}

export interface AssembleOptions extends CallOptions {
  readonly format: ObjectFormat;
  /** The object's own; a table of data without a prefix gets `x`. */
  readonly prefix: ContentPrefix;
  readonly metadataCompressor?: CompressorId | undefined;
}

/** The object made of these segments, in order. At least one. Parts of a file that were uploaded apart are simply joined. */
export async function objectFromPieces(
  contents: ContentWriter,
  pieces: readonly ContentPiece[],
  options: AssembleOptions,
): Promise<ObjectId> {
  const only = pieces[0];
  assert(only !== undefined, "an object has at least one piece");
  if (pieces.length === 1) return pieceObject(only);
  return await writeTable(contents, rowsOf(pieces), pieces.length, options);
}

/** One after the other: all rows of a large file would take far more memory than its pieces. */
function* rowsOf(pieces: readonly ContentPiece[]): Generator<SeekTableRow, void, void> {
  let startBytes = 0;
  for (const piece of pieces) {
    const { lengthBytes } = piece;
    yield { startBytes, lengthBytes, object: pieceObject(piece) };
    startBytes += lengthBytes;
  }
}

/** The object that is one content. */
export function pieceObject({ ref, objectCompressed }: ContentPiece): ObjectId {
  return `${objectCompressed === true ? "Z" : ""}${ref}` as ObjectId;
}

/** The table's object ID with one `I` more, for two rows or more. */
export async function writeTable(
  contents: ContentWriter,
  rows: Iterable<SeekTableRow>,
  count: number,
  options: AssembleOptions,
): Promise<ObjectId> {
  const { format, metadataCompressor, signal } = options;
  const prefix = options.prefix === "" ? "x" : options.prefix;
  const source = count <= SMALL_TABLE_ROWS ? encodeSeekTable(rows) : seekTableChunks(rows);
  const table = await writeObject(contents, source, {
    format,
    prefix,
    compressor: metadataCompressor,
    metadataCompressor,
    signal,
  });
  return `I${table.id}` as ObjectId;
}
