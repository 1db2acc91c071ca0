/**
 * Reading objects: any depth of seek tables, ranges, streams with bounded read-ahead. Tables come from the repository,
 * so depth and number of rows are bounded, and every piece must have the length that its row promises.
 */
import { type CallOptions, concatBytes, mapConcurrent, type OwnedBytes } from "../bytes/index.ts";
import { decompressPayload, payloadCompressorId } from "../compress/index.ts";
import { SejfError } from "../errors/index.ts";
import type { ContentPiece, ContentReader, ContentRef } from "../format/index.ts";
import { MAX_INDIRECTION, type ObjectId, parseObjectId, tableOf } from "./object-id.ts";
import { decodeSeekTable, MAX_ROWS, type SeekTableRow } from "./seek-table.ts";
import { streamDocuments } from "./stream-documents.ts";

/** A content is never longer: the index has 28 bits for its length. */
const MAX_CONTENT_BYTES = 2 ** 28 - 1;
/** Room for more than `MAX_ROWS` rows in text. */
const MAX_TABLE_BYTES = 2 ** 31;
/** Longer seek tables are decoded in parts. */
const WHOLE_TABLE_BYTES = 4 << 20;
const DEFAULT_READ_AHEAD = 4;
/** How many contents' references go to the caller at once. */
const PAGE_LENGTH = 4096;

export interface StreamOptions extends CallOptions {
  /** Default 0. */
  readonly offset?: number | undefined;
  /** Default: to the end. */
  readonly length?: number | undefined;
  /** Contents that may be held before the consumer asks for them. Default 4. */
  readonly readAhead?: number | undefined;
}

/** An object open for reading. Holds its table, not its data. */
export interface ObjectReader {
  readonly id: ObjectId;
  readonly sizeBytes: number;
  /** Exactly these bytes. @throws SEJF_RANGE; SEJF_CORRUPT when a piece has another length than its row says. */
  readRange(offset: number, length: number, options?: CallOptions): Promise<OwnedBytes>;
  /** The bytes in order, in chunks that the consumer owns. */
  stream(options?: StreamOptions): AsyncIterable<OwnedBytes>;
}

/** @throws SEJF_INVALID_ID, SEJF_CONTENT_NOT_FOUND, SEJF_CORRUPT (tables). */
export async function openObject(
  contents: ContentReader,
  id: ObjectId,
  options: CallOptions = {},
): Promise<ObjectReader> {
  const { pieces } = await objectPieces(contents, id, undefined, options);
  return new PiecesReader(contents, id, pieces);
}

/** All bytes of an object that is known to be small. @throws SEJF_CORRUPT when it is longer than `maxBytes`. */
export async function readObject(
  contents: ContentReader,
  id: ObjectId,
  maxBytes: number,
  options: CallOptions = {},
): Promise<OwnedBytes> {
  const parsed = parseObjectId(id);
  if (parsed.indirection === 0) {
    const data = await readContent(contents, parsed.content, parsed.compressed, maxBytes, options);
    if (data.length > maxBytes) throw tooLong(id, data.length, maxBytes);
    return data;
  }
  const reader = await openObject(contents, id, options);
  if (reader.sizeBytes > maxBytes) throw tooLong(id, reader.sizeBytes, maxBytes);
  return reader.readRange(0, reader.sizeBytes, options);
}

function tooLong(id: ObjectId, sizeBytes: number, maxBytes: number): SejfError {
  return new SejfError(
    "SEJF_CORRUPT",
    `object ${id} is ${sizeBytes} bytes, expected at most ${maxBytes}`,
  );
}

/**
 * The segments of an object, all levels of tables resolved. `sizeBytes` is what a directory entry says of it and is
 * checked against the tables; without it a plain content is looked up for its length.
 */
export async function objectPieces(
  contents: ContentReader,
  id: ObjectId,
  sizeBytes: number | undefined,
  options: CallOptions = {},
): Promise<{ readonly pieces: readonly ContentPiece[]; readonly sizeBytes: number }> {
  const parsed = parseObjectId(id);
  if (parsed.indirection === 0) {
    const lengthBytes =
      sizeBytes ?? (await lengthOf(contents, parsed.content, parsed.compressed, options));
    return {
      pieces: [pieceOf(parsed.content, lengthBytes, parsed.compressed)],
      sizeBytes: lengthBytes,
    };
  }
  const pieces: ContentPiece[] = [];
  await collectPieces(contents, id, 0, pieces, undefined, options);
  const total = pieces.reduce((sum, piece) => sum + piece.lengthBytes, 0);
  if (sizeBytes !== undefined && total !== sizeBytes) {
    throw new SejfError(
      "SEJF_CORRUPT",
      `object ${id} is ${total} bytes by its seek table, expected ${sizeBytes}`,
    );
  }
  return { pieces, sizeBytes: total };
}

/** Every content that an object needs, seek tables included, in pages. A content may come more than once. */
export async function* objectContents(
  contents: ContentReader,
  id: ObjectId,
  options: CallOptions = {},
): AsyncGenerator<readonly ContentRef[], void, void> {
  const parsed = parseObjectId(id);
  if (parsed.indirection === 0) {
    yield [parsed.content];
    return;
  }
  const pieces: ContentPiece[] = [];
  const tables: ContentRef[] = [];
  await collectPieces(contents, id, 0, pieces, tables, options);
  yield tables;
  for (let at = 0; at < pieces.length; at += PAGE_LENGTH)
    yield pieces.slice(at, at + PAGE_LENGTH).map((piece) => piece.ref);
}

/** Appends what `id` is made of; `depth` counts the tables above, so that no cycle goes on for ever. */
async function collectPieces(
  contents: ContentReader,
  id: ObjectId,
  depth: number,
  pieces: ContentPiece[],
  tables: ContentRef[] | undefined,
  options: CallOptions,
): Promise<void> {
  if (depth > MAX_INDIRECTION)
    throw new SejfError(
      "SEJF_CORRUPT",
      `object ${id} lies below more than ${MAX_INDIRECTION} seek tables`,
    );
  const table = tableOf(id);
  if (tables !== undefined) await collectTableContents(contents, table, depth, tables, options);
  let last: SeekTableRow | undefined;
  for await (const rows of tableRows(contents, table, options, depth + 1)) {
    options.signal?.throwIfAborted();
    for (const row of rows) {
      const parsed = parseObjectId(row.object);
      // The zeros of a sparse file, say, are one piece a hundred thousand times.
      if (
        row.object === last?.object &&
        row.lengthBytes === last.lengthBytes &&
        parsed.indirection === 0
      )
        pieces.push(pieces.at(-1) as ContentPiece);
      else if (parsed.indirection === 0) {
        pieces.push(pieceOf(parsed.content, row.lengthBytes, parsed.compressed));
      } else {
        const before = pieces.length;
        await collectPieces(contents, row.object, depth + 1, pieces, tables, options);
        const length = pieces.slice(before).reduce((sum, piece) => sum + piece.lengthBytes, 0);
        if (length !== row.lengthBytes) throw wrongLength(row.object, length, row.lengthBytes);
      }
      last = row;
      if (pieces.length > MAX_ROWS)
        throw new SejfError("SEJF_CORRUPT", `object ${id} has more than ${MAX_ROWS} pieces`);
    }
  }
}

async function collectTableContents(
  contents: ContentReader,
  table: ObjectId,
  depth: number,
  tables: ContentRef[],
  options: CallOptions,
): Promise<void> {
  const parsed = parseObjectId(table);
  if (parsed.indirection === 0) tables.push(parsed.content);
  else {
    const inner: ContentPiece[] = [];
    await collectPieces(contents, table, depth + 1, inner, tables, options);
    for (const piece of inner) tables.push(piece.ref);
  }
}

/** The rows of a table object in parts; it may itself be indirect. */
export async function* tableRows(
  contents: ContentReader,
  table: ObjectId,
  options: CallOptions,
  depth: number = 0,
): AsyncGenerator<readonly SeekTableRow[], void, void> {
  const parsed = parseObjectId(table);
  if (parsed.indirection === 0) {
    const { content, compressed } = parsed;
    yield decodeSeekTable(
      await readContent(contents, content, compressed, MAX_CONTENT_BYTES, options),
    );
    return;
  }
  const pieces: ContentPiece[] = [];
  await collectPieces(contents, table, depth + 1, pieces, undefined, options);
  const reader = new PiecesReader(contents, table, pieces);
  if (reader.sizeBytes > MAX_TABLE_BYTES) throw tooLong(table, reader.sizeBytes, MAX_TABLE_BYTES);
  if (reader.sizeBytes <= WHOLE_TABLE_BYTES) {
    yield decodeSeekTable(await reader.readRange(0, reader.sizeBytes, options));
    return;
  }
  let end = 0;
  for await (const document of streamDocuments("indirect", reader.stream(options))) {
    const rows = decodeSeekTable(document, end);
    const last = rows.at(-1) as SeekTableRow;
    end = last.startBytes + last.lengthBytes;
    yield rows;
  }
}

function pieceOf(ref: ContentRef, lengthBytes: number, compressed: boolean): ContentPiece {
  return compressed ? { ref, lengthBytes, objectCompressed: true } : { ref, lengthBytes };
}

async function lengthOf(
  contents: ContentReader,
  ref: ContentRef,
  compressed: boolean,
  options: CallOptions,
): Promise<number> {
  if (compressed)
    return (await readContent(contents, ref, true, MAX_CONTENT_BYTES, options)).length;
  const stat = await contents.stat(ref, options);
  if (stat === undefined)
    throw new SejfError("SEJF_CONTENT_NOT_FOUND", `content ${ref} is not in the repository`);
  return stat.originalLength;
}

async function readContent(
  contents: ContentReader,
  ref: ContentRef,
  compressed: boolean,
  maxBytes: number,
  options: CallOptions,
): Promise<OwnedBytes> {
  const data = await contents.read(ref, { signal: options.signal });
  return compressed
    ? decompressPayload(data, payloadCompressorId(data), maxBytes, contents.compression)
    : data;
}

function wrongLength(what: string, found: number, expected: number): SejfError {
  return new SejfError(
    "SEJF_CORRUPT",
    `${what} is ${found} bytes, its seek table says ${expected}`,
  );
}

class PiecesReader implements ObjectReader {
  readonly id: ObjectId;
  readonly sizeBytes: number;
  readonly #contents: ContentReader;
  readonly #pieces: readonly ContentPiece[];
  /** Where each piece begins. */
  readonly #starts: Float64Array;

  constructor(contents: ContentReader, id: ObjectId, pieces: readonly ContentPiece[]) {
    this.id = id;
    this.#contents = contents;
    this.#pieces = pieces;
    this.#starts = new Float64Array(pieces.length);
    let end = 0;
    for (const [index, piece] of pieces.entries()) {
      this.#starts[index] = end;
      end += piece.lengthBytes;
    }
    this.sizeBytes = end;
  }

  async readRange(offset: number, length: number, options: CallOptions = {}): Promise<OwnedBytes> {
    const chunks: OwnedBytes[] = [];
    for await (const chunk of this.stream({ ...options, offset, length })) chunks.push(chunk);
    return chunks.length === 1 ? (chunks[0] as OwnedBytes) : concatBytes(...chunks);
  }

  async *stream(options: StreamOptions = {}): AsyncGenerator<OwnedBytes, void, void> {
    const offset = options.offset ?? 0;
    const length = options.length ?? this.sizeBytes - offset;
    if (
      !Number.isSafeInteger(offset) ||
      !Number.isSafeInteger(length) ||
      offset < 0 ||
      length < 0 ||
      offset + length > this.sizeBytes
    ) {
      throw new SejfError(
        "SEJF_RANGE",
        `range ${offset}+${length} of object ${this.id} of ${this.sizeBytes} bytes`,
      );
    }
    const end = offset + length;
    const read = async (index: number, signal: AbortSignal): Promise<OwnedBytes> => {
      const data = await this.#readPiece(this.#pieces[index] as ContentPiece, signal);
      const start = this.#starts[index] as number;
      const from = Math.max(0, offset - start);
      const to = Math.min(data.length, end - start);
      return from === 0 && to === data.length ? data : data.slice(from, to);
    };
    yield* mapConcurrent(
      this.#indexes(offset, end),
      options.readAhead ?? DEFAULT_READ_AHEAD,
      read,
      options.signal,
    );
  }

  /** Pieces that have bytes in the range. */
  *#indexes(offset: number, end: number): Generator<number, void, void> {
    for (let index = this.#pieceAt(offset); index < this.#pieces.length; index++) {
      if ((this.#starts[index] as number) >= end) return;
      if ((this.#pieces[index] as ContentPiece).lengthBytes > 0) yield index;
    }
  }

  /** The last piece that begins at or before `offset`. */
  #pieceAt(offset: number): number {
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  async #readPiece(piece: ContentPiece, signal: AbortSignal): Promise<OwnedBytes> {
    const data = await readContent(
      this.#contents,
      piece.ref,
      piece.objectCompressed === true,
      MAX_CONTENT_BYTES,
      { signal },
    );
    if (data.length !== piece.lengthBytes)
      throw wrongLength(`content ${piece.ref}`, data.length, piece.lengthBytes);
    return data;
  }
}
