/**
 * Which contents this process has taken on since the committed index was opened, shared by all threads: an open
 * addressing table in a SharedArrayBuffer. A content is claimed before it is written, so no two threads store it
 * twice. Entries are words: state, then the hash. A claim costs one compare-and-exchange.
 */

/** Plain data for a thread to open the same table. */
export interface ClaimTableDescriptor {
  readonly buffer: SharedArrayBuffer;
}

const COUNT = 0;
const CAPACITY = 1;
const KEY_WORDS = 2;
const HEADER_WORDS = 4;

// The state word of an entry; full entries and tombstones carry the prefix byte above.
const EMPTY = 0;
const WRITING = 1;
const FULL = 2;
const RELEASED = 3;

/** How long a claim may stay half written by another thread before that thread is taken for dead. */
const WRITING_TIMEOUT_MS = 10_000;

export class ClaimTable {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #capacity: number;
  readonly #stride: number;

  private constructor(words: Int32Array<SharedArrayBuffer>) {
    this.#words = words;
    this.#capacity = words[CAPACITY]!;
    this.#stride = 1 + words[KEY_WORDS]!;
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
    const full = FULL | (key[0]! << 8);
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
    if (at >= 0) Atomics.store(this.#words, at, RELEASED | (key[0]! << 8));
  }

  /** Forgets all claims. Only when nobody is claiming. */
  clear(): void {
    this.#words.fill(EMPTY, HEADER_WORDS);
    Atomics.store(this.#words, COUNT, 0);
  }

  #find(key: Uint8Array): number {
    const full = FULL | (key[0]! << 8);
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

  #firstSlot(key: Uint8Array): number {
    const hash = key[1]! | (key[2]! << 8) | (key[3]! << 16) | ((key[4] ?? 0) << 24);
    return HEADER_WORDS + (hash & (this.#capacity - 1)) * this.#stride;
  }

  #nextSlot(at: number): number {
    const next = at + this.#stride;
    return next < this.#words.length ? next : HEADER_WORDS;
  }

  #writeKey(at: number, key: Uint8Array): void {
    for (let word = 1; word < this.#stride; word++) this.#words[at + word] = wordOf(key, word);
  }

  #holds(at: number, key: Uint8Array): boolean {
    for (let word = 1; word < this.#stride; word++) {
      if (this.#words[at + word] !== wordOf(key, word)) return false;
    }
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

/** Word number `word`, from 1, of the hash behind the prefix byte. */
function wordOf(key: Uint8Array, word: number): number {
  const at = 4 * word - 3;
  return (
    (key[at] ?? 0) |
    ((key[at + 1] ?? 0) << 8) |
    ((key[at + 2] ?? 0) << 16) |
    ((key[at + 3] ?? 0) << 24)
  );
}
