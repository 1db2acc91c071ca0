/**
 * Object IDs: what directory entries and seek tables hold. Grammar: `I`… `Z`? `D`? content reference.
 * Spec: kopia-snapshots 1.1.
 */
import { SejfError } from "../errors/index.ts";
import type { ContentPrefix, ContentRef } from "../format/index.ts";

/** A checked object ID as text. */
export type ObjectId = string & { readonly __brand: "ObjectId" };

export interface ParsedObjectId {
  /** How many seek tables lie above the data: 0 means that the content is the object. */
  readonly indirection: number;
  /** The content holds a compression header and a compressed stream. Never together with an indirection. */
  readonly compressed: boolean;
  readonly content: ContentRef;
}

/** More levels than any file needs: each multiplies the size by thousands. */
export const MAX_INDIRECTION = 8;

/** A sealed repository's reference carries the key behind `~`. */
const PATTERN = /^(I*)(Z?)D?([g-z]?(?:[0-9a-f]{2}){1,32}(?:~[A-Za-z0-9_-]{1,172})?)$/;

/** @throws SEJF_INVALID_ID for anything that Kopia would not write, `I` and `Z` together included. */
export function parseObjectId(text: string): ParsedObjectId {
  const match = PATTERN.exec(text);
  const levels = match?.[1] ?? "";
  const compressed = match?.[2] === "Z";
  if (match === null || levels.length > MAX_INDIRECTION || (levels !== "" && compressed)) {
    throw new SejfError(
      "SEJF_INVALID_ID",
      `${JSON.stringify(text.slice(0, 80))} is not an object ID`,
    );
  }
  return { indirection: levels.length, compressed, content: match[3] as ContentRef };
}

/** What nearly all directory entries hold: one content, plain. */
const PLAIN = /^[g-z]?(?:[0-9a-f]{2}){1,32}$/;

export function isObjectId(text: string): text is ObjectId {
  if (PLAIN.test(text)) return true;
  const match = PATTERN.exec(text);
  if (match === null) return false;
  const levels = (match[1] as string).length;
  return levels <= MAX_INDIRECTION && !(levels > 0 && match[2] === "Z");
}

/** The text as an object ID. @throws SEJF_INVALID_ID. */
export function toObjectId(text: string): ObjectId {
  if (!isObjectId(text)) parseObjectId(text);
  return text as ObjectId;
}

export function formatObjectId(id: ParsedObjectId): ObjectId {
  return `${"I".repeat(id.indirection)}${id.compressed ? "Z" : ""}${id.content}` as ObjectId;
}

/** The letter of the content behind all levels: `k` for a directory, `x` for a file's seek table, none for file data. */
export function objectPrefix(id: ObjectId): ContentPrefix {
  const letter = /^I*Z?D?([g-z])/.exec(id);
  return letter?.[1] ?? "";
}

/** The object one level of indirection below the seek table: drops one `I`. */
export function tableOf(id: ObjectId): ObjectId {
  return id.slice(1) as ObjectId;
}
