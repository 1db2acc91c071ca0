/**
 * Writes a merged index as it is computed: a version 2 index with entries of 19 bytes, into memory that threads share
 * or into a local file. For our own use only; what goes into a repository is built by `IndexBuilder`.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { setUint24, viewOf } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { BLOCK_BYTES, BlockTagger, type Sha256, TAG_BYTES } from "./byte-source.ts";
import type { RadixDirectory } from "./descriptor.ts";
import { RadixCounter } from "./radix.ts";

const HEADER_BYTES = 17;
const VALUE_BYTES = 19;
/** What is collected before the sink gets it; small indexes, of which there are many, need no such buffer. */
const CHUNK_BYTES = 1 << 20;
const FIRST_CHUNK_BYTES = 1 << 14;
const MAX_FORMATS = 255;

/** What one entry needs; the names are those of `IndexEntry`. */
export interface WritableEntry {
  readonly timestampS: number;
  readonly deleted: boolean;
  readonly packOffset: number;
  readonly packedLength: number;
  readonly originalLength: number;
  readonly formatVersion: number;
  readonly compressionId: number;
}

/** Receives the bytes in order; the first ones are patched at the end. */
export interface IndexSink {
  write(bytes: Uint8Array): void;
  patch(bytes: Uint8Array): void;
}

/** Entries must come in ascending order of keys. */
export class IndexStreamWriter {
  readonly #sink: IndexSink;
  readonly #keyLength: number;
  #chunk: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_CHUNK_BYTES);
  #view: DataView = viewOf(this.#chunk);
  readonly #packs = new Map<string, number>();
  readonly #formats = new Map<number, number>();
  readonly #counter = new RadixCounter();
  #filled = 0;
  #flushed = 0;
  #count = 0;
  #lastPack = "";
  #lastPackNumber = -1;

  constructor(sink: IndexSink, keyLength: number) {
    this.#sink = sink;
    this.#keyLength = keyLength;
    this.#filled = HEADER_BYTES;
  }

  get count(): number {
    return this.#count;
  }

  /** @throws SEJF_CORRUPT for a key of another length: one repository has one hash. */
  add(key: Uint8Array, entry: WritableEntry, packName: string): void {
    if (key.byteLength !== this.#keyLength) {
      throw new SejfError(
        "SEJF_CORRUPT",
        `index key of ${key.byteLength} bytes, expected ${this.#keyLength}`,
      );
    }
    const stride = this.#keyLength + VALUE_BYTES;
    if (this.#filled + stride > this.#chunk.byteLength) this.#makeRoom();
    const at = this.#filled + this.#keyLength;
    this.#chunk.set(key, this.#filled);
    this.#counter.add(key, 0, this.#keyLength);
    const pack = this.#packNumber(packName);
    const view = this.#view;
    view.setUint32(at, entry.timestampS);
    view.setUint32(
      at + 4,
      entry.deleted ? (entry.packOffset | 0x8000_0000) >>> 0 : entry.packOffset,
    );
    setUint24(view, at + 8, entry.originalLength & 0xff_ffff);
    setUint24(view, at + 11, entry.packedLength & 0xff_ffff);
    view.setUint16(at + 14, pack & 0xffff);
    view.setUint8(at + 16, this.#formatNumber(entry));
    view.setUint8(at + 17, pack >>> 16);
    view.setUint8(at + 18, ((entry.originalLength >>> 24) << 4) | (entry.packedLength >>> 24));
    this.#filled += stride;
    this.#count++;
  }

  /** Tables, names, and the header. Gives the directory and the index's length. */
  finish(): { readonly directory: RadixDirectory; readonly lengthBytes: number } {
    this.#flush();
    const tables = this.#tables();
    this.#sink.write(tables);
    const header = new Uint8Array(HEADER_BYTES);
    const view = viewOf(header);
    view.setUint8(0, 2);
    view.setUint8(1, this.#keyLength);
    view.setUint16(2, VALUE_BYTES);
    view.setUint32(4, this.#count);
    view.setUint32(8, this.#packs.size);
    view.setUint8(12, this.#formats.size);
    this.#sink.patch(header);
    return { directory: this.#counter.finish(), lengthBytes: this.#flushed + tables.byteLength };
  }

  #makeRoom(): void {
    if (this.#chunk.byteLength >= CHUNK_BYTES) {
      this.#flush();
      return;
    }
    const larger = new Uint8Array(2 * this.#chunk.byteLength);
    larger.set(this.#chunk.subarray(0, this.#filled));
    this.#chunk = larger;
    this.#view = viewOf(larger);
  }

  #flush(): void {
    this.#sink.write(this.#chunk.subarray(0, this.#filled));
    this.#flushed += this.#filled;
    this.#filled = 0;
  }

  #packNumber(name: string): number {
    if (name === this.#lastPack) return this.#lastPackNumber;
    let number = this.#packs.get(name);
    if (number === undefined) {
      number = this.#packs.size;
      this.#packs.set(name, number);
    }
    this.#lastPack = name;
    this.#lastPackNumber = number;
    return number;
  }

  #formatNumber(entry: WritableEntry): number {
    const format = entry.compressionId * 256 + entry.formatVersion;
    let number = this.#formats.get(format);
    if (number === undefined) {
      number = this.#formats.size;
      if (number >= MAX_FORMATS)
        throw new SejfError("SEJF_UNSUPPORTED", `an index with more than ${MAX_FORMATS} formats`);
      this.#formats.set(format, number);
    }
    return number;
  }

  #tables(): Uint8Array {
    const names = [...this.#packs.keys()];
    const namesLength = names.reduce((sum, name) => sum + name.length, 0);
    const bytes = new Uint8Array(names.length * 5 + this.#formats.size * 6 + namesLength);
    const view = viewOf(bytes);
    let nameAt = names.length * 5 + this.#formats.size * 6;
    names.forEach((name, i) => {
      view.setUint8(5 * i, name.length);
      view.setUint32(5 * i + 1, this.#flushed + nameAt);
      for (let c = 0; c < name.length; c++) bytes[nameAt + c] = name.charCodeAt(c);
      nameAt += name.length;
    });
    let at = names.length * 5;
    for (const format of this.#formats.keys()) {
      view.setUint32(at, Math.floor(format / 256));
      view.setUint8(at + 4, format % 256);
      at += 6;
    }
    return bytes;
  }
}

/** Keeps all in memory, and gives it as shared memory. */
export class SharedMemorySink implements IndexSink {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  write(bytes: Uint8Array): void {
    this.#parts.push(bytes.slice());
    this.#length += bytes.byteLength;
  }

  patch(bytes: Uint8Array): void {
    this.#parts[0]!.set(bytes);
  }

  finish(): SharedArrayBuffer {
    const shared = new SharedArrayBuffer(this.#length);
    const all = new Uint8Array(shared);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.byteLength;
    }
    return shared;
  }
}

/**
 * Writes to a new file, mode 0600; the caller names, renames and removes it. The first block is held back until
 * `patch`, for it holds the header, so that tags need no second pass.
 */
export class FileSink implements IndexSink {
  readonly #sha256: Sha256;
  readonly #tagger: BlockTagger;
  readonly #head: Uint8Array<ArrayBuffer> = new Uint8Array(BLOCK_BYTES);
  readonly #fd: number;
  #length = 0;

  /** @throws the system's error, also when the file exists. */
  constructor(path: string, sha256: Sha256) {
    this.#sha256 = sha256;
    this.#tagger = new BlockTagger(sha256);
    this.#fd = openSync(path, "wx", 0o600);
  }

  write(bytes: Uint8Array): void {
    const toHead = Math.min(bytes.byteLength, Math.max(0, BLOCK_BYTES - this.#length));
    this.#head.set(bytes.subarray(0, toHead), Math.min(this.#length, BLOCK_BYTES - toHead));
    const rest = bytes.subarray(toHead);
    if (rest.byteLength > 0) {
      this.#tagger.add(rest);
      this.#writeAt(rest, this.#length + toHead);
    }
    this.#length += bytes.byteLength;
  }

  patch(bytes: Uint8Array): void {
    this.#head.set(bytes);
  }

  /** Writes the first block; gives all tags. */
  endIndex(): SharedArrayBuffer {
    const head = this.#head.subarray(0, Math.min(this.#length, BLOCK_BYTES));
    this.#writeAt(head, 0);
    const rest = new Uint8Array(this.#tagger.finish());
    const tags = new SharedArrayBuffer(TAG_BYTES + rest.byteLength);
    new Uint8Array(tags).set(this.#sha256(head).subarray(0, TAG_BYTES));
    new Uint8Array(tags).set(rest, TAG_BYTES);
    return tags;
  }

  /** Behind the index. */
  append(bytes: Uint8Array): void {
    this.#writeAt(bytes, this.#length);
    this.#length += bytes.byteLength;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #writeAt(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.byteLength; ) {
      done += writeSync(this.#fd, bytes, done, bytes.byteLength - done, position + done);
    }
  }
}
