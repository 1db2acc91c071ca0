/**
 * Buffers for bytes on their way to a server, used again and again: fresh memory for each would cost more than the
 * copying. One slab holds the contents of a batch and is free again when the last of them has been let go.
 */
import type { OwnedBytes } from "../../bytes/index.ts";

/** Slabs have a multiple of this, so that one fits the next batch too. */
const UNIT_BYTES: number = 4 << 20;
/** Free buffers that are kept. */
const MAX_FREE = 8;

export class SlabPool {
  readonly #free: OwnedBytes[] = [];

  /** A slab with a copy of the bytes, for so many users. */
  copy(bytes: Uint8Array, users: number): Slab {
    const length = Math.max(1, Math.ceil(bytes.byteLength / UNIT_BYTES)) * UNIT_BYTES;
    const at = this.#free.findLastIndex((buffer) => buffer.byteLength >= length);
    const [found] = at < 0 ? [] : this.#free.splice(at, 1);
    const buffer = found ?? new Uint8Array(length);
    buffer.set(bytes);
    return new Slab(buffer, users, () => {
      if (this.#free.length < MAX_FREE) this.#free.push(buffer);
    });
  }
}

export class Slab {
  readonly #buffer: OwnedBytes;
  readonly #onFree: () => void;
  #users: number;

  constructor(buffer: OwnedBytes, users: number, onFree: () => void) {
    this.#buffer = buffer;
    this.#users = users;
    this.#onFree = onFree;
  }

  view(offset: number, lengthBytes: number): OwnedBytes {
    return this.#buffer.subarray(offset, offset + lengthBytes);
  }

  /** Once a user, who must not look at its view afterwards. */
  release(): void {
    if (--this.#users === 0) this.#onFree();
  }
}
