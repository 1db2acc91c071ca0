/**
 * The receiving side of a stream: its chunks become messages as they arrive, and it is not read further while messages
 * wait to be taken, so that HTTP/2's own window holds the sender back. Memory for a message is taken from what all
 * calls share, before it is made.
 */
import type { Http2Stream } from "node:http2";
import { Readable } from "node:stream";
import type { CallOptions, OwnedBytes } from "../../bytes/index.ts";
import { FrameReader } from "./frames.ts";
import { StallWatch } from "./stall-watch.ts";
import { GrpcError } from "./status.ts";

export interface InboxOptions {
  readonly maxMessageBytes: number;
  /** A message that is begun and does not go on for so long ends the stream; 0: never. */
  readonly stallMs: number;
  /** Whether a message of this length may be made now. */
  readonly tryAdmit: (lengthBytes: number) => boolean;
  /** Memory of exactly that length, with any bytes in it. */
  readonly take?: ((lengthBytes: number) => OwnedBytes) | undefined;
  /** Resolves when it may. */
  readonly admit: (lengthBytes: number, options: CallOptions) => Promise<void>;
}

export class Inbox {
  readonly #stream: Http2Stream;
  readonly #frames: FrameReader;
  readonly #signal: AbortSignal;
  readonly #options: InboxOptions;
  readonly #messages: OwnedBytes[] = [];
  readonly #stall: StallWatch;
  /** A message waits for memory. */
  #isHeldUp = false;
  #hasEnded = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  /** Begins to read. */
  constructor(stream: Http2Stream, options: InboxOptions, signal: AbortSignal) {
    this.#stream = stream;
    this.#options = options;
    this.#frames = new FrameReader(options.maxMessageBytes, options.tryAdmit, options.take);
    this.#signal = signal;
    this.#stall = new StallWatch(
      options.stallMs,
      () => this.#frames.isPartial && !this.#isHeldUp && !stream.isPaused() && !this.#hasEnded,
      () =>
        this.#onBreak(
          new GrpcError("UNAVAILABLE", `a message did not go on for ${options.stallMs} ms`),
        ),
    );
    stream.push = this.#push;
    stream.on("data", this.#onData);
    stream.on("end", this.#onEnd);
    stream.on("error", this.#onBreak);
    stream.on("aborted", this.#onBreak);
    stream.on("close", this.#onBreak);
    signal.addEventListener("abort", this.#onAbort);
    if (signal.aborted) this.#onAbort();
    else if (stream.destroyed || stream.aborted) this.#onBreak();
    // A stream that was paused before is not started by a listener.
    stream.resume();
  }

  /** A message that is there already. @throws the signal's reason. */
  take(): OwnedBytes | undefined {
    this.#signal.throwIfAborted();
    return this.#messages.shift();
  }

  /** `undefined` after the peer's half-close. @throws GrpcError, the signal's reason. */
  async next(): Promise<OwnedBytes | undefined> {
    for (;;) {
      const message = this.take();
      if (message !== undefined) return message;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#hasEnded && !this.#isHeldUp) {
        if (this.#frames.isPartial)
          throw new GrpcError("INTERNAL", "the stream ended inside of a message");
        return undefined;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#readOn();
      });
    }
  }

  /** Reads no further. */
  close(): void {
    this.#stall.stop();
    this.#stream.pause();
    Reflect.deleteProperty(this.#stream, "push");
    this.#stream.off("data", this.#onData);
    this.#stream.off("end", this.#onEnd);
    this.#stream.off("error", this.#onBreak);
    this.#stream.off("aborted", this.#onBreak);
    this.#stream.off("close", this.#onBreak);
    this.#signal.removeEventListener("abort", this.#onAbort);
  }

  /**
   * Most chunks lie wholly inside of a message. They need nothing of what a stream does for each of its chunks, which is
   * half of the work of receiving.
   */
  readonly #push: Http2Stream["push"] = (chunk, encoding) => {
    const stream = this.#stream;
    const isNext = stream.readableFlowing === true && stream.readableLength === 0;
    if (isNext && chunk instanceof Uint8Array && this.#absorb(chunk)) return true;
    return Readable.prototype.push.call(stream, chunk, encoding);
  };

  #absorb(chunk: Uint8Array): boolean {
    if (this.#failure !== undefined || !this.#frames.absorb(chunk)) return false;
    this.#stall.moved();
    return true;
  }

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#failure !== undefined) return;
    if (!this.#absorb(chunk)) this.#receive(() => this.#frames.push(chunk));
  };

  #receive(read: () => Iterable<OwnedBytes>): void {
    try {
      for (const message of read()) this.#messages.push(message);
    } catch (error) {
      this.#failure = error as Error;
    }
    const { waitingBytes } = this.#frames;
    if (waitingBytes !== undefined && this.#failure === undefined) void this.#holdUp(waitingBytes);
    else if (this.#frames.isPartial) this.#stall.moved();
    if (this.#messages.length > 0 || this.#failure !== undefined) {
      this.#stream.pause();
      this.#wakeUp();
    }
  }

  /** Never fails. */
  async #holdUp(lengthBytes: number): Promise<void> {
    this.#isHeldUp = true;
    this.#stream.pause();
    try {
      await this.#options.admit(lengthBytes, { signal: this.#signal });
    } catch (error) {
      this.#failure ??= error as Error;
    }
    this.#isHeldUp = false;
    if (this.#failure === undefined) this.#receive(() => this.#frames.admitted());
    if (this.#wake !== undefined && this.#messages.length === 0) this.#readOn();
    if (this.#failure !== undefined || this.#hasEnded) this.#wakeUp();
  }

  #readOn(): void {
    if (this.#isHeldUp) return;
    if (this.#frames.isPartial) this.#stall.moved();
    this.#stream.resume();
  }

  /** A reset may look like an ordinary end to the reading side. */
  readonly #onEnd = (): void => {
    if (this.#stream.aborted || (this.#stream.rstCode ?? 0) !== 0) this.#onBreak();
    else this.#hasEnded = true;
    this.#wakeUp();
  };

  readonly #onBreak = (cause?: unknown): void => {
    if (this.#hasEnded) return;
    this.#failure ??= cause instanceof GrpcError ? cause : streamEnded(cause);
    this.#wakeUp();
  };

  readonly #onAbort = (): void => {
    this.#failure ??= this.#signal.reason as Error;
    this.#wakeUp();
  };

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

export function streamEnded(cause?: unknown): GrpcError {
  const message = "the stream was ended by the other side or the network";
  return new GrpcError("UNAVAILABLE", message, cause instanceof Error ? { cause } : {});
}
