/** What the WASM engine offers to the threads: work in place on one memory, which may be shared between them. */
import type { OwnedBytes } from "../../bytes/index.ts";
import type { SealedCuts } from "../../format/index.ts";
import type { CutScan } from "../../splitter/index.ts";
import type { SharedMemory } from "./web-assembly.ts";

/** The keyed hashes that exist as WASM. Both give 32 bytes. */
export type WasmHashAlgorithm = "blake2b-256" | "blake3-256";

/** A keyed hash over bytes anywhere. */
export interface WasmHasher {
  readonly algorithm: WasmHashAlgorithm;
  /** 32 bytes. */
  hash(data: Uint8Array): OwnedBytes;
}

/** The same over bytes in an engine's memory, without copying them. */
export interface InPlaceHasher extends WasmHasher {
  /** The 32 bytes over `length` bytes at `offset`. */
  hashAt(offset: number, length: number): OwnedBytes;
  /** The 32 bytes over each of the parts of `data`, which lie one behind the other; likewise. */
  hashMany(data: Uint8Array, lengths: Uint32Array): OwnedBytes;
}

/** A splitter for a segment that lies in one piece in an engine's memory; it keeps no state between calls. */
export interface InPlaceSplitter {
  readonly name: string;
  readonly minSegmentBytes: number;
  readonly maxSegmentBytes: number;
  /**
   * The length of the segment that begins at `offset`, or -1 when it goes on behind the `length` bytes there.
   * The first `examined` bytes are known to hold no cut: give what was `length` in the call before.
   */
  findCut(offset: number, length: number, examined: number): number;
}

/** One thread's engine. Threads that share a memory give each its own scratch region. */
export interface WasmEngine {
  readonly memory: SharedMemory;
  /** All of the memory at the time of creation. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** Copies within the memory, six times as fast as `set` where the alignments differ. The regions may overlap. */
  copy(to: number, from: number, length: number): void;
  /** The search for a cut by buzhash in any array; without copying where it is a view of the memory. */
  readonly scanBuzhash: CutScan;
  /** @throws SEJF_UNSUPPORTED for a name Kopia does not have. */
  createSplitter(name: string): InPlaceSplitter;
  /** The same with secret cuts; one secret an engine. SECURITY: it lies in the memory. @throws SEJF_UNSUPPORTED. */
  createKeyedSplitter(name: string, cuts: SealedCuts): InPlaceSplitter;
  /**
   * `key`: at most 64 bytes for BLAKE2b (none: unkeyed), exactly 32 for BLAKE3.
   * @throws RangeError for other lengths.
   */
  createHasher(algorithm: WasmHashAlgorithm, key: Uint8Array): InPlaceHasher;
}
