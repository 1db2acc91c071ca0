/**
 * Plain bytes to an S2 framed stream. Blocks are longer than Snappy's, so copies may reach further back, and a
 * long match is one copy and one repeat of its offset. Spec: kopia-format.md 4.2.
 */
import { concatBytes, type OwnedBytes, uvarintBytes, viewOf } from "../bytes/index.ts";
import {
  CHECKSUM_BYTES,
  CHUNK_COMPRESSED,
  CHUNK_HEADER_BYTES,
  CHUNK_RAW,
  CHUNK_STREAM_ID,
  maskedChecksum,
  STREAM_ID_S2,
} from "./s2-framing.ts";

const BLOCK_BYTES = 1024 * 1024;
const HASH_BITS = 16;
/** Shorter matches are not looked for. */
const MIN_MATCH = 4;
const NEAR_OFFSET = 0x10000;
/** The longest copy without its repeats. */
const MAX_COPY = 64;
/** The shortest repeat whose length is a number of its own. */
const MIN_LONG_REPEAT = 8;
/** A match at most: an offset of 4 bytes, twice. */
const COPY_BYTES = 10;
/** The longest. */
const LITERAL_HEADER_BYTES = 4;
/** Matches begin at least this far before the end, so that 4 bytes can always be read. */
const MARGIN = 15;
/** Without a match the search takes longer and longer steps: one more byte for each 2^n positions. */
const SKIP_SHIFT = 5;
/** Shorter literals are copied by a loop, which is faster than a call. */
const LOOP_BYTES = 48;

/** A framed stream; `thorough` remembers more positions. Ends of blocks do not depend on the content. */
export function s2Compress(data: Uint8Array, thorough: boolean): OwnedBytes {
  const chunks: Uint8Array[] = [chunk(CHUNK_STREAM_ID, STREAM_ID_S2)];
  const table = new Int32Array(1 << HASH_BITS);
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    const plain = data.subarray(at, at + BLOCK_BYTES);
    const checksum = new Uint8Array(CHECKSUM_BYTES);
    viewOf(checksum).setUint32(0, maskedChecksum(plain), true);
    const block = encodeBlock(plain, table, thorough);
    chunks.push(
      block === undefined
        ? chunk(CHUNK_RAW, checksum, plain)
        : chunk(CHUNK_COMPRESSED, checksum, block),
    );
  }
  return concatBytes(...chunks);
}

function chunk(type: number, ...body: readonly Uint8Array[]): OwnedBytes {
  const all = concatBytes(new Uint8Array(CHUNK_HEADER_BYTES), ...body);
  viewOf(all).setUint32(0, (type | ((all.length - CHUNK_HEADER_BYTES) << 8)) >>> 0, true);
  return all;
}

/** One block, or `undefined` when it would not be shorter. `table` holds positions plus one by hash; any content. */
function encodeBlock(
  plain: Uint8Array,
  table: Int32Array,
  thorough: boolean,
): Uint8Array | undefined {
  table.fill(0);
  const view = viewOf(plain);
  const header = uvarintBytes(plain.length);
  const limit = plain.length;
  const output = new Uint8Array(limit);
  output.set(header);
  let to = header.length;
  let emitted = 0;
  let at = 1;
  const end = plain.length - MARGIN;
  while (at < end) {
    const word = view.getUint32(at, true);
    const hash = hashOf(word);
    const candidate = table[hash]! - 1;
    table[hash] = at + 1;
    if (
      candidate < 0 ||
      view.getUint32(candidate, true) !== word ||
      !isWorthwhile(view, candidate, at)
    ) {
      at += 1 + ((at - emitted) >>> SKIP_SHIFT);
      continue;
    }
    let start = at;
    const offset = at - candidate;
    while (start > emitted && start > offset && plain[start - 1] === plain[start - 1 - offset])
      start--;
    let stop = at + MIN_MATCH;
    while (stop < plain.length && plain[stop] === plain[stop - offset]) stop++;
    const room = start - emitted + LITERAL_HEADER_BYTES + COPY_BYTES;
    if (to + room > limit) return undefined;
    to = emitLiteral(output, to, plain, emitted, start);
    to = emitCopy(output, to, offset, stop - start);
    for (let i = thorough ? at + 1 : stop - 2; i < stop && i < end; i++)
      table[hashOf(view.getUint32(i, true))] = i + 1;
    emitted = stop;
    at = stop;
  }
  if (to + (plain.length - emitted) + LITERAL_HEADER_BYTES > limit) return undefined;
  to = emitLiteral(output, to, plain, emitted, plain.length);
  return output.subarray(0, to);
}

function hashOf(word: number): number {
  return Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
}

/** Of a match of 4 bytes: near, or long enough for the longer element. */
function isWorthwhile(view: DataView, source: number, at: number): boolean {
  return (
    at - source < NEAR_OFFSET || view.getUint32(source + 4, true) === view.getUint32(at + 4, true)
  );
}

function emitLiteral(
  output: Uint8Array,
  to: number,
  plain: Uint8Array,
  start: number,
  end: number,
): number {
  const length = end - start;
  if (length === 0) return to;
  let at = to;
  const code = length - 1;
  if (code < 60) {
    output[at++] = code << 2;
  } else {
    const extra = code < 0x100 ? 1 : code < 0x10000 ? 2 : 3;
    output[at++] = (59 + extra) << 2;
    for (let i = 0; i < extra; i++) output[at++] = code >>> (8 * i);
  }
  if (length > LOOP_BYTES) output.set(plain.subarray(start, end), at);
  else for (let i = 0; i < length; i++) output[at + i] = plain[start + i]!;
  return at + length;
}

/** A copy has at most 64 bytes; the rest of a longer match repeats its offset, in one element. */
function emitCopy(output: Uint8Array, to: number, offset: number, length: number): number {
  if (length <= MAX_COPY) return emitOneCopy(output, to, offset, length);
  if (length < MAX_COPY + MIN_LONG_REPEAT) {
    const at = emitOneCopy(output, to, offset, MAX_COPY - MIN_MATCH);
    return emitOneCopy(output, at, offset, length - MAX_COPY + MIN_MATCH);
  }
  let at = emitOneCopy(output, to, offset, MAX_COPY);
  const rest = length - MAX_COPY;
  const extra = rest < 260 ? 1 : rest < 65540 ? 2 : 3;
  const code = rest - (extra === 1 ? MIN_LONG_REPEAT : extra === 2 ? 260 : 65540);
  output[at++] = 1 | ((4 + extra) << 2);
  output[at++] = 0;
  for (let i = 0; i < extra; i++) output[at++] = code >>> (8 * i);
  return at;
}

function emitOneCopy(output: Uint8Array, to: number, offset: number, length: number): number {
  let at = to;
  if (length < 12 && offset < 2048) {
    output[at++] = 1 | ((length - MIN_MATCH) << 2) | ((offset >>> 8) << 5);
    output[at++] = offset;
    return at;
  }
  output[at++] = (offset < NEAR_OFFSET ? 2 : 3) | ((length - 1) << 2);
  output[at++] = offset;
  output[at++] = offset >>> 8;
  if (offset < NEAR_OFFSET) return at;
  output[at++] = offset >>> 16;
  output[at++] = offset >>> 24;
  return at;
}
