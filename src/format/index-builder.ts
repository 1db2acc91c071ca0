/**
 * Collects index entries in any order and builds indexes of version 1 or 2 from them. Of several entries for one
 * content the winner of the merge rule is kept. Spec: kopia-format 4.6 to 4.9.
 */
import type { OwnedBytes } from "../bytes/index.ts";
import { contentIdToKey, keyToContentId } from "./content-id.ts";
import { EntryRows, emptyRowValue, type RowValue } from "./entry-rows.ts";
import { sortedRows } from "./entry-sort.ts";
import { compareEntries, type IndexEntry } from "./index-entry.ts";
import { type EntryValue, emptyEntryValue } from "./index-layout.ts";
import { shardOfKey } from "./index-shard.ts";
import { writeIndexV1, writeIndexV2 } from "./index-writer.ts";
import { isContentKey, type PackedIndex } from "./packed-index.ts";

/** More entries than this are split. */
export const MAX_SHARD_ENTRIES = 16_000_000;

export interface BuildIndexOptions {
  /** Ignored bytes at the end: 32 random ones in local indexes and old-manager compactions, none elsewhere. */
  readonly tail?: Uint8Array | undefined;
}

export interface BuildShardsOptions extends BuildIndexOptions {
  /** Default 16 000 000. */
  readonly maxEntries?: number | undefined;
}

export class IndexBuilder {
  #rows = new EntryRows();
  /** Numbers of the indexes that entries were taken from, and of the last one. */
  #imports = new Map<PackedIndex, ImportedNumbers>();
  #imported: ImportedNumbers | undefined;
  readonly #row: RowValue = emptyRowValue();
  readonly #value: EntryValue = emptyEntryValue();

  /** Entries added so far, losers included. */
  get count(): number {
    return this.#rows.count;
  }

  /** Packs named so far. */
  get packCount(): number {
    return this.#rows.packIds.length;
  }

  /** @throws SEJF_CORRUPT when its hash is longer or shorter than those before; RangeError for a number out of range. */
  add(entry: IndexEntry): void {
    this.addKey(contentIdToKey(entry.contentId), entry);
  }

  /** The same with the binary key, which is copied: spares the text where the hash is at hand. */
  addKey(key: Uint8Array, entry: Omit<IndexEntry, "contentId">): void {
    const row = this.#row;
    row.timestampS = inRange("timestamp", entry.timestampS, 2 ** 48);
    row.deleted = entry.deleted;
    row.packOffset = inRange("pack offset", entry.packOffset, 2 ** 31);
    row.packedLength = inRange("packed length", entry.packedLength, 2 ** 32);
    row.originalLength = inRange("original length", entry.originalLength, 2 ** 32);
    row.pack = this.#rows.packNumber(entry.packId);
    row.format = this.#rows.formatNumber(
      inRange("compression ID", entry.compressionId, 2 ** 32),
      inRange("format version", entry.formatVersion, 2 ** 8),
    );
    this.#rows.add(key, row);
  }

  /** Every usable entry of another index. */
  addAll(index: PackedIndex): void {
    for (let position = 0; position < index.count; position++) this.addFrom(index, position);
  }

  /** One entry of another index, without making an object of it; false when it cannot be used. */
  addFrom(index: PackedIndex, position: number): boolean {
    const value = this.#value;
    index.readValue(position, value);
    const key = index.keyAt(position);
    const imported = this.#importedFrom(index);
    const pack = this.#importPack(imported, value);
    const format = this.#importFormat(imported, value);
    if (pack < 0 || format < 0 || !isContentKey(key)) return false;
    const row = this.#row;
    row.timestampS = value.timestampS;
    row.deleted = value.deleted;
    row.packOffset = value.packOffset;
    row.packedLength = value.packedLength;
    row.originalLength = value.originalLength;
    row.pack = pack;
    row.format = format;
    this.#rows.add(key, row);
    return true;
  }

  #importedFrom(index: PackedIndex): ImportedNumbers {
    if (this.#imported?.index === index) return this.#imported;
    let imported = this.#imports.get(index);
    if (imported === undefined) {
      imported = { index, packs: new Map(), formats: new Map() };
      this.#imports.set(index, imported);
    }
    this.#imported = imported;
    return imported;
  }

  #importPack({ index, packs }: ImportedNumbers, value: EntryValue): number {
    const theirs =
      value.packNumber < 0 ? value.nameOffset * 256 + value.nameLength : value.packNumber;
    let ours = packs.get(theirs);
    if (ours === undefined) {
      const id = index.packIdOf(value);
      ours = id === undefined ? -1 : this.#rows.packNumber(id);
      packs.set(theirs, ours);
    }
    return ours;
  }

  #importFormat({ index, formats }: ImportedNumbers, value: EntryValue): number {
    if (value.originalLength < 0) return -1;
    let ours = formats.get(value.formatNumber);
    if (ours === undefined) {
      const format = index.formatOf(value);
      ours =
        format === undefined
          ? -1
          : this.#rows.formatNumber(format.compressionId, format.formatVersion);
      formats.set(value.formatNumber, ours);
    }
    return ours;
  }

  /** Winners in the order of their IDs. */
  *entries(): Generator<IndexEntry, void, void> {
    const row = emptyRowValue();
    for (const number of this.#winners()) {
      this.#rows.read(number, row);
      const format = this.#rows.formats[row.format]!;
      yield {
        contentId: keyToContentId(this.#rows.key(number)),
        packId: this.#rows.packIds[row.pack]!,
        packOffset: row.packOffset,
        packedLength: row.packedLength,
        originalLength: row.originalLength,
        timestampS: row.timestampS,
        deleted: row.deleted,
        formatVersion: format % 256,
        compressionId: Math.floor(format / 256),
      };
    }
  }

  clear(): void {
    this.#rows = new EntryRows();
    this.#imports = new Map();
    this.#imported = undefined;
  }

  /**
   * One index of all winners. Version 2 takes the smallest entries that hold them.
   * @throws SEJF_UNSUPPORTED for what the version cannot hold; RangeError for an empty index of version 2.
   */
  build(version: number, options: BuildIndexOptions = {}): OwnedBytes {
    return this.#write(version, this.#winners(), options);
  }

  /** As `build`, but several where there are more than `maxEntries`; none of no entries. */
  buildShards(version: number, options: BuildShardsOptions = {}): readonly OwnedBytes[] {
    const winners = this.#winners();
    if (winners.length === 0) return [];
    const shards = Math.ceil(winners.length / (options.maxEntries ?? MAX_SHARD_ENTRIES));
    if (shards === 1) return [this.#write(version, winners, options)];
    const parts = Array.from({ length: shards }, (): number[] => []);
    for (const row of winners) parts[shardOfKey(this.#rows.key(row), shards)]!.push(row);
    return parts
      .filter((part) => part.length > 0)
      .map((part) => this.#write(version, Uint32Array.from(part), options));
  }

  #write(version: number, rows: Uint32Array, options: BuildIndexOptions): OwnedBytes {
    if (version === 1) return writeIndexV1(this.#rows, rows, options.tail);
    if (version === 2) return writeIndexV2(this.#rows, rows, options.tail);
    throw new RangeError(`index version is ${version}, expected 1 or 2`);
  }

  /** Row numbers in the order of keys, one for each key. */
  #winners(): Uint32Array {
    const rows = sortedRows(this.#rows);
    if (this.#rows.ascending) return rows;
    let kept = 0;
    for (let i = 1; i < rows.length; i++) {
      if (this.#rows.compare(rows[kept]!, rows[i]!) !== 0) rows[++kept] = rows[i]!;
      else if (this.#beats(rows[i]!, rows[kept]!)) rows[kept] = rows[i]!;
    }
    return rows.subarray(0, Math.min(rows.length, kept + 1));
  }

  #beats(a: number, b: number): boolean {
    return compareEntries(this.#rank(a), this.#rank(b)) > 0;
  }

  #rank(row: number): Parameters<typeof compareEntries>[0] {
    this.#rows.read(row, this.#row);
    const { timestampS, deleted, pack } = this.#row;
    return { timestampS, deleted, packId: this.#rows.packIds[pack]! };
  }
}

/** How another index's pack and format numbers are called here; -1 for what cannot be used. */
interface ImportedNumbers {
  readonly index: PackedIndex;
  readonly packs: Map<number, number>;
  readonly formats: Map<number, number>;
}

function inRange(name: string, value: number, limit: number): number {
  if (Number.isInteger(value) && value >= 0 && value < limit) return value;
  throw new RangeError(`${name} is ${value}, expected an integer from 0 to ${limit - 1}`);
}
