/** The interface of error correction. */
import type { OwnedBytes } from "../bytes/index.ts";

/** Redundancy around stored bytes. Pure: the same input always gives the same output. */
export interface ErrorCorrection {
  readonly algorithm: string;
  readonly overheadPercent: number;
  /** What `length` bytes become when encoded. */
  encodedLength(length: number): number;
  encode(data: Uint8Array): OwnedBytes;
  /**
   * As `encode`, into the beginning of `target`, which must not overlap `data`; returns how many bytes were written.
   * @throws RangeError when `target` is shorter than `encodedLength(data.byteLength)`.
   */
  encodeInto(data: Uint8Array, target: Uint8Array): number;
  /**
   * The data, repaired where shards are damaged and enough parity is left.
   * @throws SEJF_CORRUPT when there is too much damage, or the bytes are no encoding.
   */
  decode(stored: Uint8Array): OwnedBytes;
}
