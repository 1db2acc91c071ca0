/**
 * The codecs in plain JavaScript: fflate for DEFLATE and gzip, fzstd for reading Zstandard. Nothing here can write
 * Zstandard. Output is bounded by decoding piece by piece and counting.
 */
import { Inflate, deflateSync, gzipSync, Gunzip } from "fflate";
import { Decompress as ZstdDecompress } from "fzstd";
import { concatBytes, copyBytes, crc32, type OwnedBytes, viewOf } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { CompressionEngine } from "./compressor.ts";
import { zstdFrames } from "./zstd-frames.ts";

/** DEFLATE makes at most about 1032 bytes of one, so a piece makes at most 17 MiB before the count is looked at. */
const PIECE_BYTES = 16384;
const GZIP_TRAILER_BYTES = 8;

/**
 * Codecs for where there is no Node. @throws SEJF_UNSUPPORTED from `zstdCompress`.
 * SECURITY: the zstd decoder (fzstd) can loop for ever on hostile tables: only for bytes that authenticated.
 */
export const portableCompressionEngine: CompressionEngine = {
  name: "portable",
  gzip: (data, level) => gzipSync(data, { level: deflateLevel(level), mtime: 0 }),
  gunzip: gunzipMembers,
  deflateRaw: (data, level) => deflateSync(data, { level: deflateLevel(level) }),
  inflateRaw(data, maxBytes): OwnedBytes {
    const output = new BoundedOutput("deflate", maxBytes);
    decoding("deflate", () => pushInPieces(new Inflate((piece) => output.add(piece)), data));
    return output.take();
  },
  zstdCompress(): never {
    throw new SejfError("SEJF_UNSUPPORTED", "zstd compression cannot be written here", {
      hint: "choose s2-default, gzip or deflate-default",
    });
  },
  zstdDecompress(data, maxBytes): OwnedBytes {
    const output = new BoundedOutput("zstd", maxBytes);
    for (const frame of zstdFrames(data, maxBytes)) {
      const before = output.length;
      decoding("zstd", () => {
        new ZstdDecompress((piece) => output.add(piece)).push(frame.bytes, true);
      });
      if (frame.contentBytes !== undefined && output.length - before !== frame.contentBytes) {
        throw corrupt(
          "zstd",
          `frame has ${output.length - before} bytes, its header says ${frame.contentBytes}`,
        );
      }
    }
    return output.take();
  },
};

/** One gzip member behind the other; each trailer is checked, which fflate does not do. */
function gunzipMembers(data: Uint8Array, maxBytes: number): OwnedBytes {
  const output = new BoundedOutput("gzip", maxBytes);
  const members: { readonly trailerAt: number; readonly outputEnd: number }[] = [];
  decoding("gzip", () => {
    const decoder = new Gunzip((piece) => output.add(piece));
    decoder.onmember = (at): void => {
      members.push({ trailerAt: at - GZIP_TRAILER_BYTES, outputEnd: output.length });
    };
    pushInPieces(decoder, data);
  });
  members.push({ trailerAt: data.length - GZIP_TRAILER_BYTES, outputEnd: output.length });
  const plain = output.take();
  const view = viewOf(data);
  let start = 0;
  for (const { trailerAt, outputEnd } of members) {
    const member = plain.subarray(start, outputEnd);
    const fits =
      trailerAt >= 0 &&
      view.getUint32(trailerAt, true) === crc32(member) &&
      view.getUint32(trailerAt + 4, true) === member.length;
    if (!fits) throw corrupt("gzip", "checksum or length does not match");
    start = outputEnd;
  }
  return plain;
}

interface Pushable {
  push(piece: Uint8Array, final?: boolean): void;
}

function pushInPieces(decoder: Pushable, data: Uint8Array): void {
  // The decoders keep a rest for the next piece, and an empty last piece would be refused.
  let at = 0;
  for (; at + PIECE_BYTES < data.length; at += PIECE_BYTES)
    decoder.push(data.subarray(at, at + PIECE_BYTES), false);
  decoder.push(data.subarray(at), true);
}

/** Collects pieces and stops the decoder when there are too many bytes. */
class BoundedOutput {
  readonly #codec: string;
  readonly #maxBytes: number;
  readonly #pieces: Uint8Array[] = [];
  length = 0;

  constructor(codec: string, maxBytes: number) {
    this.#codec = codec;
    this.#maxBytes = maxBytes;
  }

  add(piece: Uint8Array): void {
    if (piece.length > this.#maxBytes - this.length)
      throw corrupt(this.#codec, "output is longer than expected");
    this.length += piece.length;
    if (piece.length > 0) this.#pieces.push(piece);
  }

  take(): OwnedBytes {
    const [only] = this.#pieces;
    return this.#pieces.length === 1 && only !== undefined
      ? copyBytes(only)
      : concatBytes(...this.#pieces);
  }
}

/** The libraries throw plain errors, and a broken stream can lead them to range errors; both mean the same here. */
function decoding(codec: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    if (error instanceof SejfError) throw error;
    throw corrupt(codec, error instanceof Error ? error.message : String(error), error);
  }
}

function corrupt(codec: string, what: string, cause?: unknown): SejfError {
  return new SejfError("SEJF_CORRUPT", `${codec} stream: ${what}`, { cause });
}

function deflateLevel(level: number): 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 {
  if (!Number.isInteger(level) || level < 0 || level > 9)
    throw new RangeError(`level is ${level}, expected 0 to 9`);
  return level as 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
}
