/** Randomness as a dependency: tests bring a seeded one, everything else the system's. */
import type { OwnedBytes } from "./bytes.ts";

export interface Random {
  /** Unpredictable bytes, fit for keys. */
  bytes(length: number): OwnedBytes;
}

const QUOTA_BYTES = 65536;

/** The system's cryptographic generator. */
export const systemRandom: Random = {
  bytes(length: number): OwnedBytes {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += QUOTA_BYTES)
      crypto.getRandomValues(bytes.subarray(at, at + QUOTA_BYTES));
    return bytes;
  },
};
