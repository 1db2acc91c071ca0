/** Contents of known order, asked for before they are needed: the way to the server and back is not waited for each. */
import type { CallOptions, OwnedBytes } from "../../bytes/index.ts";
import type { ContentPiece, ContentRef } from "../../format/index.ts";

const WINDOW_PIECES = 16;
const WINDOW_BYTES = 16 << 20;

type Read = (ref: ContentRef, options: CallOptions) => Promise<OwnedBytes>;

export class ReadAhead {
  readonly #pieces: readonly ContentPiece[];
  readonly #read: Read;
  readonly #underWay = new Map<number, Promise<OwnedBytes>>();
  #next = 0;

  /** `pieces` in the order in which they will be read; some may be left out then. */
  constructor(pieces: readonly ContentPiece[], read: Read) {
    this.#pieces = pieces;
    this.#read = read;
  }

  async read(ref: ContentRef, options: CallOptions): Promise<OwnedBytes> {
    const at = this.#find(ref);
    if (at < 0) return await this.#read(ref, options);
    for (let i = this.#next; i < at; i++) this.#underWay.delete(i);
    this.#next = at + 1;
    this.#start(at, options);
    const found = this.#underWay.get(at);
    this.#underWay.delete(at);
    return await (found ?? this.#read(ref, options));
  }

  #find(ref: ContentRef): number {
    for (let i = this.#next; i < this.#pieces.length; i++)
      if (this.#pieces[i]?.ref === ref) return i;
    return -1;
  }

  #start(from: number, options: CallOptions): void {
    let bytes = 0;
    for (let i = from; i < this.#pieces.length && i < from + WINDOW_PIECES; i++) {
      const piece = this.#pieces[i];
      if (piece === undefined) return;
      bytes += piece.lengthBytes;
      if (i > from && bytes > WINDOW_BYTES) return;
      if (this.#underWay.has(i)) continue;
      const reading = this.#read(piece.ref, options);
      // Its failure belongs to whoever asks for it, if anybody does.
      reading.catch(() => {});
      this.#underWay.set(i, reading);
    }
  }
}
