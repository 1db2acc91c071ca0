/** A recovery kit as a file: the one that was printed, or what somebody typed from the paper. */
import { readFile } from "node:fs/promises";
import { errorFromUnknown } from "../../errors/index.ts";
import { parseRecoveryKit } from "../../sealing/index.ts";

export type RecoveryKit = ReturnType<typeof parseRecoveryKit>;

/** @throws SEJF_INVALID_ARGUMENT without an identity line; SEJF_NOT_FOUND, SEJF_PERMISSION. */
export async function readRecoveryKit(file: string): Promise<RecoveryKit> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw errorFromUnknown(error, `reading ${file}`);
  }
  return parseRecoveryKit(text);
}
