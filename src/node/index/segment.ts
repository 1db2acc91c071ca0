/**
 * One index, of version 1 or 2, searched where it lies. No object is made for an entry until one is asked for:
 * `EntryFields` is overwritten by each read. Spec: kopia-format 4.6, 4.7.
 */
import { getUint24, getUint48, viewOf } from "../../bytes/index.ts";
import { decodeIndexLayout, type IndexLayout } from "../../format/index.ts";
import { SejfError } from "../../errors/index.ts";
import { type ByteSource, FileSource, MemorySource, readCopy, type Sha256 } from "./byte-source.ts";
import type { FileSegment, MemorySegment, RadixDirectory } from "./descriptor.ts";
import { type Bucket, findBucket, RadixCounter } from "./radix.ts";

const HEAD_BYTES = 17;
const V1_OVERHEAD_BYTES = 28;
/** Entries read around the place that interpolation names; more than this far off is rare. */
const WINDOW_ENTRIES = 48;
/** So few are read at once. */
const WIDEST_WINDOW = 72;
const MAX_INTERPOLATIONS = 4;
const NAME_CACHE_ENTRIES = 65536;
const SCAN_BYTES = 1 << 20;

/** The fields of one entry as numbers. `usable`: its pack and format exist. */
export class EntryFields {
  timestampS = 0;
  deleted = false;
  packOffset = 0;
  packedLength = 0;
  originalLength = 0;
  formatVersion = 0;
  compressionId = 0;
  /** Version 2: number in the pack table; version 1: offset of the name. */
  pack = 0;
  packNameLength = 0;
  usable = false;
}

export class Segment {
  readonly layout: IndexLayout;
  readonly directory: RadixDirectory;
  readonly #source: ByteSource;
  readonly #starts: Uint32Array;
  readonly #formats: readonly {
    readonly compressionId: number;
    readonly version: number;
    readonly usable: boolean;
  }[];
  readonly #names = new Map<number, string>();
  readonly #bucket: Bucket = { first: 0, end: 0, bits: 0 };

  private constructor(source: ByteSource, layout: IndexLayout, directory: RadixDirectory) {
    this.#source = source;
    this.layout = layout;
    this.directory = directory;
    this.#starts = new Uint32Array(directory.starts);
    this.#formats = readFormats(source, layout);
  }

  /** A segment whose directory is known. @throws SEJF_CORRUPT. */
  static open(source: ByteSource, directory: RadixDirectory): Segment {
    return new Segment(source, layoutOf(source), directory);
  }

  /** Reads all keys once for the directory. @throws SEJF_CORRUPT, also when keys are not in ascending order. */
  static scan(source: ByteSource): Segment {
    const layout = layoutOf(source);
    return new Segment(source, layout, scanDirectory(source, layout));
  }

  static fromMemory(segment: MemorySegment): Segment {
    return Segment.open(
      new MemorySource(new Uint8Array(segment.bytes, 0, segment.lengthBytes)),
      segment.directory,
    );
  }

  static fromFile(segment: FileSegment, sha256: Sha256): Segment {
    const source = new FileSource(
      segment.path,
      segment.lengthBytes,
      new Uint8Array(segment.blockTags),
      sha256,
    );
    try {
      return Segment.open(source, segment.directory);
    } catch (error) {
      source.close();
      throw error;
    }
  }

  /** The whole index, as it is, in shared memory. */
  toMemory(): MemorySegment {
    const { lengthBytes } = this;
    const bytes = new SharedArrayBuffer(lengthBytes);
    const at = this.#source.load(0, lengthBytes);
    new Uint8Array(bytes).set(this.#source.bytes.subarray(at, at + lengthBytes));
    return { bytes, lengthBytes, directory: this.directory };
  }

  get count(): number {
    return this.layout.count;
  }

  get lengthBytes(): number {
    return this.#source.lengthBytes;
  }

  /** Checks a file as a whole. @throws SEJF_CORRUPT, and the file is removed: it was only a copy. */
  verify(): void {
    this.#source.verify();
  }

  close(): void {
    this.#source.close();
  }

  /** Whether the key has a usable entry; its fields are in `into`. */
  find(key: Uint8Array, into: EntryFields): boolean {
    const { keyLength, stride, entriesOffset } = this.layout;
    const bucket = this.#bucket;
    if (key.byteLength !== keyLength || !findBucket(this.directory, this.#starts, key, bucket)) {
      return false;
    }
    const source = this.#source;
    let { first, end } = bucket;
    for (let round = 0; first < end; round++) {
      const from = windowStart(key, bucket.bits, first, end, round);
      const to = Math.min(end, from + (end - first > WIDEST_WINDOW ? WINDOW_ENTRIES : end - first));
      const at = source.load(entriesOffset + from * stride, (to - from) * stride);
      let low = 0;
      let high = to - from;
      while (low < high) {
        const middle = (low + high) >>> 1;
        const order = compareKey(source.bytes, at + middle * stride, key, keyLength);
        if (order === 0) {
          this.readFields(source.view, at + middle * stride + keyLength, into);
          return into.usable;
        }
        if (order < 0) low = middle + 1;
        else high = middle;
      }
      if (low === 0) end = from;
      else if (low === to - from) first = to;
      else return false;
    }
    return false;
  }

  /** First entry whose key is not below; keys may be shorter than the index's. */
  lowerBound(key: Uint8Array): number {
    const { keyLength, stride, entriesOffset, count } = this.layout;
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const at = this.#source.load(entriesOffset + middle * stride, keyLength);
      if (compareKey(this.#source.bytes, at, key, keyLength) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whole entries, keys included: a copy. */
  entries(from: number, to: number): Uint8Array {
    const { entriesOffset, stride } = this.layout;
    return readCopy(this.#source, entriesOffset + from * stride, (to - from) * stride);
  }

  /** Decodes the value at `at`. */
  readFields(view: DataView, at: number, into: EntryFields): void {
    if (this.layout.version === 1) readV1(view, at, into, this.#source.lengthBytes);
    else this.#readV2(view, at, into);
  }

  /** The name of the entry's pack. @throws SEJF_CORRUPT when it lies outside of the index. */
  packName(fields: EntryFields): string {
    const known = this.#names.get(fields.pack);
    if (known !== undefined) return known;
    let offset = fields.pack;
    let length = fields.packNameLength;
    if (this.layout.version === 2) {
      const at = this.#source.load(this.layout.packTableOffset + 5 * fields.pack, 5);
      length = this.#source.view.getUint8(at);
      offset = this.#source.view.getUint32(at + 1);
    }
    if (offset + length > this.#source.lengthBytes) {
      throw new SejfError(
        "SEJF_CORRUPT",
        `pack name at ${offset} of an index of ${this.#source.lengthBytes} bytes`,
      );
    }
    const name = String.fromCharCode(...readCopy(this.#source, offset, length));
    if (this.#names.size >= NAME_CACHE_ENTRIES) this.#names.clear();
    this.#names.set(fields.pack, name);
    return name;
  }

  #readV2(view: DataView, at: number, into: EntryFields): void {
    const { valueLength, baseTimeS, packCount } = this.layout;
    const offsetAndFlags = view.getUint32(at + 4);
    const high = valueLength > 18 ? view.getUint8(at + 18) : 0;
    const format = this.#formats[valueLength > 16 ? view.getUint8(at + 16) : 0];
    into.timestampS = baseTimeS + view.getUint32(at);
    into.deleted = offsetAndFlags >>> 31 === 1;
    into.packOffset = offsetAndFlags & 0x7fff_ffff;
    into.originalLength = getUint24(view, at + 8) | ((high >>> 4) << 24);
    into.packedLength = getUint24(view, at + 11) | ((high & 0xf) << 24);
    into.pack = view.getUint16(at + 14) | (valueLength > 17 ? view.getUint8(at + 17) << 16 : 0);
    into.usable = into.pack < packCount && format?.usable === true;
    into.formatVersion = format?.version ?? 0;
    into.compressionId = format?.compressionId ?? 0;
  }
}

function layoutOf(source: ByteSource): IndexLayout {
  return decodeIndexLayout(
    readCopy(source, 0, Math.min(HEAD_BYTES, source.lengthBytes)),
    source.lengthBytes,
  );
}

function readV1(view: DataView, at: number, into: EntryFields, lengthBytes: number): void {
  const offsetAndFlags = view.getUint32(at + 12);
  into.timestampS = getUint48(view, at);
  into.formatVersion = view.getUint8(at + 6);
  into.packNameLength = view.getUint8(at + 7);
  into.pack = view.getUint32(at + 8);
  into.deleted = offsetAndFlags >>> 31 === 1;
  into.packOffset = offsetAndFlags & 0x7fff_ffff;
  into.packedLength = view.getUint32(at + 16);
  into.originalLength = Math.max(0, into.packedLength - V1_OVERHEAD_BYTES);
  into.compressionId = 0;
  into.usable =
    into.pack + into.packNameLength <= lengthBytes && into.packedLength >= V1_OVERHEAD_BYTES;
}

function readFormats(
  source: ByteSource,
  layout: IndexLayout,
): { compressionId: number; version: number; usable: boolean }[] {
  if (layout.version === 1) return [];
  const view = viewOf(readCopy(source, layout.formatTableOffset, layout.formatCount * 6));
  return Array.from({ length: layout.formatCount }, (_, i) => ({
    compressionId: view.getUint32(6 * i),
    version: view.getUint8(6 * i + 4),
    usable: view.getUint8(6 * i + 5) === 0,
  }));
}

function scanDirectory(source: ByteSource, layout: IndexLayout): RadixDirectory {
  const counter = new RadixCounter();
  const { stride, count, entriesOffset, keyLength } = layout;
  const step = Math.max(1, Math.floor(SCAN_BYTES / stride));
  let before: Uint8Array | undefined;
  for (let first = 0; first < count; first += step) {
    const end = Math.min(count, first + step);
    const bytes = readCopy(source, entriesOffset + first * stride, (end - first) * stride);
    for (let i = 0; i < end - first; i++) {
      if (
        i > 0
          ? compareAt(bytes, (i - 1) * stride, i * stride, keyLength) >= 0
          : before !== undefined && compareKey(bytes, 0, before) <= 0
      ) {
        throw new SejfError(
          "SEJF_CORRUPT",
          `entries ${first + i - 1} and ${first + i} of an index are not in order`,
        );
      }
      counter.add(bytes, i * stride, keyLength);
    }
    before = bytes.slice((end - first - 1) * stride, (end - first - 1) * stride + keyLength);
  }
  return counter.finish();
}

/**
 * Where to look first in a bucket: by the bits of the hash that the directory has not used, and by halves when that
 * has failed a few times, as it would for keys that are no hashes.
 */
function windowStart(
  key: Uint8Array,
  bits: number,
  first: number,
  end: number,
  round: number,
): number {
  const count = end - first;
  if (count <= WIDEST_WINDOW) return first;
  let value = 0;
  for (let i = 1; i <= 5; i++) value = value * 256 + (key[i] ?? 0);
  const rest = 2 ** (40 - bits);
  const share = round < MAX_INTERPOLATIONS ? (value % rest) / rest : 0.5;
  const middle = first + Math.floor(share * count);
  return Math.min(Math.max(first, middle - WINDOW_ENTRIES / 2), end - WINDOW_ENTRIES);
}

/** Order of the bytes at `at` against a whole key. */
export function compareKey(
  bytes: Uint8Array,
  at: number,
  key: Uint8Array,
  keyLength: number = key.byteLength,
): number {
  const length = Math.min(key.byteLength, keyLength);
  for (let i = 0; i < length; i++) {
    const difference = bytes[at + i]! - key[i]!;
    if (difference !== 0) return difference;
  }
  return keyLength - key.byteLength;
}

function compareAt(bytes: Uint8Array, a: number, b: number, length: number): number {
  for (let i = 0; i < length; i++) {
    const difference = bytes[a + i]! - bytes[b + i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}
