/** Compression of contents by Kopia's names and header IDs, with portable codecs. */
export type { CompressionEngine, Compressor, CompressorId } from "./compressor.ts";
export {
  COMPRESSION_HEADER_BYTES,
  type CompressionCodec,
  compressorById,
  compressorByName,
  type CompressorInfo,
  COMPRESSORS,
  decompressPayload,
  DEFAULT_METADATA_COMPRESSOR,
  payloadCompressorId,
} from "./compressors.ts";
export { portableCompressionEngine } from "./portable-engine.ts";
export { worthCompressing } from "./probe.ts";
