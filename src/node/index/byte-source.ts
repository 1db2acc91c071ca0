/**
 * Where the bytes of an index are read from: memory, or a local file by pread. A file is not trusted more than its
 * tags: each block of 64 KiB is hashed when it is first touched, so a rotten cache is noticed and costs no pass at open.
 */
import { closeSync, openSync, readSync, rmSync } from "node:fs";
import { viewOf } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";

export const BLOCK_BYTES = 65536;
/** A file is read in whole pages, which are kept until the next read: look-ups in the order of keys share them. */
const PAGE_BYTES = 4096;
export const TAG_BYTES = 16;

/** Nothing is allocated for a read: `load` says where in `bytes` the data lie, until the next `load`. */
export interface ByteSource {
  readonly lengthBytes: number;
  readonly bytes: Uint8Array;
  /** Of `bytes`. */
  readonly view: DataView;
  /** Where in `bytes` the `length` bytes at `offset` of the source begin. @throws SEJF_RANGE. */
  load(offset: number, length: number): number;
  /** Checks all that is checked piece by piece otherwise. @throws SEJF_CORRUPT. */
  verify(): void;
  close(): void;
}

/** A copy of a part. */
export function readCopy(source: ByteSource, offset: number, length: number): Uint8Array {
  const at = source.load(offset, length);
  return source.bytes.slice(at, at + length);
}

/** `crypto/`'s SHA-256. */
export type Sha256 = (data: Uint8Array) => Uint8Array;

export class MemorySource implements ByteSource {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }

  get lengthBytes(): number {
    return this.bytes.byteLength;
  }

  load(offset: number, length: number): number {
    if (offset < 0 || offset + length > this.bytes.byteLength) {
      throw outside("memory", offset, length);
    }
    return offset;
  }

  verify(): void {}

  close(): void {}
}

export class FileSource implements ByteSource {
  readonly lengthBytes: number;
  readonly #path: string;
  readonly #tags: Uint8Array;
  readonly #sha256: Sha256;
  readonly #checked: Uint8Array;
  readonly #block: Uint8Array<ArrayBuffer> = new Uint8Array(BLOCK_BYTES);
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(4096);
  view: DataView = viewOf(this.bytes);
  #fd: number;
  /** Where in the file `bytes` begins, and how much of it is there. */
  #start = 0;
  #filled = 0;

  /** @throws the system's error when the file cannot be opened. */
  constructor(path: string, lengthBytes: number, tags: Uint8Array, sha256: Sha256) {
    this.#path = path;
    this.lengthBytes = lengthBytes;
    this.#tags = tags;
    this.#sha256 = sha256;
    this.#checked = new Uint8Array(Math.ceil(lengthBytes / BLOCK_BYTES));
    this.#fd = openSync(path, "r");
  }

  /** @throws SEJF_CORRUPT when a block is not what was once written; SEJF_RANGE outside of the index. */
  load(offset: number, length: number): number {
    if (offset < 0 || offset + length > this.lengthBytes) throw outside(this.#path, offset, length);
    const last = Math.floor((offset + Math.max(length, 1) - 1) / BLOCK_BYTES);
    for (let block = Math.floor(offset / BLOCK_BYTES); block <= last; block++) {
      if (this.#checked[block] === 0) this.#check(block);
    }
    if (offset < this.#start || offset + length > this.#start + this.#filled)
      this.#readPages(offset, offset + length);
    return offset - this.#start;
  }

  #readPages(from: number, to: number): void {
    const start = from - (from % PAGE_BYTES);
    const end = Math.min(this.lengthBytes, Math.ceil(to / PAGE_BYTES) * PAGE_BYTES);
    const length = end - start;
    if (this.bytes.byteLength < length) {
      this.bytes = new Uint8Array(length);
      this.view = viewOf(this.bytes);
    }
    this.#filled = 0;
    this.#readFully(this.bytes, length, start);
    this.#start = start;
    this.#filled = length;
  }

  verify(): void {
    for (let block = 0; block < this.#checked.length; block++) {
      if (this.#checked[block] === 0) this.#check(block);
    }
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #check(block: number): void {
    const at = block * BLOCK_BYTES;
    const length = Math.min(BLOCK_BYTES, this.lengthBytes - at);
    this.#readFully(this.#block, length, at);
    const digest = this.#sha256(this.#block.subarray(0, length));
    for (let i = 0; i < TAG_BYTES; i++) {
      if (digest[i] !== this.#tags[block * TAG_BYTES + i]) {
        // It is only a copy: whoever opens the index next makes a new one.
        rmSync(this.#path, { force: true });
        throw new SejfError(
          "SEJF_CORRUPT",
          `block ${block} of the cached index ${this.#path} is damaged`,
          {
            hint: "run the command again: the damaged copy has been removed",
          },
        );
      }
    }
    this.#checked[block] = 1;
  }

  #readFully(into: Uint8Array, length: number, position: number): void {
    let done = 0;
    while (done < length) {
      const count = readSync(this.#fd, into, done, length - done, position + done);
      if (count === 0) throw outside(this.#path, position, length);
      done += count;
    }
  }
}

/** 16 bytes of SHA-256 for each block. */
export class BlockTagger {
  readonly #sha256: Sha256;
  readonly #block: Uint8Array<ArrayBuffer> = new Uint8Array(BLOCK_BYTES);
  readonly #tags: Uint8Array[] = [];
  #filled = 0;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength; ) {
      const count = Math.min(bytes.byteLength - at, BLOCK_BYTES - this.#filled);
      this.#block.set(bytes.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === BLOCK_BYTES) this.#endBlock();
    }
  }

  finish(): SharedArrayBuffer {
    if (this.#filled > 0) this.#endBlock();
    const shared = new SharedArrayBuffer(this.#tags.length * TAG_BYTES);
    const bytes = new Uint8Array(shared);
    this.#tags.forEach((tag, block) => bytes.set(tag, block * TAG_BYTES));
    return shared;
  }

  #endBlock(): void {
    const digest = this.#sha256(this.#block.subarray(0, this.#filled));
    this.#tags.push(digest.slice(0, TAG_BYTES));
    this.#filled = 0;
  }
}

function outside(what: string, offset: number, length: number): SejfError {
  return new SejfError(
    "SEJF_RANGE",
    `${length} bytes at ${offset} are not in the index in ${what}`,
  );
}
