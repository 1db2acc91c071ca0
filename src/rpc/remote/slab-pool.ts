/**
 * Bytes on their way to a server in buffers that are used again: one slab holds the contents of a batch, and is free
 * when the last of them has been let go.
 */
import type { OwnedBytes } from "../../bytes/index.ts";
import { BufferPool } from "../grpc/buffer-pool.ts";

/** Of slabs that wait for their next use. */
const SPARE_BYTES: number = 32 << 20;

export class SlabPool {
  readonly #buffers = new BufferPool(SPARE_BYTES);

  /** A slab with a copy of the bytes, for so many users. */
  copy(bytes: Uint8Array, users: number): Slab {
    const buffer = this.#buffers.take(bytes.byteLength);
    buffer.set(bytes);
    return new Slab(buffer, users, () => this.#buffers.give(buffer));
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
