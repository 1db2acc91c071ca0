/** Randomness that repeats: the same seed gives the same bytes on every machine. Never use it outside tests. */
import type { OwnedBytes, Random } from "../bytes/index.ts";

/** xorshift32, filled word by word, little-endian. */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed = 1) {
    // 0 is the one state that xorshift never leaves
    this.#state = (Math.imul(seed | 0, 0x9e3779b1) ^ 0x6d2b79f5) | 0 || 1;
  }

  bytes(length: number): OwnedBytes {
    const words = new Uint32Array(Math.ceil(length / 4));
    let state = this.#state;
    for (let i = 0; i < words.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[i] = state;
    }
    this.#state = state;
    return new Uint8Array(words.buffer, 0, length).slice();
  }

  /** A whole number from 0 to `below` - 1. */
  int(below: number): number {
    const [word] = new Uint32Array(this.bytes(4).buffer);
    return Math.floor(((word ?? 0) / 0x1_0000_0000) * below);
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("nothing to pick from");
    return items[this.int(items.length)] as T;
  }
}
