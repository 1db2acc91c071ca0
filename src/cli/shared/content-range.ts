/** The flags of commands that take a range of contents. */
import type { IdRange } from "../../format/index.ts";
import { type Flag, type FlagValues, flag, text } from "../flags.ts";
import { usageError } from "../usage-error.ts";

export type RangeFlags = {
  readonly prefix: Flag<string | undefined>;
  readonly prefixed: Flag<boolean>;
  readonly nonPrefixed: Flag<boolean>;
};

export const RANGE_FLAGS: RangeFlags = {
  prefix: text("Content ID prefix", { placeholder: "PREFIX" }),
  prefixed: flag("Apply to content IDs with (any) prefix"),
  nonPrefixed: flag("Apply to content IDs without prefix"),
};

export interface ContentRange {
  readonly prefix?: string | undefined;
  readonly range?: IdRange | undefined;
}

/** IDs without prefix are hex, those with one begin with `g` to `z`. */
const FIRST_PREFIX = "g";

/** @throws SEJF_INVALID_ARGUMENT when more than one is given, or for a prefix that no ID begins with. */
export function contentRange(values: FlagValues<RangeFlags>): ContentRange {
  const { prefix = "" } = values;
  if (Number(values.prefixed) + Number(values.nonPrefixed) + Number(prefix !== "") > 1)
    throw usageError("--prefix, --prefixed and --non-prefixed exclude each other");
  if (!/^[g-z]?[0-9a-f]*$/.test(prefix))
    throw usageError(
      `--prefix: no content ID begins with ${JSON.stringify(prefix)}`,
      "expected a letter g to z and lower-case hex digits, or either alone",
    );
  if (values.prefixed) return { range: { from: FIRST_PREFIX } };
  if (values.nonPrefixed) return { range: { to: FIRST_PREFIX } };
  return prefix === "" ? {} : { prefix };
}
