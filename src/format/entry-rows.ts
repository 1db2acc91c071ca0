/**
 * Packed storage of index entries for the builder: rows of equal length in chunks, so that ten million entries are
 * half a gigabyte and no objects. Pack names and formats are numbered as they come.
 *
 * Row: key (K)      0 u48 time   6 u16 format   8 u32 pack   12 u32 bit 31 deleted, rest offset
 *                  16 u32 packed length        20 u32 original length
 */
import type { BlobId } from "../blob/index.ts";
import { getUint48, setUint48, viewOf } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";

/** What a row holds beside its key. */
export interface RowValue {
  timestampS: number;
  deleted: boolean;
  packOffset: number;
  packedLength: number;
  originalLength: number;
  /** For `packIds`. */
  pack: number;
  /** For `formats`. */
  format: number;
}

const VALUE_BYTES = 24;
const CHUNK_ROWS_LOG2 = 14;
const CHUNK_ROWS: number = 1 << CHUNK_ROWS_LOG2;
const CHUNK_MASK: number = CHUNK_ROWS - 1;
const FIRST_ROWS = 64;
const MAX_FORMATS = 65536;
const DELETED = 0x8000_0000;

export class EntryRows {
  /** Rows so far. */
  count = 0;
  /** Bytes of a key, 0 before the first row. */
  keyLength = 0;
  /** Whether every key was above the one before it. */
  ascending = true;
  readonly packIds: BlobId[] = [];
  /** Compression ID × 256 + format version. */
  readonly formats: number[] = [];
  readonly #packNumbers = new Map<BlobId, number>();
  readonly #formatNumbers = new Map<number, number>();
  readonly #chunks: Uint8Array[] = [];
  readonly #views: DataView[] = [];
  #stride = 0;

  packNumber(id: BlobId): number {
    let number = this.#packNumbers.get(id);
    if (number === undefined) {
      number = this.packIds.push(id) - 1;
      this.#packNumbers.set(id, number);
    }
    return number;
  }

  formatNumber(compressionId: number, formatVersion: number): number {
    const format = compressionId * 256 + formatVersion;
    let number = this.#formatNumbers.get(format);
    if (number === undefined) {
      if (this.formats.length === MAX_FORMATS)
        throw new SejfError("SEJF_UNSUPPORTED", `more than ${MAX_FORMATS} formats in one index`);
      number = this.formats.push(format) - 1;
      this.#formatNumbers.set(format, number);
    }
    return number;
  }

  /** @throws SEJF_CORRUPT for a key of another length than those before. */
  add(key: Uint8Array, value: RowValue): void {
    const at = this.#makeRoom(key.byteLength);
    const chunk = this.#chunks[this.count >>> CHUNK_ROWS_LOG2]!;
    const view = this.#views[this.count >>> CHUNK_ROWS_LOG2]!;
    chunk.set(key, at);
    const from = at + this.keyLength;
    setUint48(view, from, value.timestampS);
    view.setUint16(from + 6, value.format);
    view.setUint32(from + 8, value.pack);
    view.setUint32(from + 12, value.deleted ? value.packOffset + DELETED : value.packOffset);
    view.setUint32(from + 16, value.packedLength);
    view.setUint32(from + 20, value.originalLength);
    this.count++;
    if (this.ascending && this.count > 1)
      this.ascending = this.compare(this.count - 2, this.count - 1) < 0;
  }

  read(row: number, into: RowValue): void {
    const view = this.#views[row >>> CHUNK_ROWS_LOG2]!;
    const from = (row & CHUNK_MASK) * this.#stride + this.keyLength;
    const offsetAndFlags = view.getUint32(from + 12);
    into.timestampS = getUint48(view, from);
    into.format = view.getUint16(from + 6);
    into.pack = view.getUint32(from + 8);
    into.deleted = offsetAndFlags >= DELETED;
    into.packOffset = offsetAndFlags & 0x7fff_ffff;
    into.packedLength = view.getUint32(from + 16);
    into.originalLength = view.getUint32(from + 20);
  }

  /** A view, valid until the next `add`. */
  key(row: number): Uint8Array {
    const at = (row & CHUNK_MASK) * this.#stride;
    return this.#chunks[row >>> CHUNK_ROWS_LOG2]!.subarray(at, at + this.keyLength);
  }

  copyKey(row: number, target: Uint8Array, targetOffset: number): void {
    const chunk = this.#chunks[row >>> CHUNK_ROWS_LOG2]!;
    const at = (row & CHUNK_MASK) * this.#stride;
    for (let i = 0; i < this.keyLength; i++) target[targetOffset + i] = chunk[at + i]!;
  }

  /** The prefix byte and the first three bytes of the hash, as far as there are any. */
  leadingWord(row: number): number {
    const chunk = this.#chunks[row >>> CHUNK_ROWS_LOG2]!;
    const at = (row & CHUNK_MASK) * this.#stride;
    let word = 0;
    for (let i = 0; i < 4; i++) word = (word << 8) | (i < this.keyLength ? chunk[at + i]! : 0);
    return word >>> 0;
  }

  /** Order of the keys of two rows. */
  compare(a: number, b: number): number {
    const chunkA = this.#chunks[a >>> CHUNK_ROWS_LOG2]!;
    const chunkB = this.#chunks[b >>> CHUNK_ROWS_LOG2]!;
    const atA = (a & CHUNK_MASK) * this.#stride;
    const atB = (b & CHUNK_MASK) * this.#stride;
    for (let i = 0; i < this.keyLength; i++) {
      const difference = chunkA[atA + i]! - chunkB[atB + i]!;
      if (difference !== 0) return difference;
    }
    return 0;
  }

  /** Offset in its chunk of the row to be added. */
  #makeRoom(keyLength: number): number {
    if (this.count === 0) {
      this.keyLength = keyLength;
      this.#stride = keyLength + VALUE_BYTES;
    } else if (keyLength !== this.keyLength) {
      throw new SejfError(
        "SEJF_CORRUPT",
        `index entries with keys of ${this.keyLength} and ${keyLength} bytes, expected one length`,
      );
    }
    const number = this.count >>> CHUNK_ROWS_LOG2;
    const end = ((this.count & CHUNK_MASK) + 1) * this.#stride;
    const chunk = this.#chunks[number];
    if (chunk === undefined || chunk.byteLength < end) this.#growChunk(number, chunk);
    return end - this.#stride;
  }

  /** The first chunk begins small: most indexes are. */
  #growChunk(number: number, old: Uint8Array | undefined): void {
    const rows =
      number > 0
        ? CHUNK_ROWS
        : Math.min(
            CHUNK_ROWS,
            old === undefined ? FIRST_ROWS : (4 * old.byteLength) / this.#stride,
          );
    const chunk = new Uint8Array(rows * this.#stride);
    if (old !== undefined) chunk.set(old);
    this.#chunks[number] = chunk;
    this.#views[number] = viewOf(chunk);
  }
}

export function emptyRowValue(): RowValue {
  return {
    timestampS: 0,
    deleted: false,
    packOffset: 0,
    packedLength: 0,
    originalLength: 0,
    pack: 0,
    format: 0,
  };
}
