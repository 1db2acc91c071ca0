/**
 * Compression by Kopia's names and header IDs. A stored payload is the 4-byte big-endian header ID and the codec's
 * stream; `Compressor` adds and checks the header. The codecs themselves come from a `CompressionEngine`.
 */
import type { OwnedBytes } from "../bytes/index.ts";

/** The number in the header and in index entries, 0 for none: 0x1101 is `zstd-fastest`. */
export type CompressorId = number & { readonly __brand?: "CompressorId" };

/** The raw codecs, without Kopia's header. Portable (fflate, fzstd, our S2) or Node's zlib. */
export interface CompressionEngine {
  readonly name: string;
  gzip(data: Uint8Array, level: number): OwnedBytes;
  /** `maxBytes` bounds the output. @throws SEJF_CORRUPT for a bad stream or a longer output. All decoders alike. */
  gunzip(data: Uint8Array, maxBytes: number): OwnedBytes;
  deflateRaw(data: Uint8Array, level: number): OwnedBytes;
  inflateRaw(data: Uint8Array, maxBytes: number): OwnedBytes;
  /** @throws SEJF_UNSUPPORTED in the portable engine, which only reads zstd. */
  zstdCompress(data: Uint8Array, level: number): OwnedBytes;
  zstdDecompress(data: Uint8Array, maxBytes: number): OwnedBytes;
  /** As `zstdCompress`, to the beginning of `target`; the length, or -1 where that may be short of room. Absent: no faster way. */
  zstdCompressInto?(data: Uint8Array, level: number, target: Uint8Array): number;
  /** As `zstdDecompress`, to the beginning of `target`; the length. */
  zstdDecompressInto?(data: Uint8Array, target: Uint8Array): number;
}

export interface Compressor {
  /** Kopia's name: `zstd-fastest`. */
  readonly name: string;
  readonly id: CompressorId;
  /** May be read but should not be chosen for new data. */
  readonly deprecated: boolean;
  /** Header and stream. */
  compress(data: Uint8Array): OwnedBytes;
  /** Undoes `compress`; the header must be this compressor's. @throws SEJF_CORRUPT. */
  decompress(payload: Uint8Array, maxBytes: number): OwnedBytes;
  /** As `compress`, to the beginning of the caller's memory; the length, or -1 where that may be short of room. */
  compressInto(data: Uint8Array, target: Uint8Array): number;
  /** As `decompress`, to the beginning of the caller's memory, which bounds it; the length. @throws SEJF_CORRUPT. */
  decompressInto(payload: Uint8Array, target: Uint8Array): number;
}
