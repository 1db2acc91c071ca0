/**
 * The receiving side of a stream: its chunks become messages as they arrive, and it is not read further while messages
 * wait to be taken, so that HTTP/2's own window holds the sender back.
 */
import type { Http2Stream } from "node:http2";
import type { OwnedBytes } from "../../bytes/index.ts";
import { FrameReader } from "./frames.ts";
import { GrpcError } from "./status.ts";

export class Inbox {
  readonly #stream: Http2Stream;
  readonly #frames: FrameReader;
  readonly #signal: AbortSignal;
  readonly #messages: OwnedBytes[] = [];
  #hasEnded = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  /** Begins to read. */
  constructor(stream: Http2Stream, maxMessageBytes: number, signal: AbortSignal) {
    this.#stream = stream;
    this.#frames = new FrameReader(maxMessageBytes);
    this.#signal = signal;
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
      if (this.#hasEnded) {
        if (this.#frames.isPartial)
          throw new GrpcError("INTERNAL", "the stream ended inside of a message");
        return undefined;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#stream.resume();
      });
    }
  }

  /** Reads no further. */
  close(): void {
    this.#stream.pause();
    this.#stream.off("data", this.#onData);
    this.#stream.off("end", this.#onEnd);
    this.#stream.off("error", this.#onBreak);
    this.#stream.off("aborted", this.#onBreak);
    this.#stream.off("close", this.#onBreak);
    this.#signal.removeEventListener("abort", this.#onAbort);
  }

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#failure !== undefined) return;
    try {
      for (const message of this.#frames.push(chunk)) this.#messages.push(message);
    } catch (error) {
      this.#failure = error as Error;
    }
    if (this.#messages.length === 0 && this.#failure === undefined) return;
    this.#stream.pause();
    this.#wakeUp();
  };

  /** A reset may look like an ordinary end to the reading side. */
  readonly #onEnd = (): void => {
    if (this.#stream.aborted || (this.#stream.rstCode ?? 0) !== 0) this.#onBreak();
    else this.#hasEnded = true;
    this.#wakeUp();
  };

  readonly #onBreak = (cause?: unknown): void => {
    if (this.#hasEnded) return;
    this.#failure ??= streamEnded(cause);
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
