/**
 * The receiving side of a stream: its chunks become messages as they arrive, and it is not read further while messages
 * wait to be taken, so that HTTP/2's own window holds the sender back. Memory for a message is taken from what all
 * calls share, before it is made.
 */
import type { CallOptions, OwnedBytes } from "../../bytes/index.ts";
import { FrameReader } from "./frames.ts";
import type { Intake, MessageStream, Receiver } from "./message-stream.ts";
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
  /** The frame behind the last message has come. */
  readonly onEndFrame?: ((text: OwnedBytes) => void) | undefined;
  /** Resolves when it may. */
  readonly admit: (lengthBytes: number, options: CallOptions) => Promise<void>;
}

export class Inbox {
  readonly #intake: Intake;
  readonly #frames: FrameReader;
  readonly #signal: AbortSignal;
  readonly #options: InboxOptions;
  readonly #endsWithFrame: boolean;
  readonly #messages: OwnedBytes[] = [];
  readonly #stall: StallWatch;
  /** A message waits for memory. */
  #isHeldUp = false;
  #hasEnded = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  /** Begins to read. */
  constructor(stream: MessageStream, options: InboxOptions, signal: AbortSignal) {
    const { maxMessageBytes, tryAdmit, take, stallMs } = options;
    this.#options = options;
    this.#endsWithFrame = stream.endsWithFrame;
    this.#frames = new FrameReader(maxMessageBytes, tryAdmit, take, stream.endsWithFrame);
    this.#signal = signal;
    this.#stall = new StallWatch(
      stallMs,
      () => this.#frames.isPartial && !this.#isHeldUp && !this.#intake.isPaused && !this.#hasEnded,
      () =>
        this.#onBreak(new GrpcError("UNAVAILABLE", `a message did not go on for ${stallMs} ms`)),
    );
    this.#intake = stream.receive(this.#receiver());
    signal.addEventListener("abort", this.#onAbort);
    if (signal.aborted) this.#onAbort();
    else if (stream.isBroken()) this.#onBreak();
    this.#intake.resume();
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
    this.#intake.close();
    this.#signal.removeEventListener("abort", this.#onAbort);
  }

  #receiver(): Receiver {
    return {
      room: () => (this.#failure === undefined ? this.#frames.room : undefined),
      filled: (count) => {
        const message = this.#frames.filled(count);
        if (message === undefined) this.#stall.moved();
        else this.#receive(() => [message]);
      },
      absorb: (chunk) => {
        if (this.#failure !== undefined || !this.#frames.absorb(chunk)) return false;
        this.#stall.moved();
        return true;
      },
      push: (chunk) => {
        if (this.#failure === undefined) this.#receive(() => this.#frames.push(chunk));
      },
      onEnd: () => {
        if (this.#endsWithFrame) this.#onBreak();
        else this.#onEnd();
      },
      onBreak: (cause) => this.#onBreak(cause),
    };
  }

  #receive(read: () => Iterable<OwnedBytes>): void {
    try {
      for (const message of read()) this.#messages.push(message);
    } catch (error) {
      this.#failure = error as Error;
    }
    const { waitingBytes, end } = this.#frames;
    if (end !== undefined && this.#failure === undefined) this.#onEnd(end);
    if (waitingBytes !== undefined && this.#failure === undefined) void this.#holdUp(waitingBytes);
    else if (this.#frames.isPartial) this.#stall.moved();
    if (this.#messages.length > 0 || this.#failure !== undefined) {
      this.#intake.pause();
      this.#wakeUp();
    }
  }

  /** Never fails. */
  async #holdUp(lengthBytes: number): Promise<void> {
    this.#isHeldUp = true;
    this.#intake.pause();
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
    this.#intake.resume();
  }

  #onEnd(frame?: OwnedBytes): void {
    if (this.#hasEnded || this.#failure !== undefined) return;
    this.#hasEnded = true;
    if (frame !== undefined) this.#options.onEndFrame?.(frame);
    this.#wakeUp();
  }

  #onBreak(cause?: unknown): void {
    if (this.#hasEnded) return;
    this.#failure ??= cause instanceof GrpcError ? cause : streamEnded(cause);
    this.#wakeUp();
  }

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
