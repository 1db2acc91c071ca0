/**
 * What is fastest in a thread: hashes and splitters in WebAssembly where the data lies, native BLAKE3 for long
 * contents, encryption from the slot into the pack buffer. Each has a slower twin for where it does not apply.
 */
import {
  blake3Key,
  type ContentHash,
  type CryptoEngine,
  hashAlgorithm,
} from "../../crypto/index.ts";
import type { OwnedBytes } from "../../bytes/index.ts";
import { assert } from "../../errors/index.ts";
import type { BlobCodec, CodecParameters, SealedCuts } from "../../format/index.ts";
import { type NodeContentCipher, nodeCryptoEngine } from "../crypto/index.ts";
import {
  createWasmEngine,
  type InPlaceHasher,
  type InPlaceSplitter,
  type WasmEngine,
  wasmSupported,
} from "../wasm/index.ts";
import type { EngineMemory } from "./memory.ts";
import type { SplitScratch } from "./store-files.ts";

/** Above this the native BLAKE3 wins in spite of its 8 µs a call. */
const WASM_BLAKE3_BYTES = 16 * 1024;
const WASM_HASH_BYTES = 32;
const IV_BYTES = 16;

export interface ThreadTools {
  /** Node's engine with the content hash of this thread. */
  readonly engine: CryptoEngine;
  readonly split: SplitScratch;
  /** Copies from one part of the engine's memory to another. */
  readonly copy: (target: Uint8Array, source: Uint8Array) => void;
  /** The last stage of a content that is written. */
  readonly sealInto: (codec: BlobCodec, cipher: NodeContentCipher) => SealInto;
}

/** Writes a sealed content, which has this hash, into exactly its place. */
export type SealInto = (target: Uint8Array, payload: Uint8Array, hash: Uint8Array) => void;

/** Finds the ends of segments in the shared memory. */
export type FindCut = (bytes: Uint8Array, lengthBytes: number, examined: number) => number;

/** For the thread `number`; the main thread is number `plan.threads`. */
export function createThreadTools(
  memory: EngineMemory,
  number: number,
  parameters: CodecParameters,
  cuts: SealedCuts | undefined,
): ThreadTools {
  const wasm = openWasm(memory, number);
  const scratch = memory.scratch(Math.min(number, memory.plan.threads - 1));
  const finders = new SegmentFinders(wasm, cuts);
  return {
    engine: {
      ...nodeCryptoEngine,
      contentHash: (algorithm, secret) => createThreadHash(algorithm, secret, wasm),
    },
    split: (at, lengthBytes, splitter, sealed) =>
      finders.get(splitter, sealed).lengths(scratch.byteOffset + at, lengthBytes),
    copy: (target, source) => wasm.copy(target.byteOffset, source.byteOffset, source.byteLength),
    sealInto(codec, cipher) {
      if (hasEcc(parameters))
        return (target, payload, hash) => target.set(codec.sealContent(payload, ivOf(hash)));
      return (target, payload, hash) => {
        cipher.encryptInto(payload, ivOf(hash), target);
      };
    },
  };
}

function ivOf(hash: Uint8Array): Uint8Array {
  return hash.subarray(hash.byteLength - IV_BYTES);
}

/** The engine in a thread's control area. */
export function openWasm(memory: EngineMemory, number: number): WasmEngine {
  return createWasmEngine(memory.memory, memory.controlOffset(number));
}

export function hasEcc(parameters: CodecParameters): boolean {
  return parameters.ecc !== "" && parameters.eccOverheadPercent > 0;
}

/** Cuts a segment that is being filled, or all that there is of a small file. */
export interface SegmentFinder {
  readonly minSegmentBytes: number;
  /**
   * The length of the segment at the beginning of `bytes`, or -1 when it goes on behind `length`. The first
   * `examined` bytes hold no cut.
   */
  findCut(bytes: Uint8Array, length: number, examined: number): number;
  /** The segments of a whole stream of `length` bytes at this offset of the memory; an empty one has one of no bytes. */
  lengths(offset: number, length: number): readonly number[];
}

/** Made when first asked for. */
export class SegmentFinders {
  readonly #wasm: WasmEngine;
  readonly #cuts: SealedCuts | undefined;
  readonly #plain = new Map<string, SegmentFinder>();
  readonly #sealed = new Map<string, SegmentFinder>();

  /** `cuts`: for what is sealed. */
  constructor(wasm: WasmEngine, cuts: SealedCuts | undefined) {
    this.#wasm = wasm;
    this.#cuts = cuts;
  }

  /** @throws SEJF_UNSUPPORTED for an unknown splitter. */
  get(splitter: string, sealed: boolean): SegmentFinder {
    const known = sealed ? this.#sealed : this.#plain;
    let finder = known.get(splitter);
    if (finder === undefined) {
      finder = createSegmentFinder(
        sealed ? this.#keyed(splitter) : this.#wasm.createSplitter(splitter),
      );
      known.set(splitter, finder);
    }
    return finder;
  }

  #keyed(splitter: string): InPlaceSplitter {
    assert(this.#cuts !== undefined, "an engine that seals has the secrets for it");
    return this.#wasm.createKeyedSplitter(splitter, this.#cuts);
  }
}

function createSegmentFinder(splitter: InPlaceSplitter): SegmentFinder {
  const { minSegmentBytes } = splitter;
  return {
    minSegmentBytes,
    findCut: (bytes, length, examined) => splitter.findCut(bytes.byteOffset, length, examined),
    lengths(offset, length) {
      if (length <= minSegmentBytes) return [length];
      return cutAll(length, (at) => splitter.findCut(offset + at, length - at, 0));
    },
  };
}

function cutAll(length: number, cutAt: (at: number) => number): number[] {
  const lengths: number[] = [];
  let at = 0;
  while (at < length) {
    const cut = cutAt(at);
    const segment = cut < 0 ? length - at : cut;
    lengths.push(segment);
    at += segment;
  }
  return lengths;
}

function createThreadHash(name: string, secret: Uint8Array, wasm: WasmEngine): ContentHash {
  const general = nodeCryptoEngine.contentHash(name, secret);
  const algorithm = hashAlgorithm(name, secret.byteLength);
  if (!wasmSupported()) return general;
  if (algorithm.function === "blake2b")
    return new InPlaceHash(general, wasm, wasm.createHasher("blake2b-256", secret), Infinity);
  if (algorithm.function === "blake3") {
    return new InPlaceHash(
      general,
      wasm,
      wasm.createHasher("blake3-256", blake3Key(secret)),
      WASM_BLAKE3_BYTES,
    );
  }
  return general;
}

/** Hashes in place up to a length, above it by the general hash. */
class InPlaceHash implements ContentHash {
  readonly algorithm: string;
  readonly lengthBytes: number;
  readonly #general: ContentHash;
  readonly #buffer: ArrayBufferLike;
  readonly #hasher: InPlaceHasher;
  readonly #maxBytes: number;

  constructor(general: ContentHash, wasm: WasmEngine, hasher: InPlaceHasher, maxBytes: number) {
    this.algorithm = general.algorithm;
    this.lengthBytes = general.lengthBytes;
    this.#general = general;
    this.#buffer = wasm.bytes.buffer;
    this.#hasher = hasher;
    this.#maxBytes = maxBytes;
  }

  hash(data: Uint8Array): OwnedBytes {
    const length = data.byteLength;
    if (length > this.#maxBytes) return this.#general.hash(data);
    const digest =
      data.buffer === this.#buffer
        ? this.#hasher.hashAt(data.byteOffset, length)
        : this.#hasher.hash(data);
    return digest.subarray(0, this.lengthBytes);
  }

  hashMany(data: Uint8Array, lengths: Uint32Array): OwnedBytes {
    const { lengthBytes } = this;
    const hashes = new Uint8Array(lengths.length * lengthBytes);
    let at = 0;
    for (let from = 0; from < lengths.length; ) {
      let to = from;
      let end = at;
      for (; to < lengths.length && lengths[to]! <= this.#maxBytes; to++) end += lengths[to]!;
      if (to === from) {
        end += lengths[to++]!;
        hashes.set(this.hash(data.subarray(at, end)), from * lengthBytes);
      } else {
        const short = this.#hashShort(data.subarray(at, end), lengths.subarray(from, to));
        hashes.set(short, from * lengthBytes);
      }
      at = end;
      from = to;
    }
    return hashes;
  }

  #hashShort(data: Uint8Array, lengths: Uint32Array): OwnedBytes {
    const { lengthBytes } = this;
    const digests = this.#hasher.hashMany(data, lengths);
    if (lengthBytes === WASM_HASH_BYTES) return digests;
    for (let i = 1; i < lengths.length; i++) {
      const digest = i * WASM_HASH_BYTES;
      digests.copyWithin(i * lengthBytes, digest, digest + lengthBytes);
    }
    return digests.subarray(0, lengths.length * lengthBytes);
  }
}
