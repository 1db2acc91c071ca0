/** Standard output of a command: text gathered into larger writes, bytes with back-pressure. */
import type { Writable } from "node:stream";

const GATHER_CHARACTERS = 1 << 15;

export class Output {
  readonly #stream: Writable;
  #pending = "";

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** As it is, without a newline. */
  write(text: string): void {
    this.#pending += text;
    if (this.#pending.length >= GATHER_CHARACTERS) this.flush();
  }

  line(text = ""): void {
    this.write(`${text}\n`);
  }

  /** Bytes behind everything written before; resolves when the stream takes more. */
  async bytes(data: Uint8Array): Promise<void> {
    this.flush();
    if (this.#stream.write(data)) return;
    await new Promise<void>((resolve, reject) => {
      const done = (error?: Error): void => {
        this.#stream.off("drain", done).off("error", done).off("close", done);
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#stream.on("drain", done).on("error", done).on("close", done);
    });
  }

  /** Hands what was gathered to the stream. */
  flush(): void {
    if (this.#pending === "") return;
    const text = this.#pending;
    this.#pending = "";
    this.#stream.write(text);
  }
}
