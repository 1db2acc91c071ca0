/**
 * Object or content IDs and some words beside each, in one typed array: a row holds 16 bytes of the ID, then its words.
 * A content without prefix may be given by its hash. IDs are keyed hashes, so their first 128 bits tell them apart; what stands before them (`I`, `Z`, the prefix) and
 * behind is mixed in.
 *
 * SECURITY: who writes trees chooses the texts of IDs. By what is random in each process, nobody can make one that is
 * taken for another.
 */
import { type Random, systemRandom } from "../bytes/index.ts";

/** Words of a row that hold the ID. */
export const KEY_WORDS = 4;
const DIGITS = 8;
const BYTES: number = DIGITS / 2;
const MIN_CAPACITY = 1024;
/** A guess is not trusted beyond this: 64 MB. */
const MAX_FIRST_CAPACITY: number = 2 ** 22;
/** Grows when more than this share is taken. */
const MAX_LOAD = 0.8;
/** From this capacity on it grows by `SLOW_GROWTH` instead of twice. */
const LARGE_CAPACITY: number = 2 ** 18;
const SLOW_GROWTH = 1.3;
const UINT32_RANGE: number = 2 ** 32;
/** Pairs of characters behind the first digits, more than an object ID has; before them; and how many digits are missing. */
const PAIRS = 256;
const MARK_PAIRS = 192;
const LENGTH_PAIR = 255;

export interface IdTableOptions {
  /** Of a row, those of the ID too. */
  readonly rowWords: number;
  /** About how many IDs there will be, where somebody knows. */
  readonly expected?: number | undefined;
  readonly random?: Random | undefined;
}

export class IdTable {
  readonly #rowWords: number;
  #capacity: number;
  #rows: Int32Array;
  #size = 0;
  /**
   * Where a key lies is nobody's to foresee: who knows the key of the hash could make contents that all want one place.
   * And each table has its own order, so that one can be poured into another that is smaller.
   */
  readonly #seed: number;

  constructor({ rowWords, expected = 0, random = systemRandom }: IdTableOptions) {
    this.#seed = new DataView(random.bytes(4).buffer).getInt32(0);
    const wanted = Math.ceil(expected / MAX_LOAD);
    this.#rowWords = rowWords;
    this.#capacity = Math.min(Math.max(wanted, MIN_CAPACITY), MAX_FIRST_CAPACITY);
    this.#rows = new Int32Array(this.#capacity * rowWords);
  }

  get size(): number {
    return this.#size;
  }

  get memoryBytes(): number {
    return this.#rows.byteLength;
  }

  /** All rows, free ones too; another array after the next `add`. */
  get rows(): Int32Array {
    return this.#rows;
  }

  /** Where the ID's row begins in `rows`; -1 when it has none. */
  find(id: string | Uint8Array): number {
    if (this.#size === 0) return -1;
    const key = keyOf(id);
    const at = this.#find(key[0]!, key[1]!, key[2]!, key[3]!);
    return isFree(this.#rows, at) ? -1 : at;
  }

  /** Where the ID's row begins in `rows`; the words of a new one are 0. */
  add(id: string | Uint8Array): number {
    const key = keyOf(id);
    return this.#add(key[0]!, key[1]!, key[2]!, key[3]!);
  }

  /** All IDs of the other one, without its words. */
  addAll(other: IdTable): void {
    const rows = other.#rows;
    for (let at = 0; at < rows.length; at += other.#rowWords)
      if (!isFree(rows, at)) this.#add(rows[at]!, rows[at + 1]!, rows[at + 2]!, rows[at + 3]!);
  }

  #add(a: number, b: number, c: number, d: number): number {
    const at = this.#find(a, b, c, d);
    if (!isFree(this.#rows, at)) return at;
    this.#put(at, a, b, c, d);
    if (++this.#size <= this.#capacity * MAX_LOAD) return at;
    this.#grow();
    return this.#find(a, b, c, d);
  }

  #put(at: number, a: number, b: number, c: number, d: number): void {
    const rows = this.#rows;
    rows[at] = a;
    rows[at + 1] = b;
    rows[at + 2] = c;
    rows[at + 3] = d;
  }

  /** Where the key is, or where it would be put. */
  #find(a: number, b: number, c: number, d: number): number {
    const rows = this.#rows;
    const rowWords = this.#rowWords;
    let at = placeOf(a ^ this.#seed, b, c, d, this.#capacity) * rowWords;
    for (;;) {
      const first = rows[at]!;
      if (first === a && rows[at + 1] === b && rows[at + 2] === c && rows[at + 3] === d) return at;
      if (first === 0 && isFree(rows, at)) return at;
      at += rowWords;
      if (at === rows.length) at = 0;
    }
  }

  #grow(): void {
    const before = this.#rows;
    const rowWords = this.#rowWords;
    this.#capacity = Math.ceil(
      this.#capacity * (this.#capacity < LARGE_CAPACITY ? 2 : SLOW_GROWTH),
    );
    this.#rows = new Int32Array(this.#capacity * rowWords);
    for (let from = 0; from < before.length; from += rowWords) {
      if (isFree(before, from)) continue;
      const to = this.#find(before[from]!, before[from + 1]!, before[from + 2]!, before[from + 3]!);
      for (let word = 0; word < rowWords; word++) this.#rows[to + word] = before[from + word]!;
    }
  }
}

/** An ID is asked of several tables, one after the other. */
let lastId: string | undefined;
const lastKey: Int32Array = new Int32Array(KEY_WORDS);

/** Valid until the next call. */
function keyOf(id: string | Uint8Array): Int32Array {
  if (typeof id !== "string") parseHash(id);
  else if (id !== lastId) parse(id);
  return lastKey;
}

/** As `parse` of the hash in hexadecimal. */
function parseHash(hash: Uint8Array): void {
  lastId = undefined;
  const { length } = hash;
  for (let word = 0, at = 0; word < KEY_WORDS; word++) {
    let value = 0;
    for (const end = Math.min(at + BYTES, length); at < end; at++) value = (value << 8) | hash[at]!;
    lastKey[word] = value;
  }
  const behind = KEY_WORDS * BYTES;
  for (let at = behind, pair = 0; at < length; at++, pair++)
    addMultiple(digitPair(hash[at]!), pair);
  if (length < behind) addMultiple(2 * (behind - length), LENGTH_PAIR);
  keepFromFree();
}

function parse(id: string): void {
  let start = 0;
  while (start < id.length && !isHex(id.charCodeAt(start))) start++;
  for (let word = 0, at = start; word < KEY_WORDS; word++, at += DIGITS) {
    const end = Math.min(at + DIGITS, id.length);
    let value = 0;
    for (let digit = at; digit < end; digit++) value = (value << 4) | digitOf(id.charCodeAt(digit));
    lastKey[word] = value;
  }
  const behind = start + KEY_WORDS * DIGITS;
  if (start > 0) mixIn(id, 0, start, MARK_PAIRS);
  if (id.length > behind) mixIn(id, behind, id.length, 0);
  else if (id.length < behind) addMultiple(behind - id.length, LENGTH_PAIR);
  keepFromFree();
  lastId = id;
}

/** All zeros mean that a place is free. */
function keepFromFree(): void {
  if ((lastKey[0]! | lastKey[1]! | lastKey[2]! | lastKey[3]!) === 0) lastKey[0] = 1;
}

/** The characters from one place to another, as pairs from this one on. */
function mixIn(id: string, from: number, to: number, firstPair: number): void {
  for (let at = from, pair = firstPair; at < to; at += 2, pair++) {
    const next = at + 1 < to ? id.charCodeAt(at + 1) & 0xff : 0;
    addMultiple(((id.charCodeAt(at) & 0xff) << 8) | next, pair);
  }
}

/**
 * For each pair of characters a factor a word. Texts that differ differ by less than 2^16 in some pair, so that their
 * sums are as far apart as somebody wants with one chance in 2^16 a word.
 */
const factors: Int32Array = new Int32Array(
  systemRandom.bytes(PAIRS * KEY_WORDS * Int32Array.BYTES_PER_ELEMENT).buffer,
);

function addMultiple(value: number, pair: number): void {
  const at = (pair % PAIRS) * KEY_WORDS;
  lastKey[0] = lastKey[0]! + Math.imul(value, factors[at]!);
  lastKey[1] = lastKey[1]! + Math.imul(value, factors[at + 1]!);
  lastKey[2] = lastKey[2]! + Math.imul(value, factors[at + 2]!);
  lastKey[3] = lastKey[3]! + Math.imul(value, factors[at + 3]!);
}

/** A number below `capacity`; every bit of every word decides. */
function placeOf(a: number, b: number, c: number, d: number, capacity: number): number {
  let hash = Math.imul(a ^ (a >>> 16), 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15) ^ b, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13) ^ c, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 16) ^ d, 0x27d4eb2f);
  return Math.floor((((hash ^ (hash >>> 15)) >>> 0) / UINT32_RANGE) * capacity);
}

function isFree(rows: Int32Array, at: number): boolean {
  return (rows[at]! | rows[at + 1]! | rows[at + 2]! | rows[at + 3]!) === 0;
}

/** The two digits of a byte, as `mixIn` takes them. */
function digitPair(byte: number): number {
  return (digitUnit(byte >>> 4) << 8) | digitUnit(byte & 15);
}

function digitUnit(value: number): number {
  return value < 10 ? 48 + value : 87 + value;
}

/** Of a lower-case digit its value. */
function digitOf(unit: number): number {
  return ((unit >>> 6) * 9 + unit) & 15;
}

function isHex(unit: number): boolean {
  return (unit >= 48 && unit <= 57) || (unit >= 97 && unit <= 102);
}
