/** Content IDs given as arguments. */
import { type ContentId, isContentId } from "../../format/index.ts";
import { SejfError } from "../../errors/index.ts";

/** @throws SEJF_INVALID_ID. */
export function contentIds(args: readonly string[]): readonly ContentId[] {
  return args.map((text) => {
    if (isContentId(text)) return text;
    throw new SejfError("SEJF_INVALID_ID", `${JSON.stringify(text)} is not a content ID`, {
      hint: "content IDs are hex digits, some behind one letter; see content list",
    });
  });
}
