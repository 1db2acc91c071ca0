/** Reads a stream chunk by chunk. */
import { Duplex, Readable } from "node:stream";
import type { Intake, Receiver } from "./message-stream.ts";

export class PushedIntake implements Intake {
  readonly #stream: Duplex;
  readonly #receiver: Receiver;
  readonly #isReset: () => boolean;

  /** `isReset`: what looks like an ordinary end is none. */
  constructor(stream: Duplex, receiver: Receiver, isReset: () => boolean = () => false) {
    this.#stream = stream;
    this.#receiver = receiver;
    this.#isReset = isReset;
    stream.push = this.#push;
    stream.on("data", this.#onData);
    stream.on("end", this.#onEnd);
    stream.on("error", this.#onBreak);
    stream.on("aborted", this.#onBreak);
    stream.on("close", this.#onBreak);
  }

  get isPaused(): boolean {
    return this.#stream.isPaused();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  close(): void {
    this.#stream.pause();
    Reflect.deleteProperty(this.#stream, "push");
    this.#stream.off("data", this.#onData);
    this.#stream.off("end", this.#onEnd);
    this.#stream.off("error", this.#onBreak);
    this.#stream.off("aborted", this.#onBreak);
    this.#stream.off("close", this.#onBreak);
  }

  /**
   * Most chunks lie wholly inside of a message. They need nothing of what a stream does for each of its chunks, which is
   * half of the work of receiving.
   */
  readonly #push: Duplex["push"] = (chunk, encoding) => {
    const stream = this.#stream;
    const isNext = stream.readableFlowing === true && stream.readableLength === 0;
    if (isNext && chunk instanceof Uint8Array && this.#receiver.absorb(chunk)) return true;
    return Readable.prototype.push.call(stream, chunk, encoding);
  };

  readonly #onData = (chunk: Uint8Array): void => {
    if (!this.#receiver.absorb(chunk)) this.#receiver.push(chunk);
  };

  readonly #onEnd = (): void => {
    if (this.#isReset()) this.#receiver.onBreak();
    else this.#receiver.onEnd();
  };

  readonly #onBreak = (cause?: unknown): void => this.#receiver.onBreak(cause);
}
