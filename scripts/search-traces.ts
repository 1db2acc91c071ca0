/**
 * Looks for traces of a folder in another one: its names, and pieces out of the middle of its files. For showing what
 * somebody who holds the other folder gets to know. Files are read piece by piece, of any size.
 */
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";

/** Shorter ones are found by chance, in any folder that is large enough. */
const NAME_BYTES_MIN = 8;
const PIECE_BYTES = 32;
/** Of zeros, or of one repeated word, a piece says nothing. */
const DISTINCT_BYTES_MIN = 8;
/** Names, and pieces: from all over the folder. */
const PATTERNS_MAX = 500;
const READ_BYTES = 1 << 20;

export interface Traces {
  readonly names: readonly Buffer[];
  readonly pieces: readonly Buffer[];
}

export interface FoundTraces {
  readonly names: number;
  readonly pieces: number;
}

/** What to look for. `known`: names that anybody may know. */
export function tracesOf(folder: string, known: ReadonlySet<string>): Traces {
  const names = new Set<string>();
  const pieces = new Map<string, Buffer>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!known.has(entry.name) && Buffer.byteLength(entry.name) >= NAME_BYTES_MIN)
      names.add(entry.name);
    if (!entry.isFile()) continue;
    const piece = pieceOf(join(entry.parentPath, entry.name));
    if (new Set(piece).size >= DISTINCT_BYTES_MIN) pieces.set(piece.toString("latin1"), piece);
  }
  return {
    names: spread([...names]).map((name) => Buffer.from(name)),
    pieces: spread([...pieces.values()]),
  };
}

/** How many of them are in the folder, in names or in files, or in the texts. */
export function searchTraces(
  { names, pieces }: Traces,
  folder: string,
  texts: readonly string[],
): FoundTraces {
  const search = new Search([...names, ...pieces]);
  for (const text of texts) search.feed(Buffer.from(text));
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    search.feed(Buffer.from(entry.name));
    if (entry.isFile()) feedFile(search, join(entry.parentPath, entry.name));
  }
  const count = (patterns: readonly Buffer[]): number =>
    patterns.filter((pattern) => search.found.has(pattern)).length;
  return { names: count(names), pieces: count(pieces) };
}

/** Many patterns at once: one look at each position, more only where one of them may begin. */
class Search {
  readonly found = new Set<Buffer>();
  readonly longestBytes: number;
  readonly #mayBegin = new Uint8Array(1 << 16);
  readonly #byBeginning = new Map<number, Buffer[]>();

  constructor(patterns: readonly Buffer[]) {
    this.longestBytes = Math.max(0, ...patterns.map((pattern) => pattern.length));
    for (const pattern of patterns) {
      this.#mayBegin[pattern.readUInt16BE()] = 1;
      const beginning = pattern.readUInt32BE();
      this.#byBeginning.set(beginning, [...(this.#byBeginning.get(beginning) ?? []), pattern]);
    }
  }

  feed(bytes: Buffer): void {
    for (let at = 0; at + NAME_BYTES_MIN <= bytes.length; at++) {
      if (this.#mayBegin[(bytes[at]! << 8) | bytes[at + 1]!] === 0) continue;
      for (const pattern of this.#byBeginning.get(bytes.readUInt32BE(at)) ?? [])
        if (pattern.equals(bytes.subarray(at, at + pattern.length))) this.found.add(pattern);
    }
  }
}

function feedFile(search: Search, file: string): void {
  const buffer = Buffer.alloc(READ_BYTES);
  const descriptor = openSync(file, "r");
  try {
    let kept = 0;
    for (;;) {
      const read = readSync(descriptor, buffer, kept, buffer.length - kept, null);
      if (read === 0) return;
      const filled = kept + read;
      search.feed(buffer.subarray(0, filled));
      // What goes on in the next piece is found there.
      kept = Math.min(filled, search.longestBytes);
      buffer.copyWithin(0, filled - kept, filled);
    }
  } finally {
    closeSync(descriptor);
  }
}

function pieceOf(file: string): Buffer {
  const { size } = statSync(file);
  if (size < PIECE_BYTES) return Buffer.alloc(0);
  const piece = Buffer.alloc(PIECE_BYTES);
  const descriptor = openSync(file, "r");
  try {
    const read = readSync(descriptor, piece, 0, PIECE_BYTES, Math.floor((size - PIECE_BYTES) / 2));
    return piece.subarray(0, read);
  } finally {
    closeSync(descriptor);
  }
}

function spread<T>(all: readonly T[]): readonly T[] {
  const step = Math.max(1, all.length / PATTERNS_MAX);
  const some: T[] = [];
  for (let at = 0; at < all.length; at += step) some.push(...all.slice(at | 0, (at | 0) + 1));
  return some;
}
