/** Random bytes of the system through a pool: a nonce for each content must not cost a call into the system. */
import { randomFillSync } from "node:crypto";
import type { OwnedBytes, Random } from "../../bytes/index.ts";

const POOL_BYTES = 8192;

/** Longer requests go to the system directly. */
const POOLED_MAX_BYTES = 64;

class PooledRandom implements Random {
  readonly #pool = new Uint8Array(POOL_BYTES);
  #used: number = POOL_BYTES;

  bytes(length: number): OwnedBytes {
    if (length > POOLED_MAX_BYTES) return randomFillSync(new Uint8Array(length));
    if (this.#used + length > POOL_BYTES) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const bytes = this.#pool.slice(this.#used, this.#used + length);
    // What was handed out is not kept: it may become a key.
    this.#pool.fill(0, this.#used, this.#used + length);
    this.#used += length;
    return bytes;
  }
}

/** As `systemRandom`, several times cheaper for short requests. Each thread has its own pool. */
export const nodeRandom: Random = new PooledRandom();
