/**
 * Memory of big messages, used again: fresh memory costs more than what is done with it, page by page and in the
 * garbage collector. Buffers come in a few sizes; of what is longer than the message nothing is ever seen.
 */
import type { OwnedBytes } from "../../bytes/index.ts";

/** Shorter messages get memory of their own. */
const SMALLEST_BYTES = 64 << 10;
/** Sizes between a power of two and the next: at most a quarter of a buffer is more than was asked for. */
const SIZES_PER_OCTAVE = 4;
/**
 * Of longer ones there are few at a time, and any two of them differ: one size for all up to a power of two, and what
 * stands before a content in its message. What of a buffer was never used takes no memory.
 */
const LARGE_BYTES = 2 << 20;
const HEAD_BYTES = 64 << 10;

export class BufferPool {
  readonly #maxBytes: number;
  /** By size; the size that was given back longest ago comes first. */
  readonly #spare = new Map<number, ArrayBuffer[]>();
  #spareBytes = 0;

  /** `maxBytes`: of buffers that wait for their next use. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of buffers that wait. */
  get spareBytes(): number {
    return this.#spareBytes;
  }

  /** Not zeroed: to be filled before anybody sees it. */
  take(length: number): OwnedBytes {
    if (length < SMALLEST_BYTES) return unfilled(length);
    const size = sizeFor(length);
    // One that is longer, but not by much, is better than fresh memory.
    for (let longer = size; longer < 2 * size; longer = sizeFor(longer + 1)) {
      const buffer = this.#takeSpare(longer);
      if (buffer !== undefined) return new Uint8Array(buffer, 0, length);
    }
    return unfilled(size).subarray(0, length);
  }

  /** From `take`; nobody uses it any more. */
  give(bytes: Uint8Array<ArrayBuffer>): void {
    const { buffer } = bytes;
    const size = buffer.byteLength;
    if (bytes.byteLength < SMALLEST_BYTES || size > this.#maxBytes) return;
    const spare = this.#spare.get(size) ?? [];
    this.#spare.delete(size);
    spare.push(buffer);
    this.#spare.set(size, spare);
    this.#spareBytes += size;
    while (this.#spareBytes > this.#maxBytes) this.#dropOne();
  }

  #takeSpare(size: number): ArrayBuffer | undefined {
    const spare = this.#spare.get(size);
    const buffer = spare?.pop();
    if (buffer === undefined) return undefined;
    if (spare?.length === 0) this.#spare.delete(size);
    this.#spareBytes -= size;
    return buffer;
  }

  #dropOne(): void {
    for (const size of this.#spare.keys()) {
      this.#takeSpare(size);
      return;
    }
  }
}

/** The engine keeps such small ones in its own heap, which costs far less. */
const INLINE_BYTES = 64;

/** Not zeroed: a message is handed out only when every byte of it was received. */
export function unfilled(length: number): OwnedBytes {
  if (length <= INLINE_BYTES) return new Uint8Array(length);
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

function sizeFor(length: number): number {
  if (length > LARGE_BYTES) return 2 ** Math.ceil(Math.log2(length - HEAD_BYTES)) + HEAD_BYTES;
  const step = 2 ** Math.floor(Math.log2(length - 1)) / SIZES_PER_OCTAVE;
  return Math.ceil(length / step) * step;
}
