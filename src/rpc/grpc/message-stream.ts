/** What messages travel over: a stream of HTTP/2, or a whole connection that was upgraded for one call. */
import type { Duplex } from "node:stream";
import type { OutboxLimits } from "./outbox.ts";

export interface MessageStream {
  /** Takes what is sent, and tells when all is over. What is received goes to the receiver alone. */
  readonly duplex: Duplex;
  readonly outbox: OutboxLimits;
  /** Nothing comes any more. */
  isBroken(): boolean;
  /** The last message is followed by a frame that says so; else by the end of the stream. */
  readonly endsWithFrame: boolean;
  /** To be called once; reading begins with `resume`. */
  receive(receiver: Receiver): Intake;
}

/** Who gets the bytes of a stream as they come. */
export interface Receiver {
  /** Where the next bytes belong, as long as they lie inside of a message: whoever puts them there says so to `filled`. */
  room(): Uint8Array | undefined;
  filled(count: number): void;
  /** False: the chunk does not lie wholly inside of a message. */
  absorb(chunk: Uint8Array): boolean;
  /** The chunk is not kept. */
  push(chunk: Uint8Array): void;
  onEnd(): void;
  onBreak(cause?: unknown): void;
}

/** The reading of a stream. */
export interface Intake {
  readonly isPaused: boolean;
  pause(): void;
  resume(): void;
  /** The receiver is told nothing more. */
  close(): void;
}
