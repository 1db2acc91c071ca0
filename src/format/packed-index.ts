/**
 * An index searched in its bytes: no map, and no object for an entry until somebody asks. Entries that name a pack
 * or a format that is not there cannot be used; they are passed over, not a failure of the whole index.
 */
import { type BlobId, isBlobId } from "../blob/index.ts";
import { viewOf } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { keyToContentId } from "./content-id.ts";
import type { IndexEntry } from "./index-entry.ts";
import {
  decodeIndexLayout,
  EMPTY_KEY_LENGTH,
  type EntryValue,
  emptyEntryValue,
  FORMAT_ROW_BYTES,
  type IndexLayout,
  INDEX_HEADER_BYTES,
  PACK_ROW_BYTES,
  readEntryValue,
  readFormatRow,
  readPackRow,
} from "./index-layout.ts";

/** Content IDs as text: `from` and later, before `to`. A prefix is `{ from: "k", to: "l" }`. */
export interface IdRange {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** How the content of an entry was stored. */
export interface EntryFormat {
  readonly compressionId: number;
  readonly formatVersion: number;
}

/** The bytes are kept, not copied. @throws SEJF_CORRUPT. */
export function openIndex(bytes: Uint8Array): PackedIndex {
  return new PackedIndex(bytes);
}

/** Made by `openIndex`. */
export class PackedIndex {
  readonly layout: IndexLayout;
  readonly bytes: Uint8Array;
  /** Entries, unusable ones included. */
  readonly count: number;
  readonly #view: DataView;
  readonly #value: EntryValue = emptyEntryValue();
  /** Names decoded so far, by row; version 1: by offset and length. */
  readonly #names = new Map<number, BlobId | undefined>();
  readonly #formats: readonly (EntryFormat | undefined)[];

  /** @throws SEJF_CORRUPT. */
  constructor(bytes: Uint8Array) {
    this.layout = decodeIndexLayout(bytes.subarray(0, INDEX_HEADER_BYTES), bytes.byteLength);
    this.bytes = bytes;
    this.count = this.layout.count;
    this.#view = viewOf(bytes);
    this.#formats = this.#readFormats();
    this.#checkNames();
  }

  /** Position of this key, -1 when absent. */
  findPosition(key: Uint8Array): number {
    const position = this.lowerBound(key);
    return position < this.count && this.#compareAt(position, key) === 0 ? position : -1;
  }

  /** First position whose key is not below this one; `count` when there is none. */
  lowerBound(key: Uint8Array): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compareAt(middle, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** A view of the key. `position` is 0 to `count` - 1 here and below. */
  keyAt(position: number): Uint8Array {
    const at = this.layout.entriesOffset + position * this.layout.stride;
    return this.bytes.subarray(at, at + this.layout.keyLength);
  }

  /** The stored value into `into`, whatever it is worth. */
  readValue(position: number, into: EntryValue): void {
    const { entriesOffset, stride, keyLength } = this.layout;
    readEntryValue(this.#view, entriesOffset + position * stride + keyLength, this.layout, into);
  }

  /** `undefined` where the entry names no pack. */
  packIdOf(value: EntryValue): BlobId | undefined {
    if (this.layout.version === 1) {
      // names end within 2^32 + 255 bytes, so offset and length make one exact number
      const name = value.nameOffset * 256 + value.nameLength;
      if (!this.#names.has(name))
        this.#names.set(name, this.#nameAt(value.nameOffset, value.nameLength));
      return this.#names.get(name);
    }
    const { packCount, packTableOffset } = this.layout;
    if (value.packNumber >= packCount) return undefined;
    if (!this.#names.has(value.packNumber)) {
      const row = readPackRow(this.#view, packTableOffset + value.packNumber * PACK_ROW_BYTES);
      this.#names.set(value.packNumber, this.#nameAt(row.nameOffset, row.nameLength));
    }
    return this.#names.get(value.packNumber);
  }

  /** `undefined` where the entry names no format, or one that needs a key nobody has. */
  formatOf(value: EntryValue): EntryFormat | undefined {
    if (this.layout.version === 2) return this.#formats[value.formatNumber];
    return value.originalLength < 0
      ? undefined
      : { compressionId: 0, formatVersion: value.formatNumber };
  }

  /** `undefined` for an entry that cannot be used. */
  entryAt(position: number): IndexEntry | undefined {
    const value = this.#value;
    this.readValue(position, value);
    const packId = this.packIdOf(value);
    const format = this.formatOf(value);
    const key = this.keyAt(position);
    if (packId === undefined || format === undefined || !isContentKey(key)) return undefined;
    return {
      contentId: keyToContentId(key),
      packId,
      packOffset: value.packOffset,
      packedLength: value.packedLength,
      originalLength: value.originalLength,
      timestampS: value.timestampS,
      deleted: value.deleted,
      formatVersion: format.formatVersion,
      compressionId: format.compressionId,
    };
  }

  /** `undefined` when the content is not here, or its entry cannot be used. */
  find(key: Uint8Array): IndexEntry | undefined {
    const position = this.findPosition(key);
    return position < 0 ? undefined : this.entryAt(position);
  }

  /** Usable entries in the order of their IDs. */
  *entries(range: IdRange = {}): Generator<IndexEntry, void, void> {
    const { from, to } = range;
    const start = from === undefined ? 0 : this.#lowerBoundOfText(from);
    for (let position = start; position < this.count; position++) {
      const entry = this.entryAt(position);
      if (entry === undefined) continue;
      if (to !== undefined && entry.contentId >= to) return;
      yield entry;
    }
  }

  #lowerBoundOfText(from: string): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (textOfKey(this.keyAt(middle)) < from) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compareAt(position: number, key: Uint8Array): number {
    const { entriesOffset, stride, keyLength } = this.layout;
    const at = entriesOffset + position * stride;
    const { bytes } = this;
    const common = Math.min(keyLength, key.byteLength);
    for (let i = 0; i < common; i++) {
      const difference = bytes[at + i]! - key[i]!;
      if (difference !== 0) return difference;
    }
    return keyLength - key.byteLength;
  }

  #nameAt(offset: number, length: number): BlobId | undefined {
    if (offset + length > this.bytes.byteLength) return undefined;
    const name = String.fromCharCode(...this.bytes.subarray(offset, offset + length));
    return isBlobId(name) ? name : undefined;
  }

  #readFormats(): readonly (EntryFormat | undefined)[] {
    const { formatCount, formatTableOffset } = this.layout;
    return Array.from({ length: formatCount }, (_, i) => {
      const { compressionId, formatVersion, encryptionKeyId } = readFormatRow(
        this.#view,
        formatTableOffset + i * FORMAT_ROW_BYTES,
      );
      return encryptionKeyId === 0 ? { compressionId, formatVersion } : undefined;
    });
  }

  #checkNames(): void {
    const { packCount, packTableOffset, keyLength, count } = this.layout;
    for (let i = 0; i < packCount; i++) {
      const { nameOffset, nameLength } = readPackRow(
        this.#view,
        packTableOffset + i * PACK_ROW_BYTES,
      );
      if (nameOffset + nameLength > this.bytes.byteLength) {
        throw new SejfError(
          "SEJF_CORRUPT",
          `index is ${this.bytes.byteLength} bytes, the name of its pack ${i} ends at ${nameOffset + nameLength}`,
        );
      }
    }
    if (keyLength === EMPTY_KEY_LENGTH && count > 0) {
      throw new SejfError(
        "SEJF_CORRUPT",
        `index of ${count} entries has the key length of an empty one`,
      );
    }
  }
}

/** Whether the prefix byte is none or a letter `g`…`z`. */
export function isContentKey(key: Uint8Array): boolean {
  const prefix = key[0] ?? 0xff;
  return key.byteLength >= 2 && (prefix === 0 || (prefix >= 0x67 && prefix <= 0x7a));
}

/** The ID, also of a key that is none: only for comparing. */
function textOfKey(key: Uint8Array): string {
  return isContentKey(key) ? keyToContentId(key) : String.fromCharCode(key[0] ?? 0);
}
