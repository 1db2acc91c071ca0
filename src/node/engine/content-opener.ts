/** The stages of a content that is read, in the thread: pack range → decrypt → decompress → re-hash. */
import { equalBytes } from "../../bytes/index.ts";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import {
  type CompressionEngine,
  type Compressor,
  compressorById,
  type CompressorId,
  decompressPayload,
  payloadCompressorId,
} from "../../compress/index.ts";
import { AEAD_OVERHEAD_BYTES } from "../../crypto/index.ts";
import { errorFromUnknown, isSejfError, SejfError } from "../../errors/index.ts";
import {
  type ContentId,
  contentHashBytes,
  ivOfHash,
  NO_COMPRESSION,
  parseContentId,
} from "../../format/index.ts";
import { isSystemError } from "../files/index.ts";
import type { EngineMemory } from "./memory.ts";
import type { ContentCodec } from "./plain-codec.ts";
import { type PieceColumn, type RangeColumn, SEAL_KEY_BYTES } from "./protocol.ts";
import { SealedOpener } from "./sealed-opener.ts";

/** Pack files kept open by a thread. */
const OPEN_PACKS = 16;

/** The bytes of a job's ranges, or why they are not to be had. */
export type LoadedRange = Uint8Array | SejfError;

export interface ContentOpenerOptions {
  readonly codec: ContentCodec;
  readonly compression: CompressionEngine;
  /** Decrypts into the beginning of `target`; absent where error correction has to be undone first. */
  readonly decryptInto?:
    | ((encrypted: Uint8Array, iv: Uint8Array, target: Uint8Array) => number)
    | undefined;
  readonly memory: EngineMemory;
  /** Where plain bytes are made, so that no fresh memory is touched for them. */
  readonly scratch: Uint8Array;
}

export class ContentOpener {
  readonly #options: ContentOpenerOptions;
  /** Least recently used first. */
  readonly #open = new Map<string, number>();
  readonly #compressors = new Map<CompressorId, Compressor>();
  readonly #sealed: SealedOpener;
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  constructor(options: ContentOpenerOptions) {
    this.#options = options;
    this.#sealed = new SealedOpener(options.compression, options.scratch);
  }

  /** All ranges of a job; views that are valid until the next call. */
  loadRanges(ranges: RangeColumn): LoadedRange[] {
    if (ranges.inMemory === true)
      return Array.from(
        ranges.length,
        (length, i) => ranges.data[i] ?? this.#options.memory.bytesAt(ranges.offset[i]!, length),
      );
    const total = ranges.length.reduce(
      (sum, length, i) => sum + (ranges.data[i] === undefined ? length : 0),
      0,
    );
    if (this.#buffer.length < total) this.#buffer = new Uint8Array(total);
    let at = 0;
    return Array.from(ranges.length, (length, i) => {
      const given = ranges.data[i];
      if (given !== undefined) return given;
      const target = this.#buffer.subarray(at, at + length);
      at += length;
      return this.#readRange(ranges.paths[ranges.path[i]!]!, ranges.offset[i]!, target);
    });
  }

  /**
   * The plain bytes of piece `i` of the job, re-hashed; a view that is valid until the next call. What is sealed is opened
   * when its ciphertext was found to be what its ID names.
   * @throws SEJF_CORRUPT, SEJF_BLOB_NOT_FOUND, SEJF_RANGE, SEJF_IO.
   */
  openPiece(
    pieces: PieceColumn,
    ids: readonly string[],
    i: number,
    ranges: readonly LoadedRange[],
  ): Uint8Array {
    const content = this.#openContent(pieces, ids, i, ranges);
    const { keys } = pieces;
    if (keys === undefined) return content;
    const key = keys.subarray(i * SEAL_KEY_BYTES, (i + 1) * SEAL_KEY_BYTES);
    return this.#sealed.open(parseContentId(ids[i]!), key, content);
  }

  #openContent(
    pieces: PieceColumn,
    ids: readonly string[],
    i: number,
    ranges: readonly LoadedRange[],
  ): Uint8Array {
    const range = ranges[pieces.range[i]!]!;
    if (range instanceof SejfError) throw range;
    const offset = pieces.offset[i]!;
    const stored = range.subarray(offset, offset + pieces.packedLength[i]!);
    const id = parseContentId(ids[i]!);
    const { codec, decryptInto, scratch } = this.#options;
    if (decryptInto === undefined || stored.byteLength > scratch.byteLength) {
      return codec.decodeContent(stored, id, pieces.compression[i]!, pieces.originalLength[i]!);
    }
    try {
      return this.#openInScratch(stored, id, pieces.compression[i]!, pieces.originalLength[i]!);
    } catch (error) {
      if (!isSejfError(error)) throw error;
      throw new SejfError(error.code, `content ${id}: ${error.message}`, { cause: error });
    }
  }

  /** As the codec's `decodeContent`, without fresh memory. */
  #openInScratch(
    stored: Uint8Array,
    id: ContentId,
    compression: number,
    originalLength: number,
  ): Uint8Array {
    const { codec, decryptInto, scratch } = this.#options;
    const hash = contentHashBytes(id);
    const isPlain = compression === NO_COMPRESSION;
    // Plain bytes begin the scratch area; what is to be decompressed lies at its end.
    const place = isPlain ? scratch : scratch.subarray(scratch.byteLength - stored.byteLength);
    const payload = place.subarray(0, decryptInto!(stored, ivOfHash(hash), place));
    const data = isPlain ? payload : this.#decompress(payload, compression, originalLength);
    if (data.byteLength !== originalLength) {
      throw new SejfError(
        "SEJF_CORRUPT",
        `it is ${data.byteLength} bytes, the index says ${originalLength}`,
      );
    }
    if (!equalBytes(codec.hash.hash(data), hash)) {
      throw new SejfError("SEJF_CORRUPT", "it holds data with another hash");
    }
    return data;
  }

  #decompress(payload: Uint8Array, id: CompressorId, originalLength: number): Uint8Array {
    const { scratch, compression } = this.#options;
    if (originalLength + payload.byteLength > scratch.byteLength - AEAD_OVERHEAD_BYTES)
      return decompressPayload(payload, id, originalLength, compression);
    const compressor = this.#compressors.get(id) ?? compressorById(id, compression);
    this.#compressors.set(id, compressor);
    const target = scratch.subarray(0, originalLength);
    return target.subarray(0, compressor.decompressInto(payload, target));
  }

  /** The segment of an object that the content holds: decompressed where that is done at object level. */
  openSegment(
    pieces: PieceColumn,
    ids: readonly string[],
    i: number,
    ranges: readonly LoadedRange[],
  ): Uint8Array {
    const content = this.openPiece(pieces, ids, i, ranges);
    const expected = pieces.lengthBytes[i]!;
    const segment =
      pieces.objectCompressed[i] === 1
        ? decompressPayload(
            content,
            payloadCompressorId(content),
            expected,
            this.#options.compression,
          )
        : content;
    if (segment.byteLength !== expected) {
      throw new SejfError(
        "SEJF_CORRUPT",
        `content ${ids[i]} holds ${segment.byteLength} bytes, expected ${expected}`,
      );
    }
    return segment;
  }

  /** Closes the pack files. */
  close(): void {
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  #readRange(path: string, offset: number, target: Uint8Array): LoadedRange {
    try {
      const fd = this.#packFile(path);
      let done = 0;
      while (done < target.length) {
        const count = readSync(fd, target, done, target.length - done, offset + done);
        if (count === 0) {
          return new SejfError(
            "SEJF_RANGE",
            `pack ${path} is ${fstatSync(fd).size} bytes, expected ${offset + target.length} or more`,
          );
        }
        done += count;
      }
      return target;
    } catch (error) {
      if (isSystemError(error, "ENOENT"))
        return new SejfError("SEJF_BLOB_NOT_FOUND", `pack ${path} is missing`);
      return errorFromUnknown(error, `reading the pack ${path}`);
    }
  }

  #packFile(path: string): number {
    const open = this.#open.get(path);
    if (open !== undefined) {
      this.#open.delete(path);
      this.#open.set(path, open);
      return open;
    }
    const fd = openSync(path, "r");
    this.#open.set(path, fd);
    if (this.#open.size > OPEN_PACKS) {
      const [oldest, oldestFd] = this.#open.entries().next().value as [string, number];
      this.#open.delete(oldest);
      closeSync(oldestFd);
    }
    return fd;
  }
}
