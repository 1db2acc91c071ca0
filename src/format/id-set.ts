/**
 * A set of object or content IDs for whole repositories: 16 bytes each in one typed array, 20 to 26 with the free places
 * of a large one, instead of a text in a Map. IDs are keyed hashes, so their first 128 bits tell them apart; what stands
 * before the hash (`I`, `Z`, the prefix) is mixed in.
 */

import { HEX_VALUES, type Random, systemRandom } from "../bytes/index.ts";

const WORDS = 4;
const DIGITS = 8;
const MIN_CAPACITY = 1024;
/** A guess is not trusted beyond this: 64 MB. */
const MAX_FIRST_CAPACITY: number = 2 ** 22;
/** Grows when more than this share is taken. */
const MAX_LOAD = 0.8;
/** From this capacity on it grows by `SLOW_GROWTH` instead of twice. */
const LARGE_CAPACITY: number = 2 ** 16;
const SLOW_GROWTH = 1.3;
const UINT32_RANGE: number = 2 ** 32;

export class IdSet {
  #capacity: number;
  #table: Uint32Array;
  #size = 0;
  readonly #key: Uint32Array = new Uint32Array(WORDS);
  /**
   * Where a key lies is nobody's to foresee: who knows the key of the hash could make contents that all want one place.
   * And each set has its own order, so that one can be poured into another that is smaller.
   */
  readonly #seed: number;

  /** `expected`: about how many there will be, where somebody knows. */
  constructor(expected = 0, random: Random = systemRandom) {
    this.#seed = new DataView(random.bytes(4).buffer).getInt32(0);
    const wanted = Math.ceil(expected / MAX_LOAD);
    this.#capacity = Math.min(Math.max(wanted, MIN_CAPACITY), MAX_FIRST_CAPACITY);
    this.#table = new Uint32Array(this.#capacity * WORDS);
  }

  get size(): number {
    return this.#size;
  }

  get memoryBytes(): number {
    return this.#table.byteLength;
  }

  /** False when it was there already. */
  add(id: string): boolean {
    this.#keyOf(id);
    return this.#addKey();
  }

  /** All that the other one has. */
  addAll(other: IdSet): void {
    const table = other.#table;
    for (let at = 0; at < table.length; at += WORDS) {
      if (isFree(table, at)) continue;
      copyKey(table, at, this.#key, 0);
      this.#addKey();
    }
  }

  has(id: string): boolean {
    if (this.#size === 0) return false;
    this.#keyOf(id);
    return !isFree(this.#table, this.#find(this.#table, this.#capacity));
  }

  #addKey(): boolean {
    const at = this.#find(this.#table, this.#capacity);
    if (!isFree(this.#table, at)) return false;
    copyKey(this.#key, 0, this.#table, at);
    this.#size++;
    if (this.#size > this.#capacity * MAX_LOAD) this.#grow();
    return true;
  }

  #keyOf(id: string): void {
    if (id !== lastId) parse(id);
    copyKey(lastKey, 0, this.#key, 0);
  }

  /** Where the key is, or where it would be put. */
  #find(table: Uint32Array, capacity: number): number {
    const key = this.#key;
    const a = key[0]!;
    const b = key[1]!;
    const c = key[2]!;
    const d = key[3]!;
    let slot = Math.floor((mix(a ^ this.#seed, b, c, d) / UINT32_RANGE) * capacity);
    for (;;) {
      const at = slot * WORDS;
      if (isFree(table, at)) return at;
      if (table[at] === a && table[at + 1] === b && table[at + 2] === c && table[at + 3] === d)
        return at;
      slot = slot + 1 === capacity ? 0 : slot + 1;
    }
  }

  #grow(): void {
    const factor = this.#capacity < LARGE_CAPACITY ? 2 : SLOW_GROWTH;
    const capacity = Math.ceil(this.#capacity * factor);
    const table = new Uint32Array(capacity * WORDS);
    const before = this.#table;
    for (let at = 0; at < before.length; at += WORDS) {
      if (isFree(before, at)) continue;
      copyKey(before, at, this.#key, 0);
      copyKey(this.#key, 0, table, this.#find(table, capacity));
    }
    this.#table = table;
    this.#capacity = capacity;
  }
}

/** An ID is asked of several sets, one after the other. */
let lastId: string | undefined;
const lastKey: Uint32Array = new Uint32Array(WORDS);

function parse(id: string): void {
  let at = 0;
  let tag = 0;
  for (; at < id.length; at++) {
    const unit = id.charCodeAt(at);
    if (isHex(unit)) break;
    tag = (Math.imul(tag, 31) + unit) | 0;
  }
  for (let word = 0; word < WORDS; word++) {
    let value = 0;
    for (const end = at + DIGITS; at < end; at++)
      value = (value << 4) | (at < id.length ? HEX_VALUES[id.charCodeAt(at) & 127]! & 15 : 0);
    lastKey[word] = value;
  }
  lastKey[0] = lastKey[0]! ^ Math.imul(tag, 0x9e3779b1);
  // All zeros mean that a place is free.
  if ((lastKey[0]! | lastKey[1]! | lastKey[2]! | lastKey[3]!) === 0) lastKey[0] = 1;
  lastId = id;
}

/** All bits of all words in each bit, unsigned. */
function mix(a: number, b: number, c: number, d: number): number {
  let hash = Math.imul(a ^ (a >>> 16), 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15) ^ b, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13) ^ c, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 16) ^ d, 0x27d4eb2f);
  return (hash ^ (hash >>> 15)) >>> 0;
}

function copyKey(from: Uint32Array, at: number, to: Uint32Array, toAt: number): void {
  to[toAt] = from[at]!;
  to[toAt + 1] = from[at + 1]!;
  to[toAt + 2] = from[at + 2]!;
  to[toAt + 3] = from[at + 3]!;
}

function isFree(table: Uint32Array, at: number): boolean {
  return (table[at]! | table[at + 1]! | table[at + 2]! | table[at + 3]!) === 0;
}

function isHex(unit: number): boolean {
  return (unit >= 48 && unit <= 57) || (unit >= 97 && unit <= 102);
}
