/** A bound of bytes for what is under way, first come, first served. */

interface Waiting {
  readonly bytes: number;
  readonly go: () => void;
}

export class ByteGate {
  readonly #maxBytes: number;
  readonly #waiting: Waiting[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Resolves when so many bytes may be taken; one taker alone may take more than the bound. What it resolves with gives
   * them back, once. @throws the signal's reason.
   */
  async acquire(bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#waiting.length === 0 && this.#fits(bytes)) this.#bytes += bytes;
    else {
      await new Promise<void>((resolve, reject) => {
        const entry: Waiting = {
          bytes,
          go: () => {
            signal.removeEventListener("abort", onAbort);
            resolve();
          },
        };
        const onAbort = (): void => {
          const at = this.#waiting.indexOf(entry);
          if (at >= 0) this.#waiting.splice(at, 1);
          reject(signal.reason as Error);
          this.#serve();
        };
        signal.addEventListener("abort", onAbort, { once: true });
        this.#waiting.push(entry);
      });
    }
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#bytes -= bytes;
      this.#serve();
    };
  }

  #fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#maxBytes;
  }

  #serve(): void {
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || !this.#fits(next.bytes)) return;
      this.#waiting.shift();
      this.#bytes += next.bytes;
      next.go();
    }
  }
}
