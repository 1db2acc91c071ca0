/**
 * Go reads JSON members whatever their case, so that `SOURCE` behind `source` wins in a kopia that reads what we checked.
 * Reference: Go's encoding/json, which folds as Unicode does.
 */
import { SejfError } from "../../errors/index.ts";

/** @throws SEJF_INVALID_ARGUMENT for a member that only differs in case from one that is known. */
export function assertExactMembers(json: object, known: readonly string[], what: string): void {
  const folded = new Map(known.map((name) => [fold(name), name]));
  for (const key of Object.keys(json)) {
    const name = folded.get(fold(key));
    if (name !== undefined && name !== key)
      throw new SejfError(
        "SEJF_INVALID_ARGUMENT",
        `${what} has a member ${JSON.stringify(key)}, which could be taken for ${JSON.stringify(name)}`,
      );
  }
}

/** The long s and the Kelvin sign are the two letters outside of ASCII that fold into it. */
function fold(name: string): string {
  return name.replaceAll("\u017f", "s").replaceAll("\u212a", "k").toLowerCase();
}
