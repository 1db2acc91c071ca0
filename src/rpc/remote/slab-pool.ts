/**
 * Bytes on their way to a server in buffers that are used again: one slab holds the contents of a batch, and is free
 * when the last of its users has let go.
 */
import { ALIGNMENT_BYTES, alignedPlace, type OwnedBytes } from "../../bytes/index.ts";
import { BufferPool } from "../grpc/buffer-pool.ts";

/** Of slabs that wait for their next use. */
const SPARE_BYTES: number = 32 << 20;

export class SlabPool {
  readonly #buffers = new BufferPool(SPARE_BYTES);

  /** An empty slab for so many bytes and so many users. */
  take(lengthBytes: number, users: number): Slab {
    const buffer = this.#buffers.take(lengthBytes + users * ALIGNMENT_BYTES);
    return new Slab(buffer, users, () => this.#buffers.give(buffer));
  }
}

export class Slab {
  readonly #buffer: OwnedBytes;
  readonly #onFree: () => void;
  #filledBytes = 0;
  #users: number;

  constructor(buffer: OwnedBytes, users: number, onFree: () => void) {
    this.#buffer = buffer;
    this.#users = users;
    this.#onFree = onFree;
  }

  /** A copy of the pieces one behind the other, for one user. */
  gather(pieces: readonly Uint8Array[]): OwnedBytes {
    const [first] = pieces;
    const start = first ? alignedPlace(this.#buffer, this.#filledBytes, first) : this.#filledBytes;
    this.#filledBytes = start;
    for (const piece of pieces) {
      this.#buffer.set(piece, this.#filledBytes);
      this.#filledBytes += piece.byteLength;
    }
    return this.#buffer.subarray(start, this.#filledBytes);
  }

  /** Once a user, who must not look at its view afterwards. */
  release(): void {
    if (--this.#users === 0) this.#onFree();
  }
}
