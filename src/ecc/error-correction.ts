/** Error correction by Kopia's names, of which there is one. */
import { SejfError } from "../errors/index.ts";
import { ReedSolomonCrc32 } from "./reed-solomon-crc32.ts";
import type { ErrorCorrection } from "./types.ts";

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
