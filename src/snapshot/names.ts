/**
 * Names of entries: their text, their order, what they may be. Go compares and stores bytes; here a name is text in
 * which each byte that is not UTF-8 is a lone surrogate (U+DC80 and on), so that such names keep their order apart
 * from one another and are stored as Go stores them.
 */
import { bytesToUtf8, concatBytes, isUtf8, utf8ToBytes } from "../bytes/index.ts";
import type { LocalName } from "../format/index.ts";

const SURROGATE_BASE = 0xdc00;

/** The text of a local name. */
export function nameOf(local: LocalName): string {
  if (typeof local === "string") return local;
  let text = "";
  let at = 0;
  while (at < local.length) {
    const length = sequenceLength(local, at);
    text +=
      length === 0
        ? String.fromCharCode(SURROGATE_BASE + (local[at] as number))
        : bytesToUtf8(local.subarray(at, at + length));
    at += Math.max(1, length);
  }
  return text;
}

/** Bytes of the valid UTF-8 sequence at `at`, 0 when there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] as number;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}

/** For people and for paths in JSON: U+FFFD for what is not UTF-8. */
export function displayName(name: string): string {
  return name.toWellFormed();
}

/** Whether the name holds bytes that are not UTF-8. */
export function isBrokenName(name: string): boolean {
  return !name.isWellFormed();
}

/** Anything for which the order of code units may differ from the order of bytes. */
const SURROGATE_OR_ABOVE = /[\ud800-\uffff]/;

/** Sorts by the bytes of the names, in place. */
export function sortByName<T extends { readonly name: string }>(items: T[]): T[] {
  const simple = !items.some((item) => SURROGATE_OR_ABOVE.test(item.name));
  return items.sort(
    simple
      ? (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
      : (a, b) => compareNames(a.name, b.name),
  );
}

/** The order of the names' bytes: negative, 0, positive. */
export function compareNames(a: string, b: string): number {
  const left = nameToBytes(a);
  const right = nameToBytes(b);
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const difference = (left[i] as number) - (right[i] as number);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** The bytes that `nameOf` came from. */
function nameToBytes(name: string): Uint8Array {
  if (name.isWellFormed()) return utf8ToBytes(name);
  const parts = Array.from(name, (character) => {
    const unit = character.charCodeAt(0);
    return character.length === 1 && unit >= 0xd800 && unit <= 0xdfff
      ? Uint8Array.of(unit & 0xff)
      : utf8ToBytes(character);
  });
  return concatBytes(...parts);
}

/** Whether a directory may hold an entry of this name: not empty, `.`, `..`, no `/`, no NUL. */
export function isEntryName(name: string): boolean {
  return (
    name !== "" && name !== "." && name !== ".." && !name.includes("/") && !name.includes("\0")
  );
}

/** `directory/name`, `name` in the root; for messages and for `errors` in summaries. */
export function joinPath(directory: string, name: string): string {
  return directory === "" ? displayName(name) : `${directory}/${displayName(name)}`;
}
