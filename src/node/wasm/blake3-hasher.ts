/**
 * Keyed BLAKE3 over the kernels. Chunks are hashed four at a time in groups of 64; a group's tree is folded level by
 * level, and groups are merged as a binary counter. A level-wise fold gives BLAKE3's tree, since an odd node is
 * carried up unchanged. Spec: BLAKE3 paper §2.1, §5.1.2.
 */
import { copyBytes, type OwnedBytes } from "../../bytes/index.ts";
import {
  BLAKE3_BLOCK_BYTES,
  CHUNK_END,
  CHUNK_START,
  KEYED_HASH,
  PARENT,
  ROOT,
} from "./blake3-kernel.ts";
import {
  BLAKE3_GROUP_AT,
  BLAKE3_GROUP_CHUNKS,
  BLAKE3_KEY_AT,
  BLAKE3_MESSAGE_AT,
  BLAKE3_STACK_AT,
  BLAKE3_STATE_AT,
  BLAKE3_TAIL_AT,
  STAGING_AT,
} from "./layout.ts";
import type { Kernels } from "./module.ts";
import type { InPlaceHasher } from "./types.ts";

const CHUNK_BYTES = 1024;
const CHUNK_BLOCKS = CHUNK_BYTES / BLAKE3_BLOCK_BYTES;
const GROUP_BYTES = BLAKE3_GROUP_CHUNKS * CHUNK_BYTES;
const CV_BYTES = 32;
const LANES = 4;

/** `key` has 32 bytes. */
export function blake3Hasher(
  kernels: Kernels,
  memory: Uint8Array<SharedArrayBuffer>,
  scratchOffset: number,
  key: Uint8Array,
): InPlaceHasher {
  const tree = new Blake3Tree(kernels, memory, scratchOffset);
  const ownKey = copyBytes(key);
  const staging = scratchOffset + STAGING_AT;
  const hashAt = (offset: number, length: number): OwnedBytes =>
    tree.hash(ownKey, length, (at) => offset + at);
  return {
    algorithm: "blake3-256",
    hashAt,
    hash(data): OwnedBytes {
      if (data.buffer === memory.buffer) return hashAt(data.byteOffset, data.length);
      return tree.hash(ownKey, data.length, (at) => {
        memory.set(data.subarray(at, at + GROUP_BYTES), staging);
        return staging;
      });
    },
  };
}

class Blake3Tree {
  readonly #kernels: Kernels;
  readonly #memory: Uint8Array<SharedArrayBuffer>;
  readonly #key: number;
  readonly #state: number;
  readonly #tail: number;
  readonly #message: number;
  readonly #group: number;
  readonly #stack: number;

  constructor(kernels: Kernels, memory: Uint8Array<SharedArrayBuffer>, scratchOffset: number) {
    this.#kernels = kernels;
    this.#memory = memory;
    this.#key = scratchOffset + BLAKE3_KEY_AT;
    this.#state = scratchOffset + BLAKE3_STATE_AT;
    this.#tail = scratchOffset + BLAKE3_TAIL_AT;
    this.#message = scratchOffset + BLAKE3_MESSAGE_AT;
    this.#group = scratchOffset + BLAKE3_GROUP_AT;
    this.#stack = scratchOffset + BLAKE3_STACK_AT;
  }

  /** `locate` gives the address of the group of input that begins `at` bytes into it; it stays there for the group. */
  hash(key: Uint8Array, length: number, locate: (at: number) => number): OwnedBytes {
    this.#memory.set(key, this.#key);
    const groups = Math.max(1, Math.ceil(length / GROUP_BYTES));
    let stacked = 0;
    for (let group = 0; group < groups; group++) {
      const at = group * GROUP_BYTES;
      this.#foldGroup(
        locate(at),
        Math.min(GROUP_BYTES, length - at),
        group * BLAKE3_GROUP_CHUNKS,
        groups === 1,
      );
      // What the groups before completed; not sooner, since the last merge of all is the root's.
      for (let before = group; before > 0 && before % 2 === 0; before /= 2)
        this.#mergeTop(--stacked, 0);
      this.#memory.copyWithin(
        this.#stack + stacked * CV_BYTES,
        this.#group,
        this.#group + CV_BYTES,
      );
      stacked++;
    }
    while (stacked > 1) {
      stacked--;
      this.#mergeTop(stacked, stacked === 1 ? ROOT : 0);
    }
    return this.#memory.slice(this.#stack, this.#stack + CV_BYTES);
  }

  /** Merges the two topmost of the stack; `top` is the index of the upper. */
  #mergeTop(top: number, flag: number): void {
    const left = this.#stack + (top - 1) * CV_BYTES;
    this.#parent(left, left, flag);
  }

  /** The chaining value of a group, or the hash itself when there is nothing else, goes to the beginning of the group's room. */
  #foldGroup(address: number, length: number, firstChunk: number, root: boolean): void {
    const whole = Math.floor(length / CHUNK_BYTES);
    let chunk = 0;
    // Two or three side by side take less time than two one after the other; what the other lanes give is overwritten or unused.
    for (; whole - chunk > 1; chunk = Math.min(whole, chunk + LANES))
      this.#fourChunks(address + chunk * CHUNK_BYTES, whole - chunk, chunk, firstChunk + chunk);
    const chunks = Math.max(1, Math.ceil(length / CHUNK_BYTES));
    for (; chunk < chunks; chunk++) {
      const at = chunk * CHUNK_BYTES;
      this.#oneChunk(
        address + at,
        Math.min(CHUNK_BYTES, length - at),
        chunk,
        firstChunk + chunk,
        root && chunks === 1 ? ROOT : 0,
      );
    }
    let nodes = chunks;
    while (nodes > 1) nodes = this.#foldLevel(nodes, root && nodes === 2 ? ROOT : 0);
  }

  /** Of `count` chunks, 2 or more, the first four. Results come to four slots in any case: a group has a multiple of them. */
  #fourChunks(address: number, count: number, slot: number, counter: number): void {
    const out = this.#group + slot * CV_BYTES;
    this.#kernels.blake3Four(
      address,
      address + CHUNK_BYTES,
      count > 2 ? address + 2 * CHUNK_BYTES : address,
      count > 3 ? address + 3 * CHUNK_BYTES : address,
      CHUNK_BLOCKS,
      this.#key,
      out,
      counter,
      1,
      KEYED_HASH,
      CHUNK_START,
      CHUNK_END,
      this.#message,
    );
  }

  #oneChunk(address: number, length: number, slot: number, counter: number, flag: number): void {
    const memory = this.#memory;
    memory.copyWithin(this.#state, this.#key, this.#key + CV_BYTES);
    const blocks = Math.max(1, Math.ceil(length / BLAKE3_BLOCK_BYTES));
    for (let block = 0; block < blocks; block++) {
      const at = address + block * BLAKE3_BLOCK_BYTES;
      const bytes = Math.min(BLAKE3_BLOCK_BYTES, length - block * BLAKE3_BLOCK_BYTES);
      const flags =
        KEYED_HASH |
        (block === 0 ? CHUNK_START : 0) |
        (block === blocks - 1 ? CHUNK_END | flag : 0);
      if (bytes < BLAKE3_BLOCK_BYTES) {
        memory.fill(0, this.#tail, this.#tail + BLAKE3_BLOCK_BYTES);
        memory.copyWithin(this.#tail, at, at + bytes);
      }
      this.#kernels.blake3Block(
        this.#state,
        bytes < BLAKE3_BLOCK_BYTES ? this.#tail : at,
        counter,
        bytes,
        flags,
      );
    }
    memory.copyWithin(this.#group + slot * CV_BYTES, this.#state, this.#state + CV_BYTES);
  }

  /** Pairs become parents, an odd node goes up as it is. Results never pass what is still to be read. */
  #foldLevel(nodes: number, flag: number): number {
    const parents = Math.floor(nodes / 2);
    let done = 0;
    for (; done + LANES <= parents; done += LANES) {
      const [first, second, third, fourth] = [0, 1, 2, 3].map(
        (i) => this.#group + (done + i) * BLAKE3_BLOCK_BYTES,
      ) as [number, number, number, number];
      this.#kernels.blake3Four(
        first,
        second,
        third,
        fourth,
        1,
        this.#key,
        this.#group + done * CV_BYTES,
        0,
        0,
        KEYED_HASH | PARENT,
        0,
        0,
        this.#message,
      );
    }
    for (; done < parents; done++)
      this.#parent(this.#group + done * BLAKE3_BLOCK_BYTES, this.#group + done * CV_BYTES, flag);
    if (nodes % 2 === 1) {
      const odd = this.#group + (nodes - 1) * CV_BYTES;
      this.#memory.copyWithin(this.#group + parents * CV_BYTES, odd, odd + CV_BYTES);
    }
    return nodes - parents;
  }

  #parent(pair: number, out: number, flag: number): void {
    this.#memory.copyWithin(this.#state, this.#key, this.#key + CV_BYTES);
    this.#kernels.blake3Block(this.#state, pair, 0, BLAKE3_BLOCK_BYTES, KEYED_HASH | PARENT | flag);
    this.#memory.copyWithin(out, this.#state, this.#state + CV_BYTES);
  }
}
