/**
 * The frames of a Zstandard stream, found by walking headers only. It tells a decoder that allocates what a header
 * asks for (as fzstd does) whether it may. Spec: RFC 8878 §3.
 */
import { viewOf } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";

export interface ZstdFrame {
  readonly bytes: Uint8Array;
  /** Plain length, where the header has it. */
  readonly contentBytes: number | undefined;
}

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MASK = 0xfffffff0;
const BLOCK_HEADER_BYTES = 3;
const MAX_BLOCK_BYTES = 131072;
const CHECKSUM_BYTES = 4;
/** Decoders need not take more (RFC 8878 §3.1.1.1.2 asks for 8 MiB); the strongest levels of writers use 128 MiB. */
const MAX_WINDOW_BYTES = 128 * 1024 * 1024;

/** All frames but the skippable ones. @throws SEJF_CORRUPT when they cannot be, or hold more than `maxBytes`. */
export function zstdFrames(data: Uint8Array, maxBytes: number): ZstdFrame[] {
  const view = viewOf(data);
  const frames: ZstdFrame[] = [];
  let at = 0;
  while (at < data.length) {
    need(view, at, 8);
    const magic = view.getUint32(at, true);
    if ((magic & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC) {
      const bodyBytes = view.getUint32(at + 4, true);
      need(view, at + 8, bodyBytes);
      at += 8 + bodyBytes;
      continue;
    }
    if (magic !== MAGIC) throw corrupt("not a frame");
    const header = readHeader(view, at, maxBytes);
    const end = skipBlocks(view, header.blocksAt) + (header.checksum ? CHECKSUM_BYTES : 0);
    need(view, end, 0);
    frames.push({ bytes: data.subarray(at, end), contentBytes: header.contentBytes });
    at = end;
  }
  if (frames.length === 0) throw corrupt("no frame");
  return frames;
}

interface FrameHeader {
  readonly blocksAt: number;
  readonly checksum: boolean;
  readonly contentBytes: number | undefined;
}

// Frame header: u32le magic, u8 descriptor (bits 6-7 size of the content size, 5 single segment, 3 reserved,
// 2 checksum, 0-1 size of the dictionary ID), [u8 window], [dictionary ID], [content size].
function readHeader(view: DataView, at: number, maxBytes: number): FrameHeader {
  const descriptor = view.getUint8(at + 4);
  if ((descriptor & 0x08) !== 0) throw corrupt("reserved bit in the frame header");
  if ((descriptor & 0x03) !== 0) throw corrupt("frame needs a dictionary");
  const single = (descriptor & 0x20) !== 0;
  let next = at + 5;
  if (!single) {
    need(view, next, 1);
    const window = view.getUint8(next);
    const base = 2 ** (10 + (window >>> 3));
    if (base + (base / 8) * (window & 7) > MAX_WINDOW_BYTES) throw corrupt("window is too large");
    next += 1;
  }
  const sizeCode = descriptor >>> 6;
  const sizeBytes = sizeCode === 0 ? (single ? 1 : 0) : 1 << sizeCode;
  need(view, next, sizeBytes);
  const contentBytes = readContentSize(view, next, sizeBytes);
  if (contentBytes !== undefined && contentBytes > maxBytes)
    throw corrupt("output is longer than expected");
  return { blocksAt: next + sizeBytes, checksum: (descriptor & 0x04) !== 0, contentBytes };
}

function readContentSize(view: DataView, at: number, sizeBytes: number): number | undefined {
  switch (sizeBytes) {
    case 0:
      return undefined;
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true) + 256;
    case 4:
      return view.getUint32(at, true);
    default:
      return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
  }
}

/** Where the blocks end. A block header, u24le: bit 0 last, bits 1-2 type (0 raw, 1 run, 2 compressed), size. */
function skipBlocks(view: DataView, first: number): number {
  let at = first;
  for (;;) {
    need(view, at, BLOCK_HEADER_BYTES);
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const type = (header >>> 1) & 3;
    const size = header >>> 3;
    if (type === 3) throw corrupt("reserved block type");
    if (size > MAX_BLOCK_BYTES)
      throw corrupt(`block of ${size} bytes, the format allows ${MAX_BLOCK_BYTES}`);
    at += BLOCK_HEADER_BYTES + (type === 1 ? 1 : size);
    need(view, at, 0);
    if ((header & 1) !== 0) return at;
  }
}

function need(view: DataView, at: number, count: number): void {
  if (at + count > view.byteLength) throw corrupt("cut off");
}

function corrupt(what: string): SejfError {
  return new SejfError("SEJF_CORRUPT", `zstd stream: ${what}`);
}
