/**
 * Directories and seek tables of any length in small documents: each has the head of the stream and some of its entries,
 * the last one none but what follows them. Every document goes to the decoder of its kind, so that a listing of a
 * gigabyte costs the memory of one entry more than a small one. Kopia writes these members in this order only.
 */
import { bytesToUtf8, concatBytes, utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";

/** So many bytes are looked at before others get their turn. */
const STEP_BYTES = 256 << 10;
/** No entry is longer, however many errors its summary has; nor what follows the last one. */
const MAX_ENTRY_BYTES = 4 << 20;
const NO_BYTES = new Uint8Array(0);
const NONE = utf8ToBytes("null");
const DOCUMENT_END = utf8ToBytes("]}");

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

export type StreamKind = "directory" | "indirect";

/**
 * Of a seek table, which has nothing behind its entries, the last document is left out. @throws SEJF_CORRUPT for what
 * does not have the frame of such a stream; entries are not looked into.
 */
export async function* streamDocuments(
  kind: StreamKind,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  const splitter = new EntrySplitter(kind);
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += STEP_BYTES) {
      const document = splitter.push(chunk.subarray(at, at + STEP_BYTES));
      if (document !== undefined) yield document;
    }
  }
  const last = splitter.finish();
  if (kind === "directory") yield last;
}

class EntrySplitter {
  readonly #kind: StreamKind;
  readonly #head: Uint8Array;
  #part: "head" | "entries" | "tail" = "head";
  /** What came and was not given yet: of the head, from the comma before an entry, or from the bracket at the end. */
  #pending: Uint8Array = NO_BYTES;
  #scanned = 0;
  /** Behind the last whole entry in `pending`. */
  #wholeEnd = 0;
  #given = false;
  #depth = 0;
  #inText = false;
  #escaped = false;

  constructor(kind: StreamKind) {
    this.#kind = kind;
    this.#head = utf8ToBytes(`{"stream":"kopia:${kind}","entries":[`);
  }

  /** A document of the entries that are whole by now. */
  push(bytes: Uint8Array): Uint8Array | undefined {
    this.#pending = concatBytes(this.#pending, bytes);
    const passed = this.#part !== "head" || this.#passHead();
    const document = passed && this.#part === "entries" ? this.#takeEntries() : undefined;
    if (this.#pending.length > MAX_ENTRY_BYTES) throw this.#corrupt("has an entry without end");
    return document;
  }

  /** What follows the entries, as a document without any. @throws SEJF_CORRUPT. */
  finish(): Uint8Array {
    if (this.#part !== "tail") throw this.#corrupt("ends within its entries");
    const document = concatBytes(this.#head.subarray(0, -1), NONE, this.#pending.subarray(1));
    try {
      JSON.parse(bytesToUtf8(document));
    } catch (error) {
      throw this.#corrupt("has no proper end", error);
    }
    return document;
  }

  #passHead(): boolean {
    const head = this.#head;
    const length = Math.min(head.length, this.#pending.length);
    for (let i = 0; i < length; i++)
      if (this.#pending[i] !== head[i]) throw this.#corrupt("does not begin as one");
    if (length < head.length) return false;
    this.#pending = this.#pending.subarray(length);
    this.#part = "entries";
    return true;
  }

  #takeEntries(): Uint8Array | undefined {
    const closing = this.#scan();
    const end = closing ?? this.#wholeEnd;
    const first = this.#given ? 1 : 0;
    if (this.#given && end > 0 && (this.#pending[0] !== COMMA || end === 1))
      throw this.#corrupt("has entries without a comma between them");
    const entries = this.#pending.subarray(first, Math.max(first, end));
    const document =
      entries.length > 0 ? concatBytes(this.#head, entries, DOCUMENT_END) : undefined;
    this.#given ||= entries.length > 0;
    this.#pending = this.#pending.slice(end);
    this.#scanned -= end;
    this.#wholeEnd = 0;
    if (closing !== undefined) this.#part = "tail";
    return document;
  }

  /** Where the list of entries is closed, if it is. What lies between and in entries is checked by the decoder. */
  #scan(): number | undefined {
    const bytes = this.#pending;
    for (let at = this.#scanned; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (this.#inText) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inText = false;
      } else if (byte === QUOTE) this.#inText = true;
      else if (byte === OPENING_BRACE || byte === OPENING_BRACKET) this.#depth++;
      else if (byte === CLOSING_BRACE || byte === CLOSING_BRACKET) {
        if (this.#depth === 0) return at;
        if (--this.#depth === 0) this.#wholeEnd = at + 1;
      }
    }
    this.#scanned = bytes.length;
    return undefined;
  }

  #corrupt(what: string, cause?: unknown): SejfError {
    return new SejfError("SEJF_CORRUPT", `a stream of kind ${this.#kind} ${what}`, { cause });
  }
}
