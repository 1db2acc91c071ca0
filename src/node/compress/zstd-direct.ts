/**
 * Zstandard into memory that the caller gives: one context for each direction, kept by the thread. Optional: without
 * koffi, or where the functions do not pass the self-test, everything works through node:zlib.
 */
import { assert } from "../../errors/index.ts";
import { bindZstd, type Zstd, type ZstdContext } from "./zstd-binding.ts";

/** Loading takes 20 ms, which the few small contents of a short command do not bring in. */
const LOAD_AFTER_BYTES = 8 * 1024 * 1024;
/** What a call saves beside its bytes, expressed in bytes. */
const CALL_BYTES = 32 * 1024;

const COMPRESSION_LEVEL = 100;
const CHECKSUM_FLAG = 201;

export interface DirectZstd {
  /** Bytes written to the beginning of `target`; -1 where it has no room for them and a few more. */
  compressInto(data: Uint8Array, level: number, target: Uint8Array): number;
  /** Bytes written to the beginning of `target`; -1 where the stream is bad or longer. */
  decompressInto(stream: Uint8Array, target: Uint8Array): number;
}

let asked = 0;
let loaded: { readonly zstd: DirectZstd | undefined } | undefined;

/** The functions, once so much work was asked for that loading them pays; `undefined` before that and where they are missing. */
export function directZstdFor(workBytes: number): DirectZstd | undefined {
  if (loaded !== undefined) return loaded.zstd;
  asked += workBytes + CALL_BYTES;
  return asked < LOAD_AFTER_BYTES ? undefined : loadDirectZstd();
}

/** The functions at once; `undefined` where they are missing. */
export function loadDirectZstd(): DirectZstd | undefined {
  loaded ??= { zstd: openDirectZstd() };
  return loaded.zstd;
}

function openDirectZstd(): DirectZstd | undefined {
  const zstd = bindZstd();
  const compressor = zstd?.ZSTD_createCCtx() ?? null;
  const decompressor = zstd?.ZSTD_createDCtx() ?? null;
  if (zstd === undefined || compressor === null || decompressor === null) return undefined;
  const direct = new BoundZstd(zstd, compressor, decompressor);
  return passesSelfTest(direct) ? direct : undefined;
}

class BoundZstd implements DirectZstd {
  readonly #zstd: Zstd;
  readonly #compressor: ZstdContext;
  readonly #decompressor: ZstdContext;
  #level: number | undefined;

  constructor(zstd: Zstd, compressor: ZstdContext, decompressor: ZstdContext) {
    this.#zstd = zstd;
    this.#compressor = compressor;
    this.#decompressor = decompressor;
    this.#set(CHECKSUM_FLAG, 1);
  }

  compressInto(data: Uint8Array, level: number, target: Uint8Array): number {
    if (level !== this.#level) this.#set(COMPRESSION_LEVEL, level);
    this.#level = level;
    return this.#lengthOf(
      this.#zstd.ZSTD_compress2(this.#compressor, target, target.byteLength, data, data.byteLength),
    );
  }

  decompressInto(stream: Uint8Array, target: Uint8Array): number {
    return this.#lengthOf(
      this.#zstd.ZSTD_decompressDCtx(
        this.#decompressor,
        target,
        target.byteLength,
        stream,
        stream.byteLength,
      ),
    );
  }

  #set(parameter: number, value: number): void {
    const result = this.#zstd.ZSTD_CCtx_setParameter(this.#compressor, parameter, value);
    assert(this.#lengthOf(result) >= 0, `Zstandard refuses parameter ${parameter}`);
  }

  #lengthOf(result: number): number {
    return this.#zstd.ZSTD_isError(result) === 0 ? result : -1;
  }
}

function passesSelfTest(direct: DirectZstd): boolean {
  const data = new Uint8Array(1000).fill(7);
  const packed = new Uint8Array(100);
  const length = direct.compressInto(data, 1, packed);
  const plain = new Uint8Array(data.byteLength);
  return (
    length > 0 &&
    direct.decompressInto(packed.subarray(0, length), plain) === plain.byteLength &&
    Buffer.compare(plain, data) === 0 &&
    direct.compressInto(data, 1, new Uint8Array(4)) < 0 &&
    direct.decompressInto(packed.subarray(0, length), new Uint8Array(10)) < 0
  );
}
