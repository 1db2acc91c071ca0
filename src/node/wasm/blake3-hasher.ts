/**
 * Keyed BLAKE3 over the kernels: short inputs many at a time, long ones in groups of 64 chunks, which are merged as a
 * binary counter. Spec: BLAKE3 paper §2.1, §5.1.2.
 */
import { alignedPlace, copyBytes, type OwnedBytes } from "../../bytes/index.ts";
import { Blake3Jobs, CHUNK_BYTES, CV_BYTES } from "./blake3-jobs.ts";
import {
  BLAKE3_GROUP_CHUNKS,
  BLAKE3_HASHES_AT,
  BLAKE3_KEY_AT,
  BLAKE3_STACK_AT,
  STAGING_AT,
  STAGING_BYTES,
} from "./layout.ts";
import type { Kernels } from "./module.ts";
import type { InPlaceHasher } from "./types.ts";

const GROUP_BYTES: number = BLAKE3_GROUP_CHUNKS * CHUNK_BYTES;

/** `key` has 32 bytes. */
export function blake3Hasher(
  kernels: Kernels,
  memory: Uint8Array<SharedArrayBuffer>,
  scratchOffset: number,
  key: Uint8Array,
): InPlaceHasher {
  return new Blake3Hasher(kernels, memory, scratchOffset, copyBytes(key));
}

class Blake3Hasher implements InPlaceHasher {
  readonly algorithm = "blake3-256";
  readonly #jobs: Blake3Jobs;
  readonly #memory: Uint8Array<SharedArrayBuffer>;
  readonly #key: OwnedBytes;
  readonly #keyAt: number;
  readonly #stack: number;
  readonly #hashes: number;
  readonly #staging: number;

  constructor(
    kernels: Kernels,
    memory: Uint8Array<SharedArrayBuffer>,
    scratchOffset: number,
    key: OwnedBytes,
  ) {
    this.#jobs = new Blake3Jobs(kernels, memory, scratchOffset);
    this.#memory = memory;
    this.#key = key;
    this.#keyAt = scratchOffset + BLAKE3_KEY_AT;
    this.#stack = scratchOffset + BLAKE3_STACK_AT;
    this.#hashes = scratchOffset + BLAKE3_HASHES_AT;
    this.#staging = scratchOffset + STAGING_AT;
  }

  hash(data: Uint8Array): OwnedBytes {
    return this.#hash(data.length, this.#locating(data));
  }

  hashAt(offset: number, length: number): OwnedBytes {
    return this.#hash(length, (at) => offset + at);
  }

  hashMany(data: Uint8Array, lengths: Uint32Array): OwnedBytes {
    const hashes = new Uint8Array(lengths.length * CV_BYTES);
    const locate = this.#locating(data);
    let at = 0;
    for (let from = 0; from < lengths.length; ) {
      const first = lengths[from]!;
      if (first > STAGING_BYTES) {
        hashes.set(
          this.#hash(first, (inside) => locate(at + inside)),
          from * CV_BYTES,
        );
        at += first;
        from++;
        continue;
      }
      this.#memory.set(this.#key, this.#keyAt);
      const address = locate(at);
      let bytes = 0;
      let to = from;
      for (; to < lengths.length; to++) {
        const length = lengths[to]!;
        if (bytes + length > STAGING_BYTES || !this.#jobs.hasRoom(length)) break;
        this.#jobs.add(address + bytes, length, 0, true, this.#hashes + (to - from) * CV_BYTES);
        bytes += length;
      }
      this.#jobs.run();
      const end = this.#hashes + (to - from) * CV_BYTES;
      hashes.set(this.#memory.subarray(this.#hashes, end), from * CV_BYTES);
      at += bytes;
      from = to;
    }
    return hashes;
  }

  /** Gives the address of what begins so many bytes into `data`, a group of it, until it is asked again. */
  #locating(data: Uint8Array): (at: number) => number {
    const { byteOffset } = data;
    if (data.buffer === this.#memory.buffer) return (at) => byteOffset + at;
    return (at) => {
      const part = data.subarray(at, at + STAGING_BYTES);
      const address = alignedPlace(this.#memory, this.#staging, part);
      this.#memory.set(part, address);
      return address;
    };
  }

  /** `locate` gives the address of the group of input that begins `at` bytes into it; it stays there for the group. */
  #hash(length: number, locate: (at: number) => number): OwnedBytes {
    const memory = this.#memory;
    const stack = this.#stack;
    memory.set(this.#key, this.#keyAt);
    const groups = Math.max(1, Math.ceil(length / GROUP_BYTES));
    let stacked = 0;
    for (let group = 0; group < groups; group++) {
      const at = group * GROUP_BYTES;
      const bytes = Math.min(GROUP_BYTES, length - at);
      const firstChunk = group * BLAKE3_GROUP_CHUNKS;
      // What the groups before completed; not sooner, since the last merge of all is the root's.
      for (let before = group; before > 0 && before % 2 === 0; before /= 2)
        this.#mergeTop(--stacked, false);
      this.#jobs.add(locate(at), bytes, firstChunk, groups === 1, stack + stacked * CV_BYTES);
      this.#jobs.run();
      stacked++;
    }
    while (stacked > 1) {
      stacked--;
      this.#mergeTop(stacked, stacked === 1);
    }
    return memory.slice(stack, stack + CV_BYTES);
  }

  /** Merges the two topmost of the stack; `top` is the index of the upper. */
  #mergeTop(top: number, isRoot: boolean): void {
    const left = this.#stack + (top - 1) * CV_BYTES;
    this.#jobs.parent(left, left, isRoot);
  }
}
