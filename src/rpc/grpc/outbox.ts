/**
 * The sending side of a stream: what is to be written goes in slices, a few at a time. Below HTTP/2 all that is written
 * at once is put together in fresh memory before it is encrypted; a message of many megabytes would cost more for that
 * memory than for the encryption, while slices fit into the processor's cache.
 */
import type { Duplex } from "node:stream";

const SLICE_BYTES: number = 128 << 10;
/** Handed to HTTP/2 and not yet to the system. */
const MOST_WRITTEN_BYTES: number = 512 << 10;

interface Outgoing {
  readonly bytes: Uint8Array;
  /** Behind its last byte. */
  readonly onWritten: (() => void) | undefined;
}

export class Outbox {
  readonly #stream: Duplex;
  readonly #queue: Outgoing[] = [];
  /** Of the first in the queue. */
  #taken = 0;
  #writtenBytes = 0;

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  /** Writes the parts behind everything before. They must not change until `onWritten`, which a broken stream leaves out. */
  push(parts: readonly Uint8Array[], onWritten: () => void): void {
    for (const [index, bytes] of parts.entries())
      this.#queue.push({ bytes, onWritten: index === parts.length - 1 ? onWritten : undefined });
    this.#write(MOST_WRITTEN_BYTES);
  }

  /** Hands over everything at once. */
  flush(): void {
    this.#write(Infinity);
  }

  #write(mostBytes: number): void {
    if (this.#queue.length === 0 || this.#writtenBytes >= mostBytes) return;
    this.#stream.cork();
    while (this.#writtenBytes < mostBytes) {
      const [first] = this.#queue;
      if (first === undefined) break;
      const { bytes, onWritten } = first;
      const slice = bytes.subarray(this.#taken, this.#taken + SLICE_BYTES);
      this.#taken += slice.byteLength;
      const isLast = this.#taken === bytes.byteLength;
      if (isLast) {
        this.#queue.shift();
        this.#taken = 0;
      }
      this.#writtenBytes += slice.byteLength;
      this.#stream.write(slice, (error) => {
        // A stream that is broken may still look at what it was given: nobody is told that it is free.
        if (error !== null && error !== undefined) return;
        this.#writtenBytes -= slice.byteLength;
        if (isLast) onWritten?.();
        this.#write(MOST_WRITTEN_BYTES);
      });
    }
    this.#stream.uncork();
  }
}
