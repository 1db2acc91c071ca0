/**
 * Messages over one HTTP/2 stream, for both ends. What waits to be sent is bounded: a sender waits for its turn, in
 * order, so that a peer who does not read holds up its own stream and nobody else's. Between streams of a connection
 * HTTP/2 itself takes frames in turn.
 */
import type { Http2Stream } from "node:http2";
import type { OwnedBytes } from "../../bytes/index.ts";
import type { MessageParts } from "../wire/envelopes.ts";
import { framePrefix, MAX_MESSAGE_BYTES, PREFIX_BYTES } from "./frames.ts";
import { Inbox, streamEnded } from "./inbox.ts";
import type { GrpcError } from "./status.ts";

export interface ChannelLimits {
  /** Longest message, both ways. Default 20 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Bytes that wait to be sent before a sender has to wait; one message may go beyond. Default 4 MiB. */
  readonly maxQueuedBytes?: number | undefined;
}

const DEFAULT_QUEUED_BYTES = 4 << 20;
/** Messages up to this are copied behind their prefix instead of being written in pieces. */
const JOIN_BYTES = 4096;

interface Waiting {
  readonly lengthBytes: number;
  readonly go: () => void;
  readonly fail: (error: GrpcError) => void;
}

export class MessageChannel {
  readonly #stream: Http2Stream;
  readonly #maxMessageBytes: number;
  readonly #maxQueuedBytes: number;
  readonly #waiting: Waiting[] = [];
  #queuedBytes = 0;

  constructor(stream: Http2Stream, limits: ChannelLimits = {}) {
    this.#stream = stream;
    this.#maxMessageBytes = limits.maxMessageBytes ?? MAX_MESSAGE_BYTES;
    this.#maxQueuedBytes = limits.maxQueuedBytes ?? DEFAULT_QUEUED_BYTES;
    stream.once("close", () => {
      for (const { fail } of this.#waiting.splice(0)) fail(streamEnded());
    });
  }

  /** Bytes handed over and not yet taken by the connection. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /**
   * Resolves when the message stands in the queue; messages leave in the order of the calls. The parts must not change
   * afterwards. @throws GrpcError RESOURCE_EXHAUSTED for a message that is too long, UNAVAILABLE when the stream has ended.
   */
  async send(parts: MessageParts): Promise<void> {
    let lengthBytes = 0;
    for (const part of parts) lengthBytes += part.byteLength;
    const prefix = framePrefix(lengthBytes, this.#maxMessageBytes);
    if (!this.#isWritable) throw streamEnded();
    if (this.#waiting.length > 0 || !this.#fits(lengthBytes)) {
      await new Promise<void>((go, fail) => this.#waiting.push({ lengthBytes, go, fail }));
    } else this.#queuedBytes += lengthBytes;
    if (!this.#isWritable) throw streamEnded();
    this.#write(prefix, parts, lengthBytes);
  }

  /**
   * What the peer sends, until it half-closes; to be read once. Leaving early leaves the stream as it is, not read.
   * @throws GrpcError UNAVAILABLE when the stream breaks, what `FrameReader` refuses, the signal's reason.
   */
  async *messages(signal: AbortSignal): AsyncGenerator<OwnedBytes, void, void> {
    const inbox = new Inbox(this.#stream, this.#maxMessageBytes, signal);
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
    return !this.#stream.destroyed && !this.#stream.closed && !this.#stream.writableEnded;
  }

  #fits(lengthBytes: number): boolean {
    return this.#queuedBytes === 0 || this.#queuedBytes + lengthBytes <= this.#maxQueuedBytes;
  }

  #write(prefix: OwnedBytes, parts: MessageParts, lengthBytes: number): void {
    const done = (): void => this.#sent(lengthBytes);
    if (lengthBytes <= JOIN_BYTES) {
      const joined = new Uint8Array(PREFIX_BYTES + lengthBytes);
      joined.set(prefix);
      let at = PREFIX_BYTES;
      for (const part of parts) {
        joined.set(part, at);
        at += part.byteLength;
      }
      this.#stream.write(joined, done);
      return;
    }
    this.#stream.cork();
    this.#stream.write(prefix);
    for (const [index, part] of parts.entries())
      this.#stream.write(part, index === parts.length - 1 ? done : undefined);
    this.#stream.uncork();
  }

  #sent(lengthBytes: number): void {
    this.#queuedBytes -= lengthBytes;
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || !this.#fits(next.lengthBytes)) return;
      this.#waiting.shift();
      this.#queuedBytes += next.lengthBytes;
      next.go();
    }
  }
}
