/**
 * Kopia's compressors: names, header IDs, what codec and level each stands for, and the 4-byte header around the
 * stream. Spec: kopia-format.md 4.2.
 */
import { concatBytes, type OwnedBytes, viewOf } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { CompressionEngine, Compressor, CompressorId } from "./compressor.ts";
import { s2Compress } from "./s2-encode.ts";
import { s2Decompress } from "./s2-decode.ts";

/** The kinds of stream behind the headers; `lz4` is a reserved ID whose codec is gone. */
export type CompressionCodec = "gzip" | "zstd" | "s2" | "deflate" | "lz4";

/** One line of the registry. */
export interface CompressorInfo {
  /** Kopia's name: `zstd-fastest`. */
  readonly name: string;
  readonly id: CompressorId;
  readonly codec: CompressionCodec;
  /** For the writer only, in the codec's own scale; readers take any stream. */
  readonly level: number;
  /** May be read but should not be chosen for new data. */
  readonly deprecated: boolean;
}

/** Header in front of every compressed payload: the ID, big-endian. */
export const COMPRESSION_HEADER_BYTES = 4;

/** All of Kopia's compressors, by ID. The Go library's zstd presets correspond to levels 1, 3, 7 and 11. */
export const COMPRESSORS: readonly CompressorInfo[] = [
  info("gzip", 0x1000, "gzip", 6),
  info("gzip-best-speed", 0x1001, "gzip", 1),
  info("gzip-best-compression", 0x1002, "gzip", 9),
  info("zstd", 0x1100, "zstd", 3),
  info("zstd-fastest", 0x1101, "zstd", 1),
  info("zstd-better-compression", 0x1102, "zstd", 7),
  info("zstd-best-compression", 0x1103, "zstd", 11, true),
  info("s2-default", 0x1200, "s2", 1),
  info("s2-better", 0x1201, "s2", 2),
  info("s2-parallel-4", 0x1202, "s2", 1),
  info("s2-parallel-8", 0x1203, "s2", 1),
  info("pgzip", 0x1300, "gzip", 6),
  info("pgzip-best-speed", 0x1301, "gzip", 1),
  info("pgzip-best-compression", 0x1302, "gzip", 9),
  info("lz4", 0x1400, "lz4", 0, true),
  info("deflate-default", 0x1500, "deflate", 6),
  info("deflate-best-speed", 0x1501, "deflate", 1),
  info("deflate-best-compression", 0x1502, "deflate", 9),
];

/** The one that new policies name for metadata, as Kopia does. */
export const DEFAULT_METADATA_COMPRESSOR = "zstd-fastest";

/** A compressor by Kopia's name. @throws SEJF_UNSUPPORTED for an unknown name, and for `lz4`. */
export function compressorByName(name: string, engine: CompressionEngine): Compressor {
  const found = COMPRESSORS.find((one) => one.name === name);
  if (found === undefined) {
    throw new SejfError("SEJF_UNSUPPORTED", `unknown compression "${name}"`, {
      hint: "zstd-fastest is a good choice for most data",
    });
  }
  return compressorOf(found, engine);
}

/** A compressor by header ID. @throws SEJF_UNSUPPORTED for an unknown ID, and for that of `lz4`. */
export function compressorById(id: CompressorId, engine: CompressionEngine): Compressor {
  const found = COMPRESSORS.find((one) => one.id === id);
  if (found === undefined) {
    throw new SejfError("SEJF_UNSUPPORTED", `unknown compression ID ${hexId(id)}`, {
      hint: "a newer program may have written it",
    });
  }
  return compressorOf(found, engine);
}

/**
 * Header and stream back to plain bytes, at most `maxBytes`. The header must be `expectedId`, which the index gave.
 * @throws SEJF_CORRUPT, SEJF_UNSUPPORTED.
 */
export function decompressPayload(
  payload: Uint8Array,
  expectedId: CompressorId,
  maxBytes: number,
  engine: CompressionEngine,
): OwnedBytes {
  return compressorById(expectedId, engine).decompress(payload, maxBytes);
}

/** The ID in a payload's header. @throws SEJF_CORRUPT when it is too short to have one. */
export function payloadCompressorId(payload: Uint8Array): CompressorId {
  if (payload.length < COMPRESSION_HEADER_BYTES) {
    throw new SejfError(
      "SEJF_CORRUPT",
      `compressed payload of ${payload.length} bytes has no compression header`,
    );
  }
  return viewOf(payload).getUint32(0);
}

function info(
  name: string,
  id: number,
  codec: CompressionCodec,
  level: number,
  deprecated = false,
): CompressorInfo {
  return { name, id, codec, level, deprecated };
}

function compressorOf(one: CompressorInfo, engine: CompressionEngine): Compressor {
  if (one.codec === "lz4") {
    throw new SejfError(
      "SEJF_UNSUPPORTED",
      "lz4 compression is not supported any more, neither here nor by recent versions of kopia",
      {
        hint: "kopia v0.22.3 or older can read such contents and write them again with another compression",
      },
    );
  }
  const codec = codecFunctions(one.codec, one.level, engine);
  return {
    name: one.name,
    id: one.id,
    deprecated: one.deprecated,
    compress: (data) => concatBytes(headerOf(one.id), codec.compress(data)),
    decompress: (payload, maxBytes) => codec.decompress(streamOf(payload, one.id), maxBytes),
    compressInto(data, target): number {
      if (target.length < COMPRESSION_HEADER_BYTES) return -1;
      const length = codec.compressInto(data, target.subarray(COMPRESSION_HEADER_BYTES));
      target.set(headerOf(one.id));
      return length < 0 ? -1 : COMPRESSION_HEADER_BYTES + length;
    },
    decompressInto: (payload, target) => codec.decompressInto(streamOf(payload, one.id), target),
  };
}

/** What stands behind the header. @throws SEJF_CORRUPT when it is another compressor's. */
function streamOf(payload: Uint8Array, id: CompressorId): Uint8Array {
  const found = payloadCompressorId(payload);
  if (found !== id) {
    throw new SejfError(
      "SEJF_CORRUPT",
      `compression header is ${hexId(found)}, expected ${hexId(id)}`,
    );
  }
  return payload.subarray(COMPRESSION_HEADER_BYTES);
}

interface PlainCodec {
  compress(data: Uint8Array): OwnedBytes;
  decompress(stream: Uint8Array, maxBytes: number): OwnedBytes;
}

interface CodecFunctions extends PlainCodec {
  compressInto(data: Uint8Array, target: Uint8Array): number;
  decompressInto(stream: Uint8Array, target: Uint8Array): number;
}

function codecFunctions(
  codec: Exclude<CompressionCodec, "lz4">,
  level: number,
  engine: CompressionEngine,
): CodecFunctions {
  switch (codec) {
    case "gzip":
      return copying({
        compress: (data) => engine.gzip(data, level),
        decompress: (stream, max) => engine.gunzip(stream, max),
      });
    case "zstd":
      return zstdFunctions(level, engine);
    case "s2":
      return copying({ compress: (data) => s2Compress(data, level > 1), decompress: s2Decompress });
    case "deflate":
      return copying({
        compress: (data) => engine.deflateRaw(data, level),
        decompress: (stream, max) => engine.inflateRaw(stream, max),
      });
  }
}

function zstdFunctions(level: number, engine: CompressionEngine): CodecFunctions {
  const functions = copying({
    compress: (data) => engine.zstdCompress(data, level),
    decompress: (stream, max) => engine.zstdDecompress(stream, max),
  });
  return {
    ...functions,
    compressInto: (data, target) =>
      engine.zstdCompressInto?.(data, level, target) ?? functions.compressInto(data, target),
    decompressInto: (stream, target) =>
      engine.zstdDecompressInto?.(stream, target) ?? functions.decompressInto(stream, target),
  };
}

/** For codecs that always answer with memory of their own. */
function copying(codec: PlainCodec): CodecFunctions {
  const put = (bytes: Uint8Array, target: Uint8Array): number => {
    if (bytes.length > target.length) return -1;
    target.set(bytes);
    return bytes.length;
  };
  return {
    ...codec,
    compressInto: (data, target) => put(codec.compress(data), target),
    decompressInto: (stream, target) => put(codec.decompress(stream, target.length), target),
  };
}

function headerOf(id: CompressorId): OwnedBytes {
  const header = new Uint8Array(COMPRESSION_HEADER_BYTES);
  viewOf(header).setUint32(0, id);
  return header;
}

function hexId(id: CompressorId): string {
  return `0x${id.toString(16).padStart(4, "0")}`;
}
