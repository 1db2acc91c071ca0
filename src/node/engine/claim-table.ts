/**
 * Which contents this process has taken on since the committed index was opened, shared by all threads: an open
 * addressing table in a SharedArrayBuffer. A content is claimed before it is written, so no two threads store it
 * twice. A claim costs one compare-and-exchange.
 *
 * Behind a header lie the states of all entries, a word each, with so much of the key that others are rarely looked at;
 * behind them the hashes. A new content waits for its state alone, of which two megabytes stay in the cache.
 */

/** Plain data for a thread to open the same table. */
export interface ClaimTableDescriptor {
  readonly buffer: SharedArrayBuffer;
}

const COUNT = 0;
const CAPACITY = 1;
const KEY_WORDS = 2;
const HEADER_WORDS = 4;

// The lowest bits of a state. Of a full entry the prefix byte and some of the hash's bits stand above.
const EMPTY = 0;
const WRITING = 1;
const FULL = 2;
const RELEASED = 3;
const PREFIX_SHIFT = 2;
const TAG_SHIFT = 10;

/** How long a claim may stay half written by another thread before that thread is taken for dead. */
const WRITING_TIMEOUT_MS = 10_000;

export class ClaimTable {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #capacity: number;
  readonly #keyWords: number;

  private constructor(words: Int32Array<SharedArrayBuffer>) {
    this.#words = words;
    this.#capacity = words[CAPACITY]!;
    this.#keyWords = words[KEY_WORDS]!;
  }

  /** A new table for hashes of `hashBytes`. It has room for at least twice the limit. */
  static create(hashBytes: number, limit: number = 1 << 18): ClaimTable {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, 2 * limit)));
    const keyWords = Math.ceil(hashBytes / 4);
    const buffer = new SharedArrayBuffer(4 * (HEADER_WORDS + slots * (1 + keyWords)));
    const words = new Int32Array(buffer);
    words[CAPACITY] = slots;
    words[KEY_WORDS] = keyWords;
    return new ClaimTable(words);
  }

  /** The table of another thread. */
  static fromDescriptor(descriptor: ClaimTableDescriptor): ClaimTable {
    return new ClaimTable(new Int32Array(descriptor.buffer));
  }

  /** For `workerData`. */
  descriptor(): ClaimTableDescriptor {
    return { buffer: this.#words.buffer };
  }

  /** Claims under way and done. */
  get count(): number {
    return Atomics.load(this.#words, COUNT);
  }

  /** Beyond this many claims the index is to be committed and the table cleared. */
  get limit(): number {
    return Math.floor(this.#capacity / 2);
  }

  /**
   * True for exactly one caller for each key (prefix byte and hash): the one that must store the content.
   * @throws RangeError when the table is full, which the engine's limit prevents.
   */
  claim(key: Uint8Array): boolean {
    const full = fullState(key);
    let at = this.#firstSlot(key);
    for (let probes = 0; probes < this.#capacity; probes++) {
      let state = Atomics.load(this.#words, at);
      if (state === EMPTY) {
        state = Atomics.compareExchange(this.#words, at, EMPTY, WRITING);
        if (state === EMPTY) {
          this.#writeKey(at, key);
          Atomics.store(this.#words, at, full);
          Atomics.notify(this.#words, at);
          Atomics.add(this.#words, COUNT, 1);
          return true;
        }
      }
      if (state === WRITING) state = this.#waitWritten(at);
      if (state === full && this.#holds(at, key)) return false;
      at = this.#nextSlot(at);
    }
    throw new RangeError(`all ${this.#capacity} entries of the claim table are taken`);
  }

  /** Whether the key is claimed. */
  has(key: Uint8Array): boolean {
    return this.#find(key) >= 0;
  }

  /** Takes a claim back: the content was not stored, or has been deleted since. */
  release(key: Uint8Array): void {
    const at = this.#find(key);
    if (at >= 0) Atomics.store(this.#words, at, RELEASED);
  }

  /** Forgets all claims. Only when nobody is claiming. */
  clear(): void {
    this.#words.fill(EMPTY, HEADER_WORDS);
    Atomics.store(this.#words, COUNT, 0);
  }

  #find(key: Uint8Array): number {
    const full = fullState(key);
    let at = this.#firstSlot(key);
    for (let probes = 0; probes < this.#capacity; probes++) {
      let state = Atomics.load(this.#words, at);
      if (state === EMPTY) return -1;
      if (state === WRITING) state = this.#waitWritten(at);
      if (state === full && this.#holds(at, key)) return at;
      at = this.#nextSlot(at);
    }
    return -1;
  }

  /** Where its state lies. */
  #firstSlot(key: Uint8Array): number {
    const hash = key[1]! | (key[2]! << 8) | (key[3]! << 16) | ((key[4] ?? 0) << 24);
    return HEADER_WORDS + (hash & (this.#capacity - 1));
  }

  #nextSlot(at: number): number {
    return at + 1 < HEADER_WORDS + this.#capacity ? at + 1 : HEADER_WORDS;
  }

  #keyAt(at: number): number {
    return HEADER_WORDS + this.#capacity + (at - HEADER_WORDS) * this.#keyWords;
  }

  #writeKey(at: number, key: Uint8Array): void {
    const from = this.#keyAt(at);
    for (let word = 0; word < this.#keyWords; word++) this.#words[from + word] = wordOf(key, word);
  }

  #holds(at: number, key: Uint8Array): boolean {
    const from = this.#keyAt(at);
    for (let word = 0; word < this.#keyWords; word++)
      if (this.#words[from + word] !== wordOf(key, word)) return false;
    return true;
  }

  #waitWritten(at: number): number {
    for (let spins = 0; spins < 1000; spins++) {
      const state = Atomics.load(this.#words, at);
      if (state !== WRITING) return state;
    }
    Atomics.wait(this.#words, at, WRITING, WRITING_TIMEOUT_MS);
    const state = Atomics.load(this.#words, at);
    if (state === WRITING) throw new Error("a thread died while it claimed a content");
    return state;
  }
}

/** Behind the bits that name the first slot. */
function fullState(key: Uint8Array): number {
  const tag = (key[5] ?? 0) | ((key[6] ?? 0) << 8) | ((key[7] ?? 0) << 16);
  return FULL | (key[0]! << PREFIX_SHIFT) | (tag << TAG_SHIFT);
}

/** Word number `word` of the hash behind the prefix byte. */
function wordOf(key: Uint8Array, word: number): number {
  const at = 1 + 4 * word;
  return (
    (key[at] ?? 0) |
    ((key[at + 1] ?? 0) << 8) |
    ((key[at + 2] ?? 0) << 16) |
    ((key[at + 3] ?? 0) << 24)
  );
}
