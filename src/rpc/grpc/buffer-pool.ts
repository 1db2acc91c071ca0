/**
 * Memory of big messages, used again: fresh memory costs more than what is done with it, page by page and in the
 * garbage collector. Buffers come in powers of two; of what is longer than the message nothing is ever seen.
 */
import type { OwnedBytes } from "../../bytes/index.ts";

/** Shorter messages get memory of their own. */
const SMALLEST_BYTES = 64 << 10;

export class BufferPool {
  readonly #maxBytes: number;
  readonly #spare = new Map<number, ArrayBuffer[]>();
  #spareBytes = 0;

  /** `maxBytes`: of buffers that wait for their next use. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Not zeroed: to be filled before anybody sees it. */
  take(length: number): OwnedBytes {
    if (length < SMALLEST_BYTES) return unfilled(length);
    const size = sizeFor(length);
    const buffer = this.#spare.get(size)?.pop();
    if (buffer === undefined) return unfilled(size).subarray(0, length);
    this.#spareBytes -= size;
    return new Uint8Array(buffer, 0, length);
  }

  /** From `take`; nobody uses it any more. */
  give(bytes: Uint8Array<ArrayBuffer>): void {
    const { buffer } = bytes;
    const size = buffer.byteLength;
    if (bytes.byteLength < SMALLEST_BYTES || this.#spareBytes + size > this.#maxBytes) return;
    const spare = this.#spare.get(size);
    if (spare === undefined) this.#spare.set(size, [buffer]);
    else spare.push(buffer);
    this.#spareBytes += size;
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
  return 2 ** Math.ceil(Math.log2(length));
}
