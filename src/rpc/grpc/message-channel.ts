/**
 * Messages over one stream, for both ends. What waits to be sent is bounded: a sender waits for its turn, in order, so
 * that a peer who does not read holds up its own stream and nobody else's. Between streams of a connection HTTP/2 itself
 * takes frames in turn.
 */
import type { CallOptions, OwnedBytes } from "../../bytes/index.ts";
import type { MessageParts } from "../wire/envelopes.ts";
import { BufferPool, unfilled } from "./buffer-pool.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { framePrefix, MAX_MESSAGE_BYTES, PREFIX_BYTES, putPrefix } from "./frames.ts";
import { Inbox, streamEnded } from "./inbox.ts";
import type { MessageStream } from "./message-stream.ts";
import { Outbox } from "./outbox.ts";
import { StallWatch } from "./stall-watch.ts";
import { GrpcError } from "./status.ts";

export interface ChannelLimits {
  /** Longest message, both ways. Default 20 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Bytes that wait to be sent before a sender has to wait; one message may go beyond. Default 4 MiB. */
  readonly maxQueuedBytes?: number | undefined;
  /** A message that is begun and does not go on, or a queue that nobody reads, ends the call after so long. Default: never. */
  readonly stallMs?: number | undefined;
  /** Memory for received messages that all calls share. */
  readonly receiveBudget?: ByteBudget | undefined;
  /** Where received messages lie; whoever has it must release them. Default: each in memory of its own. */
  readonly buffers?: BufferPool | undefined;
  /** Memory for answers that all calls share. */
  readonly sendBudget?: ByteBudget | undefined;
  /** What the frame behind the last message says, on streams that have one. */
  readonly onEndFrame?: ((text: OwnedBytes) => void) | undefined;
}

/** Room for an answer, from before it is made until it was sent. */
export interface SendRoom {
  readonly bytes: number;
  /** What the answer lies in. */
  readonly memory: OwnedBytes[];
}

/** Messages up to this are not counted against what all calls share: their number is bounded. */
const SMALL_BYTES = 64 << 10;
const DEFAULT_QUEUED_BYTES = 4 << 20;
/** Messages up to this are copied, and leave in one piece with others that are sent at the same time. */
const JOIN_BYTES = 16 << 10;
/** A piece leaves at once when it has reached this. */
const PIECE_BYTES = 256 << 10;
const SPARE_JOINED_BYTES: number = 8 << 20;

interface Waiting {
  readonly lengthBytes: number;
  readonly go: () => void;
  readonly fail: (error: GrpcError) => void;
}

interface Joinable {
  readonly parts: MessageParts;
  readonly done: () => void;
}

export class MessageChannel {
  readonly #stream: MessageStream;
  readonly #outbox: Outbox;
  readonly #maxMessageBytes: number;
  readonly #maxQueuedBytes: number;
  readonly #waiting: Waiting[] = [];
  readonly #limits: ChannelLimits;
  readonly #stall: StallWatch;
  /** Rooms that are not sent yet. */
  readonly #rooms = new Set<SendRoom>();
  /** Short messages that leave together when whatever runs now is done. */
  #piece: Joinable[] = [];
  #pieceBytes = 0;
  /** What many messages are joined in. */
  #joined: BufferPool | undefined;
  #budgetKey = "";
  #receivedBytes = 0;
  #queuedBytes = 0;

  constructor(stream: MessageStream, limits: ChannelLimits = {}) {
    this.#stream = stream;
    this.#outbox = new Outbox(stream.duplex, stream.outbox);
    this.#limits = limits;
    this.#maxMessageBytes = limits.maxMessageBytes ?? MAX_MESSAGE_BYTES;
    this.#maxQueuedBytes = limits.maxQueuedBytes ?? DEFAULT_QUEUED_BYTES;
    this.#stall = new StallWatch(
      limits.stallMs ?? 0,
      () => this.#queuedBytes > 0,
      () => stream.duplex.destroy(new GrpcError("UNAVAILABLE", "the other side does not read")),
    );
    stream.duplex.once("close", () => {
      this.#stall.stop();
      for (const { fail } of this.#waiting.splice(0)) fail(streamEnded());
      for (const room of this.#rooms) this.leave(room);
    });
  }

  /** Whose share of the common memory is used; before anything was received. */
  set budgetKey(key: string) {
    this.#budgetKey = key;
  }

  /** Nothing that was received is used any more. What waits to be sent counts until the stream is closed. */
  dispose(): void {
    this.#limits.receiveBudget?.give(this.#budgetKey, this.#receivedBytes);
    this.#receivedBytes = 0;
  }

  /** A received message of so many bytes is not used any more: `memory` is what it lay in, if that is still there. */
  release(memory: OwnedBytes, bytes: number = memory.byteLength): void {
    this.#limits.buffers?.give(memory);
    if (bytes <= SMALL_BYTES || bytes > this.#receivedBytes) return;
    this.#receivedBytes -= bytes;
    this.#limits.receiveBudget?.give(this.#budgetKey, bytes);
  }

  /**
   * Resolves when an answer of so many bytes may be made: there is room in this call's queue and in the memory that all
   * calls share. To be handed to `send`, or left. @throws GrpcError UNAVAILABLE, the signal's reason.
   */
  async enter(bytes: number, options: CallOptions = {}): Promise<SendRoom> {
    await this.#queue(bytes);
    const room = { bytes, memory: [] };
    try {
      if (bytes > SMALL_BYTES) await this.#limits.sendBudget?.take(this.#budgetKey, bytes, options);
    } catch (error) {
      this.#sent(bytes);
      throw error;
    }
    this.#rooms.add(room);
    if (this.#isWritable) return room;
    this.leave(room);
    throw streamEnded();
  }

  /** Not zeroed; used again when the answer that room was taken for has been sent. */
  memory(room: SendRoom, lengthBytes: number): OwnedBytes {
    const memory = this.#limits.buffers?.take(lengthBytes) ?? unfilled(lengthBytes);
    room.memory.push(memory);
    return memory;
  }

  /** What room was taken for will not be sent, or was. */
  leave(room: SendRoom): void {
    if (!this.#rooms.delete(room)) return;
    if (room.bytes > SMALL_BYTES) this.#limits.sendBudget?.give(this.#budgetKey, room.bytes);
    this.#sent(room.bytes);
  }

  /** Bytes handed over and not yet taken by the connection. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /**
   * Resolves when the message stands in the queue; messages leave in the order of the calls, those with room taken
   * before ahead. The parts must not change afterwards. @throws GrpcError RESOURCE_EXHAUSTED for a message that is too long, UNAVAILABLE when the stream has ended.
   */
  async send(parts: MessageParts, room?: SendRoom): Promise<void> {
    const lengthBytes = lengthOf(parts);
    const prefix = framePrefix(lengthBytes, this.#maxMessageBytes);
    if (room === undefined) await this.#queue(lengthBytes);
    if (!this.#isWritable) {
      if (room === undefined) this.#sent(lengthBytes);
      throw streamEnded();
    }
    this.#stall.moved();
    const done = (): void => {
      if (room === undefined) this.#sent(lengthBytes);
      else {
        for (const memory of room.memory.splice(0)) this.#limits.buffers?.give(memory);
        this.leave(room);
      }
    };
    this.#write(prefix, parts, lengthBytes, done);
  }

  /** As `send` for many short messages, in one piece. They are copied. */
  async sendAll(messages: readonly MessageParts[]): Promise<void> {
    const joined = this.#join(messages);
    const { byteLength } = joined;
    await this.#queue(byteLength);
    if (!this.#isWritable) {
      this.#sent(byteLength);
      throw streamEnded();
    }
    this.#stall.moved();
    this.#joinPiece();
    this.#writeJoined(joined, () => this.#sent(byteLength));
  }

  /** What was sent is written: to be called before the stream is ended. */
  flush(): void {
    this.#joinPiece();
    this.#outbox.flush();
  }

  #joinPiece(): void {
    const piece = this.#piece;
    if (piece.length === 0) return;
    this.#piece = [];
    this.#pieceBytes = 0;
    const done = (): void => {
      for (const message of piece) message.done();
    };
    if (this.#isWritable) this.#writeJoined(this.#join(piece.map(({ parts }) => parts)), done);
    else done();
  }

  /**
   * What the peer sends, until it half-closes; to be read once. Leaving early leaves the stream as it is, not read.
   * @throws GrpcError UNAVAILABLE when the stream breaks, what `FrameReader` refuses, the signal's reason.
   */
  async *messages(signal: AbortSignal): AsyncGenerator<OwnedBytes, void, void> {
    const { receiveBudget, buffers, stallMs = 0, onEndFrame } = this.#limits;
    const inbox = new Inbox(
      this.#stream,
      {
        maxMessageBytes: this.#maxMessageBytes,
        stallMs,
        onEndFrame,
        take: buffers === undefined ? undefined : (bytes) => buffers.take(bytes),
        tryAdmit: (bytes) => {
          if (bytes <= SMALL_BYTES) return true;
          if (receiveBudget?.tryTake(this.#budgetKey, bytes) === false) return false;
          this.#receivedBytes += bytes;
          return true;
        },
        admit: async (bytes, options) => {
          await receiveBudget?.take(this.#budgetKey, bytes, options);
          this.#receivedBytes += bytes;
        },
      },
      signal,
    );
    try {
      for (;;) {
        const message = inbox.take() ?? (await inbox.next());
        if (message === undefined) return;
        yield message;
      }
    } finally {
      inbox.close();
    }
  }

  get #isWritable(): boolean {
    const { destroyed, closed, writableEnded } = this.#stream.duplex;
    return !destroyed && !closed && !writableEnded;
  }

  #fits(lengthBytes: number): boolean {
    return this.#queuedBytes === 0 || this.#queuedBytes + lengthBytes <= this.#maxQueuedBytes;
  }

  async #queue(lengthBytes: number): Promise<void> {
    if (!this.#isWritable) throw streamEnded();
    if (this.#waiting.length > 0 || !this.#fits(lengthBytes)) {
      await new Promise<void>((go, fail) => this.#waiting.push({ lengthBytes, go, fail }));
    } else this.#queuedBytes += lengthBytes;
  }

  #write(prefix: OwnedBytes, parts: MessageParts, lengthBytes: number, done: () => void): void {
    if (lengthBytes <= JOIN_BYTES) {
      this.#piece.push({ parts, done });
      this.#pieceBytes += PREFIX_BYTES + lengthBytes;
      if (this.#pieceBytes >= PIECE_BYTES) this.#joinPiece();
      else if (this.#piece.length === 1) process.nextTick(() => this.#joinPiece());
      return;
    }
    this.#joinPiece();
    this.#outbox.push([prefix, ...parts], done);
  }

  #join(messages: readonly MessageParts[]): OwnedBytes {
    this.#joined ??= new BufferPool(SPARE_JOINED_BYTES);
    return joinFrames(messages, this.#maxMessageBytes, this.#joined);
  }

  #writeJoined(joined: OwnedBytes, done: () => void): void {
    this.#outbox.push([joined], () => {
      this.#joined?.give(joined);
      done();
    });
  }

  #sent(lengthBytes: number): void {
    this.#queuedBytes -= lengthBytes;
    this.#stall.moved();
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || !this.#fits(next.lengthBytes)) return;
      this.#waiting.shift();
      this.#queuedBytes += next.lengthBytes;
      next.go();
    }
  }
}

/** @throws GrpcError RESOURCE_EXHAUSTED for a message that is too long. */
function joinFrames(
  messages: readonly MessageParts[],
  maxBytes: number,
  buffers: BufferPool,
): OwnedBytes {
  let total = 0;
  for (const parts of messages) total += PREFIX_BYTES + lengthOf(parts);
  const joined = buffers.take(total);
  let at = 0;
  for (const parts of messages) {
    at = putPrefix(joined, at, lengthOf(parts), maxBytes);
    for (const part of parts) {
      joined.set(part, at);
      at += part.byteLength;
    }
  }
  return joined;
}

function lengthOf(parts: MessageParts): number {
  let length = 0;
  for (const part of parts) length += part.byteLength;
  return length;
}
