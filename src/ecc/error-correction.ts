/** The interface of error correction and its one algorithm, by Kopia's name. */
import type { OwnedBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { ReedSolomonCrc32 } from "./reed-solomon-crc32.ts";

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

/** The names `createEcc` knows. */
export const ECC_ALGORITHMS: readonly string[] = ["REED-SOLOMON-CRC32"];

const PERCENT_MAX = 100;

/**
 * Error correction by Kopia's name; `undefined` where a repository has none: an empty name or an overhead of 0 %.
 * @throws SEJF_UNSUPPORTED for an unknown name; SEJF_INVALID_ARGUMENT for a percentage that is not an integer in 0..100.
 */
export function createEcc(name: string, overheadPercent: number): ErrorCorrection | undefined {
  if (name === "" || overheadPercent === 0) return undefined;
  if (!ECC_ALGORITHMS.includes(name)) {
    throw new SejfError(
      "SEJF_UNSUPPORTED",
      `error correction ${JSON.stringify(name)} is not known`,
      {
        hint: `known ones are ${ECC_ALGORITHMS.join(", ")}`,
      },
    );
  }
  if (!Number.isInteger(overheadPercent) || overheadPercent < 0 || overheadPercent > PERCENT_MAX) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `error correction overhead is ${overheadPercent} %, expected an integer from 0 to ${PERCENT_MAX}`,
    );
  }
  return new ReedSolomonCrc32(name, overheadPercent);
}
