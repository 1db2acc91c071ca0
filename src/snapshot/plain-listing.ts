/**
 * Listings as Kopia and we write them, read without making anything of what a walk does not need: where everything has
 * the usual shape, types and objects are cut out of the text. Spec: kopia-snapshots 3.2.
 */
import type { ObjectId } from "../object/index.ts";
import type { DirEntry } from "./types.ts";

/** What a walk needs of an entry. */
export type DirectoryChild = Pick<DirEntry, "type" | "object">;

const HEAD = '{"stream":"kopia:directory","entries":[';

const COUNT = String.raw`(?:0|[1-9]\d{0,14})`;
const OWNER = String.raw`(?:0|[1-9]\d{0,8}|[1-3]\d{9})`;
/** The 29th of February is left to those who know calendars. */
const DAY =
  "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)";
const TIME = String.raw`"\d{4}-${DAY}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z"`;
/** None of `.`, `..` and those with `/` or NUL, however written; of escapes those that Go makes of `&`, `<`, `>`, `"`, `\`. */
const NAME = String.raw`(?!\.{0,2}")[^"\\/\x00-\x1f]*(?:\\(?:["\\]|u00(?:26|3[ce]))[^"\\/\x00-\x1f]*)*`;
const SUMMARY = `\\{"size":${COUNT},"files":${COUNT},"symlinks":${COUNT},"dirs":${COUNT},"maxTime":${TIME},"numFailed":${COUNT}\\}`;
const OBJECT = "I{0,8}[g-z]?(?:[0-9a-f]{2}){1,32}";

const ATTRIBUTES = `(?:"mode":"0[0-7]{1,9}",)?(?:"size":${COUNT},)?(?:"mtime":${TIME},)?(?:"uid":${OWNER},)?(?:"gid":${OWNER},)?`;

/** An entry and the separator behind it. Each part is met in one way only: no text takes long. */
const ENTRY = new RegExp(
  `\\{"name":"${NAME}","type":"([a-z])",${ATTRIBUTES}"obj":"(${OBJECT})"(?:,"summ":${SUMMARY})?\\}[,\\]]`,
  "y",
);
const TAIL = new RegExp(`,"summary":${SUMMARY}\\}\\n?$`, "y");

/**
 * The children that `decodeDirectory` would find; `undefined` where something has another shape, right or wrong. NOTE:
 * their texts may keep all of `text` in memory.
 */
export function plainChildren(text: string): readonly DirectoryChild[] | undefined {
  if (!text.startsWith(HEAD)) return undefined;
  const children: DirectoryChild[] = [];
  let at = HEAD.length;
  let digits = 0;
  do {
    const file = fileWith(digits);
    file.lastIndex = at;
    if (digits > 0 && file.test(text)) {
      at = file.lastIndex;
      const end = at - '"},'.length;
      children.push({ type: "f", object: text.slice(end - digits, end) as ObjectId });
    } else {
      ENTRY.lastIndex = at;
      const match = ENTRY.exec(text);
      if (match === null) return undefined;
      at = ENTRY.lastIndex;
      const object = match[2] as ObjectId;
      children.push({ type: match[1]!, object });
      if (/^[0-9a-f]/.test(object)) digits = object.length;
    }
  } while (text[at - 1] === ",");
  TAIL.lastIndex = at;
  return TAIL.test(text) ? children : undefined;
}

const files: RegExp[] = [];

/** As `ENTRY`, of a file in one content: nearly every entry. Where its object lies needs no search, which is faster. */
function fileWith(digits: number): RegExp {
  return (files[digits] ??= new RegExp(
    `\\{"name":"${NAME}","type":"f",${ATTRIBUTES}"obj":"[0-9a-f]{${digits}}"\\}[,\\]]`,
    "y",
  ));
}
