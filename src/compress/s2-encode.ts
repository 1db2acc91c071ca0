/**
 * Plain bytes to an S2 framed stream. Elements are those of Snappy (no repeats), blocks are longer than Snappy's,
 * so copies may reach further back. Every S2 reader understands both.
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
const HASH_BITS = 15;
/** Shorter matches are not looked for. */
const MIN_MATCH = 4;
/** Copies with an offset of 4 bytes take 5 bytes each; a match must save something. */
const MIN_FAR_MATCH = 8;
const NEAR_OFFSET = 0x10000;
const FAR_COPY_BYTES = 5;
/** The longest. */
const LITERAL_HEADER_BYTES = 4;
/** Matches begin at least this far before the end, so that 4 bytes can always be read. */
const MARGIN = 15;
/** Without a match the search takes longer and longer steps: one more byte for each 2^n positions. */
const SKIP_SHIFT_FAST = 5;
const SKIP_SHIFT_THOROUGH = 9;

/** A framed stream; `thorough` looks at more positions. Ends of blocks do not depend on the content. */
export function s2Compress(data: Uint8Array, thorough: boolean): OwnedBytes {
  const chunks: Uint8Array[] = [chunk(CHUNK_STREAM_ID, STREAM_ID_S2)];
  const table = new Int32Array(1 << HASH_BITS);
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    const plain = data.subarray(at, at + BLOCK_BYTES);
    const checksum = new Uint8Array(CHECKSUM_BYTES);
    viewOf(checksum).setUint32(0, maskedChecksum(plain), true);
    const block = encodeBlock(plain, table, thorough ? SKIP_SHIFT_THOROUGH : SKIP_SHIFT_FAST);
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
  skipShift: number,
): Uint8Array | undefined {
  table.fill(0);
  const header = uvarintBytes(plain.length);
  const limit = plain.length;
  const output = new Uint8Array(limit);
  output.set(header);
  let to = header.length;
  let emitted = 0;
  let at = 1;
  const end = plain.length - MARGIN;
  while (at < end) {
    const hash = hashAt(plain, at);
    const candidate = table[hash]! - 1;
    table[hash] = at + 1;
    if (candidate < 0 || !isMatch(plain, candidate, at)) {
      at += 1 + ((at - emitted) >>> skipShift);
      continue;
    }
    let start = at;
    let source = candidate;
    while (start > emitted && source > 0 && plain[start - 1] === plain[source - 1]) {
      start--;
      source--;
    }
    let stop = at + MIN_MATCH;
    const offset = start - source;
    while (stop < plain.length && plain[stop] === plain[stop - offset]) stop++;
    const room =
      start - emitted + LITERAL_HEADER_BYTES + FAR_COPY_BYTES * (((stop - start) >>> 6) + 2);
    if (to + room > limit) return undefined;
    to = emitLiteral(output, to, plain, emitted, start);
    to = emitCopy(output, to, offset, stop - start);
    emitted = stop;
    at = stop;
    if (at < end) {
      table[hashAt(plain, at - 2)] = at - 1;
      table[hashAt(plain, at - 1)] = at;
    }
  }
  if (to + (plain.length - emitted) + LITERAL_HEADER_BYTES > limit) return undefined;
  to = emitLiteral(output, to, plain, emitted, plain.length);
  return output.subarray(0, to);
}

function hashAt(plain: Uint8Array, at: number): number {
  const word = plain[at]! | (plain[at + 1]! << 8) | (plain[at + 2]! << 16) | (plain[at + 3]! << 24);
  return Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
}

function isMatch(plain: Uint8Array, a: number, b: number): boolean {
  for (let i = 0; i < MIN_MATCH; i++) if (plain[a + i] !== plain[b + i]) return false;
  if (b - a < NEAR_OFFSET) return true;
  for (let i = MIN_MATCH; i < MIN_FAR_MATCH; i++) if (plain[a + i] !== plain[b + i]) return false;
  return true;
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
  output.set(plain.subarray(start, end), at);
  return at + length;
}

/** A match in copies of at most 64 bytes; the last two share the rest so that none is below 4. */
function emitCopy(output: Uint8Array, to: number, offset: number, length: number): number {
  let at = to;
  let rest = length;
  while (rest > 0) {
    const take = rest <= 64 ? rest : rest < 68 ? 60 : 64;
    if (take >= 4 && take < 12 && offset < 2048) {
      output[at++] = 1 | ((take - 4) << 2) | ((offset >>> 8) << 5);
      output[at++] = offset;
    } else {
      output[at++] = (offset < NEAR_OFFSET ? 2 : 3) | ((take - 1) << 2);
      output[at++] = offset;
      output[at++] = offset >>> 8;
      if (offset >= NEAR_OFFSET) {
        output[at++] = offset >>> 16;
        output[at++] = offset >>> 24;
      }
    }
    rest -= take;
  }
  return at;
}
