/** The codecs of node:zlib: several times faster than the portable ones, and it can write Zstandard. */
import {
  constants,
  deflateRawSync,
  gunzipSync,
  gzipSync,
  inflateRawSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import type { OwnedBytes } from "../../bytes/index.ts";
import type { CompressionEngine } from "../../compress/index.ts";
import { errorFromUnknown, SejfError } from "../../errors/index.ts";

/** The first output buffer of zlib and the step by which it grows: large enough for a content in few steps. */
const CHUNK_BYTES_MIN = 16 * 1024;
const CHUNK_BYTES_MAX = 4 * 1024 * 1024;

/** Several gzip members or Zstandard frames one behind the other are one stream. */
export const nodeCompressionEngine: CompressionEngine = {
  name: "node",
  gzip: (data, level) => owned(gzipSync(data, { level, chunkSize: chunkFor(data.length) })),
  gunzip: (data, maxBytes) =>
    decode("gzip", data, maxBytes, (options) => gunzipSync(data, options)),
  deflateRaw: (data, level) =>
    owned(deflateRawSync(data, { level, chunkSize: chunkFor(data.length) })),
  inflateRaw: (data, maxBytes) =>
    decode("deflate", data, maxBytes, (options) => inflateRawSync(data, options)),
  zstdCompress(data, level): OwnedBytes {
    const params = {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: 1,
    };
    const chunkSize = chunkFor(data.length);
    return owned(zstdCompressSync(data, { params, chunkSize, pledgedSrcSize: data.length }));
  },
  zstdDecompress: (data, maxBytes) =>
    decode("zstd", data, maxBytes, (options) => zstdDecompressSync(data, options)),
};

interface DecodeOptions {
  readonly maxOutputLength: number;
  readonly chunkSize: number;
}

function decode(
  codec: string,
  data: Uint8Array,
  maxBytes: number,
  run: (options: DecodeOptions) => Uint8Array,
): OwnedBytes {
  // zlib gives nothing for nothing and wants a limit of 1 or more.
  if (data.length === 0) throw corrupt(codec, "empty");
  let plain: Uint8Array;
  try {
    plain = run({ maxOutputLength: maxBytes + 1, chunkSize: chunkFor(maxBytes + 1) });
  } catch (error) {
    if (isZlibError(error)) throw corrupt(codec, error.message, error);
    throw errorFromUnknown(error, `decompressing ${codec}`);
  }
  if (plain.length > maxBytes) throw corrupt(codec, "output is longer than expected");
  return owned(plain);
}

/** A whole content fits one chunk; what is not used of it is given back by copying. */
function chunkFor(bytes: number): number {
  return Math.min(Math.max(bytes, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX);
}

/** zlib's result as bytes of their own: a Buffer may be part of a pool or of a much larger chunk. */
function owned(bytes: Uint8Array): OwnedBytes {
  const { buffer, byteOffset, byteLength } = bytes;
  if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength) return new Uint8Array(buffer);
  return new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength));
}

function isZlibError(error: unknown): error is Error {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return false;
  return /^(Z_|ZSTD_|ERR_BUFFER_TOO_LARGE$)/.test(error.code);
}

function corrupt(codec: string, what: string, cause?: unknown): SejfError {
  const plain = /too large|larger than/i.test(what) ? "output is longer than expected" : what;
  return new SejfError("SEJF_CORRUPT", `${codec} stream: ${plain}`, { cause });
}
