/**
 * Listings of directories in memory that two threads share: one asks for directories that it will come to, the other
 * lists them when it has nothing better to do, and whoever is first at a place does the work. What does not fit, or
 * fails, is left to who asked.
 */
import type { LocalName } from "../../format/index.ts";
import { type DirectoryEntry, readDirectory } from "./directory.ts";
import { kindOf } from "./entry-stat.ts";

/** Directories that may be asked for at once. */
const PLACES = 64;
/** Of names and metadata of a directory; a longer listing is not for here. */
const PLACE_BYTES = 64 * 1024;
/** Metadata of an entry: size, time, device, mode, owner, group. */
const ENTRY_BYTES = 36;
const HEADER_BYTES = 8;
/** How long one waits for a listing that has been begun. */
const WAIT_MS = 100;

/** The low bits of a place's word; the others count how often it was used, so that an old order finds it changed. */
const FREE = 0;
const ASKED = 1;
const TAKEN = 2;
const DONE = 3;
const REFUSED = 4;
/** Being listed, but nobody waits for it any more. */
const DROPPED = 5;
const STATE_BITS = 3;
const STATE_MASK: number = (1 << STATE_BITS) - 1;

/** An order: list this directory into that place, if the place is still as it was. */
export interface ListingOrder {
  readonly place: number;
  /** The word of the place when it was given. */
  readonly word: number;
  readonly path: string;
}

export class ListingMemory {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #data: Buffer;
  readonly #view: DataView;

  /** Of the other thread's memory, or a new one. */
  constructor(buffer?: SharedArrayBuffer) {
    this.buffer = buffer ?? new SharedArrayBuffer(PLACES * (4 + PLACE_BYTES));
    this.#words = new Int32Array(this.buffer, 0, PLACES);
    this.#data = Buffer.from(this.buffer, PLACES * 4);
    this.#view = new DataView(this.buffer, PLACES * 4);
  }

  /** `undefined` when all places are in use. */
  order(path: string): ListingOrder | undefined {
    for (let place = 0; place < PLACES; place++) {
      const old = this.#words[place]!;
      if ((old & STATE_MASK) !== FREE) continue;
      const word = nextUse(old);
      Atomics.store(this.#words, place, word);
      return { place, word, path };
    }
    return undefined;
  }

  /** The listing that was ordered, if the other thread has made it or is about to. The place is free afterwards. */
  take(order: ListingOrder): DirectoryEntry[] | undefined {
    const { place, word } = order;
    const taken = word - ASKED + TAKEN;
    let found = Atomics.compareExchange(this.#words, place, word, word - ASKED + FREE);
    if (found === word) return undefined;
    if (found === taken) {
      Atomics.wait(this.#words, place, taken, WAIT_MS);
      found = Atomics.compareExchange(this.#words, place, taken, word - ASKED + DROPPED);
      if (found === taken) return undefined;
    }
    const entries = (found & STATE_MASK) === DONE ? this.#read(place) : undefined;
    Atomics.store(this.#words, place, word - ASKED + FREE);
    return entries;
  }

  /** The other thread's part. */
  fulfil({ place, word, path }: ListingOrder): void {
    const taken = word - ASKED + TAKEN;
    if (Atomics.compareExchange(this.#words, place, word, taken) !== word) return;
    let state = REFUSED;
    try {
      if (this.#write(place, readDirectory(path))) state = DONE;
    } catch {
      // who asked meets it again, and tells it
    }
    const is = Atomics.compareExchange(this.#words, place, taken, word - ASKED + state);
    if (is !== taken) Atomics.store(this.#words, place, word - ASKED + FREE);
    Atomics.notify(this.#words, place);
  }

  #write(place: number, entries: readonly DirectoryEntry[]): boolean {
    const names: string[] = [];
    for (const { name, stat } of entries) {
      if (typeof name !== "string" || stat === undefined) return false;
      names.push(name);
    }
    // no name has a NUL
    const text = names.join("\0");
    const fixed = HEADER_BYTES + entries.length * ENTRY_BYTES;
    if (fixed + 3 * text.length > PLACE_BYTES) return false;
    const at = place * PLACE_BYTES;
    const textBytes = this.#data.write(text, at + fixed, "utf8");
    this.#view.setUint32(at, entries.length, true);
    this.#view.setUint32(at + 4, textBytes, true);
    let offset = at + HEADER_BYTES;
    for (const { stat } of entries) {
      if (stat === undefined) return false;
      this.#view.setFloat64(offset, stat.sizeBytes, true);
      this.#view.setBigInt64(offset + 8, stat.mtimeNs, true);
      this.#view.setFloat64(offset + 16, stat.device, true);
      this.#view.setUint32(offset + 24, stat.mode, true);
      this.#view.setUint32(offset + 28, stat.uid, true);
      this.#view.setUint32(offset + 32, stat.gid, true);
      offset += ENTRY_BYTES;
    }
    return true;
  }

  #read(place: number): DirectoryEntry[] {
    const at = place * PLACE_BYTES;
    const count = this.#view.getUint32(at, true);
    const fixed = HEADER_BYTES + count * ENTRY_BYTES;
    const textEnd = at + fixed + this.#view.getUint32(at + 4, true);
    const names: readonly LocalName[] =
      count === 0 ? [] : this.#data.toString("utf8", at + fixed, textEnd).split("\0");
    const entries: DirectoryEntry[] = [];
    let offset = at + HEADER_BYTES;
    for (const name of names) {
      const mode = this.#view.getUint32(offset + 24, true);
      const stat = {
        sizeBytes: this.#view.getFloat64(offset, true),
        mode,
        mtimeNs: this.#view.getBigInt64(offset + 8, true),
        uid: this.#view.getUint32(offset + 28, true),
        gid: this.#view.getUint32(offset + 32, true),
        kind: kindOf(mode),
        device: this.#view.getFloat64(offset + 16, true),
      };
      entries.push({ name, stat });
      offset += ENTRY_BYTES;
    }
    return entries;
  }
}

/** The word of a place that is asked for once more. */
function nextUse(word: number): number {
  return ((((word >> STATE_BITS) + 1) << STATE_BITS) & 0x7fff_ffff) | ASKED;
}
