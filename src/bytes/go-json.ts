/**
 * JSON as Go's encoder writes it, where bytes are hashed: `<`, `>`, `&`, U+2028 and U+2029 are escaped, everything
 * else is as `JSON.stringify` has it. Spec: kopia-snapshots 3.1.
 */

const HTML = /[<>&\u2028\u2029]/g;
/** Characters for which a quoted copy is not enough. */
// oxlint-disable-next-line no-control-regex -- control characters are what must be escaped
const SPECIAL = /[\u0000-\u001f"\\<>&\u2028\u2029\ud800-\udfff]/;
const LONE_SURROGATE = /\p{Surrogate}/u;

const ESCAPES: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/** A string with its quotes. A lone surrogate stands for a byte that is not UTF-8, which Go writes as `\ufffd`. */
export function goJsonString(text: string): string {
  if (!SPECIAL.test(text)) return `"${text}"`;
  if (text.isWellFormed()) return escapeHtml(JSON.stringify(text));
  const parts = text.split(LONE_SURROGATE).map((part) => JSON.stringify(part).slice(1, -1));
  return escapeHtml(`"${parts.join("\\ufffd")}"`);
}

/** A value in the order of its keys, without a final newline, compact or indented. Undefined members are left out. */
export function goJson(value: unknown, indentSpaces?: number): string {
  return escapeHtml(JSON.stringify(value, undefined, indentSpaces));
}

function escapeHtml(json: string): string {
  return json.replaceAll(HTML, (character) => ESCAPES[character] as string);
}
