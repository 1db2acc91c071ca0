/** The frame around S2 and Snappy blocks: chunk types, the stream identifier and the masked checksum. */
import { crc32c } from "./crc32c.ts";

// A chunk: u8 type, u24le length of the body, body. Bodies of data chunks begin with a u32le masked CRC-32C of the
// plain bytes. Spec: kopia-format.md 4.2.
export const CHUNK_HEADER_BYTES = 4;
export const CHECKSUM_BYTES = 4;

export const CHUNK_COMPRESSED = 0x00;
export const CHUNK_RAW = 0x01;
export const CHUNK_SKIPPABLE_FIRST = 0x80;
export const CHUNK_STREAM_ID = 0xff;

/** `S2sTwO`: blocks may be larger than Snappy's 64 KiB. */
export const STREAM_ID_S2: Uint8Array = Uint8Array.of(0x53, 0x32, 0x73, 0x54, 0x77, 0x4f);
/** `sNaPpY`. */
export const STREAM_ID_SNAPPY: Uint8Array = Uint8Array.of(0x73, 0x4e, 0x61, 0x50, 0x70, 0x59);

/** No block is longer in plain bytes; the limit of the format. */
export const MAX_BLOCK_BYTES: number = 4 * 1024 * 1024;

/** What a chunk carries for its plain bytes. */
export function maskedChecksum(plain: Uint8Array): number {
  const crc = crc32c(plain);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
