/**
 * gRPC's framing: one byte of flags, four of length, the message. A message is put together in one buffer of its own,
 * made when its length is known and allowed. Spec: gRPC over HTTP/2, "Length-Prefixed-Message"; for the frame behind the
 * last message, where streams have one, gRPC-Web's trailers.
 */
import { copyBytes, type OwnedBytes, utf8ToBytes, viewOf } from "../../bytes/index.ts";
import { unfilled } from "./buffer-pool.ts";
import { GrpcError } from "./status.ts";

export const PREFIX_BYTES = 5;

/** Of the frame behind the last message. */
const END_FLAG = 0x80;
const MAX_END_BYTES = 16 << 10;

/** Both directions, both sides; a real kopia has the same. */
export const MAX_MESSAGE_BYTES: number = 20 << 20;

/** The prefix of a message of this length. @throws GrpcError RESOURCE_EXHAUSTED for one that the other side refuses. */
export function framePrefix(lengthBytes: number, maxBytes: number = MAX_MESSAGE_BYTES): OwnedBytes {
  const prefix = new Uint8Array(PREFIX_BYTES);
  putPrefix(prefix, 0, lengthBytes, maxBytes);
  return prefix;
}

/** The frame behind the last message. `text`: ASCII, a status. */
export function endFrame(text: string): OwnedBytes {
  const frame = new Uint8Array(PREFIX_BYTES + text.length);
  putPrefix(frame, 0, text.length, MAX_END_BYTES);
  frame[0] = END_FLAG;
  frame.set(utf8ToBytes(text), PREFIX_BYTES);
  return frame;
}

/** As `framePrefix`, into `target`; gives where the message begins. @throws as `framePrefix`. */
export function putPrefix(
  target: Uint8Array,
  at: number,
  lengthBytes: number,
  maxBytes: number,
): number {
  if (lengthBytes > maxBytes)
    throw new GrpcError(
      "RESOURCE_EXHAUSTED",
      `trying to send a message of ${lengthBytes} bytes, the limit is ${maxBytes}`,
    );
  target[at] = 0;
  target[at + 1] = lengthBytes >>> 24;
  target[at + 2] = lengthBytes >>> 16;
  target[at + 3] = lengthBytes >>> 8;
  target[at + 4] = lengthBytes;
  return at + PREFIX_BYTES;
}

/** Cuts a stream of bytes into messages, wherever its pieces begin and end. */
export class FrameReader {
  readonly #maxBytes: number;
  readonly #prefix: OwnedBytes = new Uint8Array(PREFIX_BYTES);
  #prefixFilled = 0;
  #message: OwnedBytes | undefined;
  #messageFilled = 0;
  readonly #admit: ((lengthBytes: number) => boolean) | undefined;
  readonly #take: (lengthBytes: number) => OwnedBytes;
  /** Behind a prefix whose message waits to be admitted. */
  #rest: Uint8Array | undefined;
  readonly #endsWithFrame: boolean;
  #isEnding = false;
  #end: OwnedBytes | undefined;

  /**
   * `admit` is asked before memory is taken for a message; when it says no, `admitted` goes on. `take` gives memory of
   * exactly that length, with any bytes in it.
   */
  constructor(
    maxBytes: number = MAX_MESSAGE_BYTES,
    admit?: (lengthBytes: number) => boolean,
    take: (lengthBytes: number) => OwnedBytes = unfilled,
    endsWithFrame = false,
  ) {
    this.#maxBytes = maxBytes;
    this.#admit = admit;
    this.#take = take;
    this.#endsWithFrame = endsWithFrame;
  }

  /** What the frame behind the last message says, when it has come. */
  get end(): OwnedBytes | undefined {
    return this.#end;
  }

  /** The rest of the message that is being put together. Whoever puts bytes there says so to `filled`. */
  get room(): OwnedBytes | undefined {
    return this.#isEnding ? undefined : this.#message?.subarray(this.#messageFilled);
  }

  /** Gives the message that so many bytes complete. */
  filled(count: number): OwnedBytes | undefined {
    this.#messageFilled += count;
    return this.#isComplete ? this.#takeMessage() : undefined;
  }

  /** Length of the message that waits to be admitted. */
  get waitingBytes(): number | undefined {
    return this.#rest === undefined ? undefined : viewOf(this.#prefix).getUint32(1);
  }

  /** The message that waited may come: gives what the rest of its chunk completes, as `push`. */
  *admitted(): Generator<OwnedBytes, void, void> {
    const rest = this.#rest;
    const lengthBytes = this.waitingBytes;
    if (rest === undefined || lengthBytes === undefined) return;
    this.#rest = undefined;
    this.#message = this.#take(lengthBytes);
    this.#messageFilled = 0;
    yield* this.push(rest);
  }

  /** Takes a chunk that lies wholly inside of a message, as most do; false: it is one for `push`. */
  absorb(chunk: Uint8Array): boolean {
    const message = this.#message;
    if (message === undefined) return false;
    const end = this.#messageFilled + chunk.byteLength;
    if (end >= message.byteLength) return false;
    message.set(chunk, this.#messageFilled);
    this.#messageFilled = end;
    return true;
  }

  /** Inside of a prefix or a message: the stream must not end here. */
  get isPartial(): boolean {
    return this.#prefixFilled > 0;
  }

  /**
   * The messages that `chunk` completes, in order; each is the caller's. Behind a message that waits to be admitted
   * nothing may be pushed.
   * @throws GrpcError RESOURCE_EXHAUSTED for a longer message, UNIMPLEMENTED for a compressed one, INTERNAL for other flags.
   */
  *push(chunk: Uint8Array): Generator<OwnedBytes, void, void> {
    let at = 0;
    while (at < chunk.byteLength || this.#isComplete) {
      if (this.#message === undefined) at += this.#fillPrefix(chunk, at);
      if (this.#message === undefined) {
        if (this.#rest !== undefined) this.#rest = copyBytes(chunk.subarray(at));
        return;
      }
      const count = Math.min(chunk.byteLength - at, this.#message.byteLength - this.#messageFilled);
      this.#message.set(chunk.subarray(at, at + count), this.#messageFilled);
      this.#messageFilled += count;
      at += count;
      if (!this.#isComplete) return;
      const message = this.#takeMessage();
      if (!this.#isEnding) yield message;
      else {
        this.#end = message;
        if (at < chunk.byteLength)
          throw new GrpcError("INTERNAL", "the stream goes on behind its last frame");
      }
    }
  }

  #takeMessage(): OwnedBytes {
    const message = this.#message as OwnedBytes;
    this.#message = undefined;
    this.#messageFilled = 0;
    this.#prefixFilled = 0;
    return message;
  }

  get #isComplete(): boolean {
    return this.#message !== undefined && this.#messageFilled === this.#message.byteLength;
  }

  #fillPrefix(chunk: Uint8Array, at: number): number {
    const count = Math.min(chunk.byteLength - at, PREFIX_BYTES - this.#prefixFilled);
    this.#prefix.set(chunk.subarray(at, at + count), this.#prefixFilled);
    this.#prefixFilled += count;
    if (this.#prefixFilled === PREFIX_BYTES) {
      this.#isEnding = this.#endsWithFrame && this.#prefix[0] === END_FLAG;
      if (this.#isEnding) this.#prefix[0] = 0;
      const length = checkedLength(this.#prefix, this.#isEnding ? MAX_END_BYTES : this.#maxBytes);
      if (!this.#isEnding && this.#admit?.(length) === false) this.#rest = chunk.subarray(0, 0);
      else {
        this.#message = this.#isEnding ? unfilled(length) : this.#take(length);
        this.#messageFilled = 0;
      }
    }
    return count;
  }
}

function checkedLength(prefix: OwnedBytes, maxBytes: number): number {
  const [flags] = prefix;
  if (flags === 1)
    throw new GrpcError("UNIMPLEMENTED", "a message is compressed, which was not agreed on");
  if (flags !== 0) throw new GrpcError("INTERNAL", `a message begins with the flags ${flags}`);
  const length = viewOf(prefix).getUint32(1);
  if (length > maxBytes)
    throw new GrpcError(
      "RESOURCE_EXHAUSTED",
      `grpc: received message larger than max (${length} vs. ${maxBytes})`,
    );
  return length;
}
