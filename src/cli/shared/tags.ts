/** `--tags key:value`. */
import { usageError } from "../usage-error.ts";

/** Keys without the prefix they are stored with. @throws SEJF_INVALID_ARGUMENT. */
export function parseTags(given: readonly string[]): Readonly<Record<string, string>> {
  const tags: Record<string, string> = {};
  for (const tag of given) {
    const colon = tag.indexOf(":");
    if (colon < 0) throw usageError(`invalid tag format (${tag}), expected <key>:<value>`);
    const key = tag.slice(0, colon);
    if (Object.hasOwn(tags, key)) throw usageError(`duplicate tag key found (${key})`);
    tags[key] = tag.slice(colon + 1);
  }
  return tags;
}
