/**
 * BLAKE3's trees of several inputs at once: the chunks of all of them side by side, then their parents level by level.
 * A fold by levels gives BLAKE3's tree, since an odd node is carried up unchanged. Spec: BLAKE3 paper §2.1, §5.1.2.
 */
import {
  CHUNK_END,
  CHUNK_START,
  FIRST_BLOCK_SHIFT,
  JOB_WORDS,
  KEYED_HASH,
  LAST_BLOCK_SHIFT,
  PARENT,
  ROOT,
} from "./blake3-kernel.ts";
import {
  BLAKE3_JOBS_AT,
  BLAKE3_KEY_AT,
  BLAKE3_MAX_CHUNKS,
  BLAKE3_NODES_AT,
  BLAKE3_ROOM_AT,
} from "./layout.ts";
import type { Kernels } from "./module.ts";

export const CHUNK_BYTES = 1024;
export const CV_BYTES = 32;
const CV_WORDS: number = CV_BYTES / 4;
const CHUNK_FLAGS: number =
  KEYED_HASH | (CHUNK_START << FIRST_BLOCK_SHIFT) | (CHUNK_END << LAST_BLOCK_SHIFT);
const PARENT_FLAGS: number = KEYED_HASH | PARENT;

export class Blake3Jobs {
  readonly #kernels: Kernels;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #key: number;
  readonly #room: number;
  readonly #nodes: number;
  readonly #jobs: number;
  /** Where the next job goes. */
  #end: number;
  /** Of each input: its first node, how many there are now, whether it is a whole tree, where the result goes. */
  readonly #firsts = new Int32Array(BLAKE3_MAX_CHUNKS);
  readonly #counts = new Int32Array(BLAKE3_MAX_CHUNKS);
  readonly #roots = new Int32Array(BLAKE3_MAX_CHUNKS);
  readonly #outs = new Int32Array(BLAKE3_MAX_CHUNKS);
  #inputs = 0;
  #chunks = 0;

  constructor(kernels: Kernels, memory: Uint8Array<SharedArrayBuffer>, scratchOffset: number) {
    this.#kernels = kernels;
    this.#words = new Int32Array(memory.buffer);
    this.#key = scratchOffset + BLAKE3_KEY_AT;
    this.#room = scratchOffset + BLAKE3_ROOM_AT;
    this.#nodes = scratchOffset + BLAKE3_NODES_AT;
    this.#jobs = scratchOffset + BLAKE3_JOBS_AT;
    this.#end = this.#jobs;
  }

  /** Whether `add` may be called before the next `run`. */
  hasRoom(lengthBytes: number): boolean {
    return this.#chunks + chunksOf(lengthBytes) <= BLAKE3_MAX_CHUNKS;
  }

  /** An input, or with `isWhole` false a part of one that begins with that chunk. Its 32 bytes are at `out` after `run`. */
  add(
    address: number,
    lengthBytes: number,
    firstChunk: number,
    isWhole: boolean,
    out: number,
  ): void {
    const chunks = chunksOf(lengthBytes);
    const input = this.#inputs++;
    const root = isWhole ? ROOT : 0;
    this.#firsts[input] = this.#chunks;
    this.#counts[input] = chunks;
    this.#roots[input] = root;
    this.#outs[input] = out;
    let node = this.#nodes + this.#chunks * CV_BYTES;
    const flags = CHUNK_FLAGS | (chunks === 1 ? root << LAST_BLOCK_SHIFT : 0);
    for (let chunk = 0; chunk < chunks; chunk++) {
      const at = chunk * CHUNK_BYTES;
      const length = Math.min(CHUNK_BYTES, lengthBytes - at);
      this.#job(address + at, length, firstChunk + chunk, flags, chunks === 1 ? out : node);
      node += CV_BYTES;
    }
    this.#chunks += chunks;
  }

  run(): void {
    this.#runJobs();
    while (this.#addParents()) {
      this.#runJobs();
      for (let input = 0; input < this.#inputs; input++) this.#goUp(input);
    }
    this.#inputs = 0;
    this.#chunks = 0;
  }

  /** Of the pair of chaining values at `pair`. */
  parent(pair: number, out: number, isRoot: boolean): void {
    this.#job(pair, 2 * CV_BYTES, 0, PARENT_FLAGS | (isRoot ? ROOT : 0), out);
    this.#runJobs();
  }

  /** Of all pairs that there are; false where there are none. A result never goes where something is still to be read. */
  #addParents(): boolean {
    for (let input = 0; input < this.#inputs; input++) {
      const count = this.#counts[input]!;
      const first = this.#nodes + this.#firsts[input]! * CV_BYTES;
      const flags = PARENT_FLAGS | (count === 2 ? this.#roots[input]! : 0);
      for (let parent = 0; parent < count >>> 1; parent++) {
        const out = count === 2 ? this.#outs[input]! : first + parent * CV_BYTES;
        this.#job(first + 2 * parent * CV_BYTES, 2 * CV_BYTES, 0, flags, out);
      }
    }
    return this.#end > this.#jobs;
  }

  /** The parents are the nodes now, and behind them what had no partner. */
  #goUp(input: number): void {
    const count = this.#counts[input]!;
    const parents = count >>> 1;
    const first = (this.#nodes >>> 2) + this.#firsts[input]! * CV_WORDS;
    const last = first + (count - 1) * CV_WORDS;
    if (count > 1 && count % 2 === 1)
      this.#words.copyWithin(first + parents * CV_WORDS, last, last + CV_WORDS);
    this.#counts[input] = count - parents;
  }

  #job(address: number, length: number, counter: number, flags: number, out: number): void {
    const words = this.#words;
    const at = this.#end >>> 2;
    words[at] = address;
    words[at + 1] = length;
    words[at + 2] = counter;
    words[at + 3] = flags;
    words[at + 4] = out;
    this.#end += JOB_WORDS * 4;
  }

  #runJobs(): void {
    this.#kernels.blake3Jobs(this.#jobs, this.#end, this.#key, this.#room);
    this.#end = this.#jobs;
  }
}

function chunksOf(lengthBytes: number): number {
  return Math.max(1, Math.ceil(lengthBytes / CHUNK_BYTES));
}
