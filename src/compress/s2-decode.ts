/** S2 framed streams to plain bytes: every element of S2 and Snappy, checksums checked, output bounded. */
import { concatBytes, equalBytes, type OwnedBytes, readUvarint, viewOf } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import {
  CHECKSUM_BYTES,
  CHUNK_COMPRESSED,
  CHUNK_HEADER_BYTES,
  CHUNK_RAW,
  CHUNK_SKIPPABLE_FIRST,
  CHUNK_STREAM_ID,
  MAX_BLOCK_BYTES,
  maskedChecksum,
  STREAM_ID_S2,
  STREAM_ID_SNAPPY,
} from "./s2-framing.ts";

/** The plain bytes of a framed stream, at most `maxBytes`. @throws SEJF_CORRUPT. */
export function s2Decompress(stream: Uint8Array, maxBytes: number): OwnedBytes {
  const view = viewOf(stream);
  const blocks: OwnedBytes[] = [];
  let total = 0;
  let at = 0;
  let identified = false;
  while (at < stream.length) {
    if (stream.length - at < CHUNK_HEADER_BYTES) throw corrupt("chunk header is cut off");
    const type = stream[at]!;
    const bodyBytes = view.getUint32(at, true) >>> 8;
    const body = stream.subarray(at + CHUNK_HEADER_BYTES, at + CHUNK_HEADER_BYTES + bodyBytes);
    if (body.length < bodyBytes)
      throw corrupt(`chunk of ${bodyBytes} bytes is cut off after ${body.length}`);
    at += CHUNK_HEADER_BYTES + bodyBytes;
    if (type === CHUNK_STREAM_ID) {
      if (!equalBytes(body, STREAM_ID_S2) && !equalBytes(body, STREAM_ID_SNAPPY))
        throw corrupt("unknown stream identifier");
      identified = true;
    } else if (!identified) {
      throw corrupt("does not begin with a stream identifier");
    } else if (type === CHUNK_COMPRESSED || type === CHUNK_RAW) {
      const plain = decodeChunk(type, body, maxBytes - total);
      total += plain.length;
      blocks.push(plain);
    } else if (type < CHUNK_SKIPPABLE_FIRST) {
      throw corrupt(`reserved chunk type ${type}`);
    }
  }
  return blocks.length === 1 ? blocks[0]! : concatBytes(...blocks);
}

function decodeChunk(type: number, body: Uint8Array, maxBytes: number): OwnedBytes {
  if (body.length < CHECKSUM_BYTES) throw corrupt("chunk has no checksum");
  const data = body.subarray(CHECKSUM_BYTES);
  const plain = type === CHUNK_RAW ? rawBlock(data, maxBytes) : s2DecodeBlock(data, maxBytes);
  if (maskedChecksum(plain) !== viewOf(body).getUint32(0, true))
    throw corrupt("checksum does not match");
  return plain;
}

function rawBlock(data: Uint8Array, maxBytes: number): OwnedBytes {
  checkBlockLength(data.length, maxBytes);
  return new Uint8Array(data);
}

function checkBlockLength(length: number, maxBytes: number): void {
  if (length > MAX_BLOCK_BYTES)
    throw corrupt(`block of ${length} bytes, the format allows ${MAX_BLOCK_BYTES}`);
  if (length > maxBytes) throw corrupt("output is longer than expected");
}

/** One block: uvarint length, then elements. @throws SEJF_CORRUPT. */
export function s2DecodeBlock(block: Uint8Array, maxBytes: number): OwnedBytes {
  const { value: length, next } = readUvarint(block, 0);
  checkBlockLength(length, maxBytes);
  const plain = new Uint8Array(length);
  let from = next;
  let to = 0;
  let offset = 0;
  while (from < block.length) {
    const tag = block[from]!;
    let count = (tag >>> 2) + 1;
    if ((tag & 3) === 0) {
      const extra = Math.max(0, count - 60);
      if (extra > 0) count = littleEndian(block, from + 1, extra) + 1;
      from += 1 + extra;
      if (count > block.length - from || count > length - to) {
        throw corrupt(`literal of ${count} bytes does not fit`);
      }
      copyLiteral(block, from, plain, to, count);
      from += count;
      to += count;
      continue;
    }
    if ((tag & 3) === 1) {
      if (from + 1 >= block.length) throw corrupt("element is cut off");
      const near = ((tag & 0xe0) << 3) | block[from + 1]!;
      count = ((tag >>> 2) & 7) + 4;
      from += 2;
      if (near !== 0) {
        offset = near;
      } else if (count > LAST_SHORT_REPEAT) {
        const extra = count - LAST_SHORT_REPEAT;
        count = littleEndian(block, from, extra) + REPEAT_BASE[extra]!;
        from += extra;
      }
    } else {
      const offsetBytes = (tag & 3) === 2 ? 2 : 4;
      offset = littleEndian(block, from + 1, offsetBytes);
      from += 1 + offsetBytes;
    }
    if (offset === 0 || offset > to || count > length - to) {
      throw corrupt(`copy of ${count} bytes from ${offset} back at ${to} of ${length}`);
    }
    copyWithinOutput(plain, to, offset, count);
    to += count;
  }
  if (to !== length) throw corrupt(`block has ${to} bytes, its header says ${length}`);
  return plain;
}

/** Longer repeats have their length in 1 to 3 bytes behind. */
const LAST_SHORT_REPEAT = 8;
/** What is added to it, by the number of bytes. */
const REPEAT_BASE: readonly number[] = [0, 8, 260, 65540];

function littleEndian(block: Uint8Array, at: number, count: number): number {
  if (at + count > block.length) throw corrupt("element is cut off");
  let value = block[at]!;
  if (count > 1) value |= block[at + 1]! << 8;
  if (count > 2) value |= block[at + 2]! << 16;
  return count > 3 ? value + block[at + 3]! * 0x100_0000 : value;
}

/** Below this a loop beats the call of a built-in. */
const LOOP_BYTES = 32;

function copyLiteral(
  block: Uint8Array,
  from: number,
  plain: Uint8Array,
  to: number,
  count: number,
): void {
  if (count > LOOP_BYTES) {
    plain.set(block.subarray(from, from + count), to);
    return;
  }
  for (let i = 0; i < count; i++) plain[to + i] = block[from + i]!;
}

/** The source may reach into what is being written: then the bytes repeat. */
function copyWithinOutput(plain: Uint8Array, to: number, offset: number, count: number): void {
  if (count > LOOP_BYTES && offset >= count) {
    plain.copyWithin(to, to - offset, to - offset + count);
    return;
  }
  for (let i = to; i < to + count; i++) plain[i] = plain[i - offset]!;
}

function corrupt(what: string): SejfError {
  return new SejfError("SEJF_CORRUPT", `s2 stream: ${what}`);
}
