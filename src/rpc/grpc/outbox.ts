/**
 * The sending side of a stream: what is to be written goes in slices, a few at a time. What a stream is given at once it
 * puts together in fresh memory before it is encrypted; a message of many megabytes would cost more for that memory than
 * for the encryption.
 */
import type { Duplex } from "node:stream";

/** What a stream is handed and has not handed to the system. */
export interface OutboxLimits {
  readonly sliceBytes: number;
  readonly maxSlices: number;
  readonly maxBytes: number;
  /** Slices that are handed over at the same time may be written as one. */
  readonly together: boolean;
}

/** A slice that leaves alone is encrypted where it lies: one is on its way, one waits. */
export const SOCKET_OUTBOX: OutboxLimits = {
  sliceBytes: 512 << 10,
  maxSlices: 2,
  maxBytes: Infinity,
  together: false,
};

/** Frames are put together in any case; such slices fit into the processor's cache. */
export const HTTP2_OUTBOX: OutboxLimits = {
  sliceBytes: 128 << 10,
  maxSlices: Infinity,
  maxBytes: 512 << 10,
  together: true,
};

const NO_LIMITS: OutboxLimits = { ...HTTP2_OUTBOX, maxBytes: Infinity };

interface Outgoing {
  readonly bytes: Uint8Array;
  /** Behind its last byte. */
  readonly onWritten: (() => void) | undefined;
}

export class Outbox {
  readonly #stream: Duplex;
  readonly #limits: OutboxLimits;
  readonly #queue: Outgoing[] = [];
  /** Of the first in the queue. */
  #taken = 0;
  #writtenSlices = 0;
  #writtenBytes = 0;

  constructor(stream: Duplex, limits: OutboxLimits) {
    this.#stream = stream;
    this.#limits = limits;
  }

  /** Writes the parts behind everything before. They must not change until `onWritten`, which a broken stream leaves out. */
  push(parts: readonly Uint8Array[], onWritten: () => void): void {
    for (const [index, bytes] of parts.entries())
      this.#queue.push({ bytes, onWritten: index === parts.length - 1 ? onWritten : undefined });
    this.#write(this.#limits);
  }

  /** Hands over everything at once. */
  flush(): void {
    this.#write(NO_LIMITS);
  }

  #write(limits: OutboxLimits): void {
    let next = this.#next(limits);
    if (next === undefined) return;
    if (limits.together) this.#stream.cork();
    for (; next !== undefined; next = this.#next(limits)) this.#writeSlice(next, limits.sliceBytes);
    if (limits.together) this.#stream.uncork();
  }

  /** Of which a slice may be written now. */
  #next({ maxSlices, maxBytes }: OutboxLimits): Outgoing | undefined {
    const hasRoom = this.#writtenSlices < maxSlices && this.#writtenBytes < maxBytes;
    return hasRoom ? this.#queue[0] : undefined;
  }

  /** Of the first in the queue. */
  #writeSlice({ bytes, onWritten }: Outgoing, sliceBytes: number): void {
    const slice = bytes.subarray(this.#taken, this.#taken + sliceBytes);
    this.#taken += slice.byteLength;
    const isLast = this.#taken === bytes.byteLength;
    if (isLast) {
      this.#queue.shift();
      this.#taken = 0;
    }
    this.#writtenSlices++;
    this.#writtenBytes += slice.byteLength;
    this.#stream.write(slice, (error) => {
      // A stream that is broken may still look at what it was given: nobody is told that it is free.
      if (error !== null && error !== undefined) return;
      this.#writtenSlices--;
      this.#writtenBytes -= slice.byteLength;
      if (isLast) onWritten?.();
      this.#write(this.#limits);
    });
  }
}
