/**
 * Error correction of stored bytes: Reed-Solomon over shards with a CRC each (`docs/format.md`, "Error correction").
 * It goes around encryption: what is stored is the encoding of the ciphertext.
 */
export { createEcc, ECC_ALGORITHMS } from "./error-correction.ts";
export type { ErrorCorrection } from "./types.ts";
