/**
 * Contents on their way to a server, in place of a pack: plain bytes back to back in a buffer of the shared memory,
 * and a list of them. Layout of the list: `ContentList` of `format/`.
 */
import type { BlobId } from "../../blob/index.ts";
import type { OwnedBytes } from "../../bytes/index.ts";
import { assert } from "../../errors/index.ts";
import {
  type AppendedContent,
  CONTENT_LIST_HEAD_BYTES,
  type FinishedPack,
} from "../../format/index.ts";

const FIRST_LIST_BYTES = 16 * 1024;

export class PlainBatch {
  readonly #buffer: Uint8Array;
  #length = 0;
  #list: OwnedBytes = new Uint8Array(FIRST_LIST_BYTES);
  #listLength = 0;
  #contents = 0;

  constructor(buffer: Uint8Array) {
    this.#buffer = buffer;
  }

  get lengthBytes(): number {
    return this.#length;
  }

  get contentCount(): number {
    return this.#contents;
  }

  fits(length: number): boolean {
    return this.#length + length <= this.#buffer.byteLength;
  }

  /** A view behind what is there, to be written in place; `commitKey` follows. */
  reserve(length: number): Uint8Array {
    assert(this.fits(length), "a content does not fit into its buffer");
    return this.#buffer.subarray(this.#length, this.#length + length);
  }

  /** What was written to the reserved place is a content. `key`: prefix byte, which is 0, and hash. */
  commitKey(length: number, key: Uint8Array, content: Omit<AppendedContent, "contentId">): void {
    const recordBytes = CONTENT_LIST_HEAD_BYTES + key.byteLength - 1;
    if (this.#listLength + recordBytes > this.#list.byteLength) {
      const grown = new Uint8Array(2 * this.#list.byteLength);
      grown.set(this.#list);
      this.#list = grown;
    }
    const view = new DataView(this.#list.buffer, this.#listLength);
    view.setUint32(0, length, true);
    view.setUint32(4, content.compressionId, true);
    this.#list.set(key.subarray(1), this.#listLength + CONTENT_LIST_HEAD_BYTES);
    this.#listLength += recordBytes;
    this.#length += length;
    this.#contents++;
  }

  /** The bytes as a view of the buffer, the list as `index`. There is no pack, so it has no name. */
  finish(): FinishedPack {
    return {
      packId: "" as BlobId,
      bytes: this.#buffer.subarray(0, this.#length),
      index: this.#list.slice(0, this.#listLength),
    };
  }
}
