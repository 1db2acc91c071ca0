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
import { directZstdFor } from "./zstd-direct.ts";

/** The first output buffer of zlib and the step by which it grows: large enough for a content in few steps. */
const CHUNK_BYTES_MIN = 16 * 1024;
const CHUNK_BYTES_MAX = 4 * 1024 * 1024;
/** How much longer the plain bytes are, at most, as a rule; what is longer comes in more than one chunk. */
const USUAL_RATIO = 8;
const TOO_LONG = "output is longer than expected";

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
    const direct = data.length <= SCRATCH_BYTES / 2 ? directZstdFor(data.length) : undefined;
    if (direct !== undefined) {
      const target = takeScratch();
      return target.slice(0, direct.compressInto(data, level, target));
    }
    const params = {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: 1,
    };
    const chunkSize = chunkFor(data.length);
    return owned(zstdCompressSync(data, { params, chunkSize, pledgedSrcSize: data.length }));
  },
  zstdDecompress(data, maxBytes): OwnedBytes {
    const direct = maxBytes <= SCRATCH_BYTES ? directZstdFor(data.length) : undefined;
    if (direct !== undefined && data.length > 0) {
      const target = takeScratch().subarray(0, maxBytes);
      const length = direct.decompressInto(data, target);
      if (length >= 0) return target.slice(0, length);
    }
    // Also to say what is wrong with a bad stream.
    return decode("zstd", data, maxBytes, (options) => zstdDecompressSync(data, options));
  },
  zstdCompressInto(data, level, target): number {
    const direct = directZstdFor(data.length);
    if (direct !== undefined) return direct.compressInto(data, level, target);
    return copyInto(nodeCompressionEngine.zstdCompress(data, level), target);
  },
  zstdDecompressInto(data, target): number {
    const direct = data.length === 0 ? undefined : directZstdFor(data.length);
    const length = direct?.decompressInto(data, target) ?? -1;
    if (length >= 0) return length;
    return copyInto(nodeCompressionEngine.zstdDecompress(data, target.length), target);
  },
};

/** Where small results are made before their length is known; one will do, since nothing here waits. */
const SCRATCH_BYTES = 1024 * 1024;
let scratch: Uint8Array<ArrayBuffer> | undefined;

function takeScratch(): Uint8Array<ArrayBuffer> {
  scratch ??= new Uint8Array(SCRATCH_BYTES);
  return scratch;
}

function copyInto(bytes: Uint8Array, target: Uint8Array): number {
  if (bytes.length > target.length) return -1;
  target.set(bytes);
  return bytes.length;
}

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
  // Memory for as much as is allowed, for each of many short streams, would keep the garbage collector running.
  const guess = Math.min(maxBytes, USUAL_RATIO * data.length);
  let plain: Uint8Array;
  try {
    plain = run({ maxOutputLength: Math.max(1, maxBytes), chunkSize: chunkFor(guess) });
  } catch (error) {
    const code = zlibCode(error);
    if (code === undefined) throw errorFromUnknown(error, `decompressing ${codec}`);
    const what = code === "ERR_BUFFER_TOO_LARGE" ? TOO_LONG : errorText(error);
    throw corrupt(codec, what, error);
  }
  if (plain.length > maxBytes) throw corrupt(codec, TOO_LONG);
  return owned(plain);
}

/** A whole content fits one chunk; what is not used of it is given back by copying. */
function chunkFor(bytes: number): number {
  return Math.min(Math.max(bytes, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX);
}

/** zlib's result as bytes of their own: a Buffer may be part of a pool or of a much larger chunk. */
function owned(bytes: Uint8Array): OwnedBytes {
  const { buffer, byteOffset, byteLength } = bytes;
  if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength)
    return new Uint8Array(buffer);
  return new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength));
}

/** The code of an error that a bad stream causes. */
function zlibCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string")
    return undefined;
  return /^(Z_|ZSTD_|ERR_BUFFER_TOO_LARGE$)/.test(error.code) ? error.code : undefined;
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function corrupt(codec: string, what: string, cause?: unknown): SejfError {
  return new SejfError("SEJF_CORRUPT", `${codec} stream: ${what}`, { cause });
}
