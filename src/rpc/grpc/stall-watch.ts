/**
 * Notices that something which should move does not: `moved` is called with every step, cheaply, and `onStall` once
 * when there was none for so long while `isWaiting` says that one was due.
 */
export class StallWatch {
  readonly #limitMs: number;
  readonly #isWaiting: () => boolean;
  readonly #onStall: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** `limitMs` 0: never. */
  constructor(limitMs: number, isWaiting: () => boolean, onStall: () => void) {
    this.#limitMs = limitMs;
    this.#isWaiting = isWaiting;
    this.#onStall = onStall;
  }

  /** From now on the other side has the whole time again. */
  moved(): void {
    if (this.#timer !== undefined) this.#timer.refresh();
    else if (this.#limitMs > 0) {
      this.#timer = setTimeout(this.#onTime, this.#limitMs);
      this.#timer.unref();
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #onTime = (): void => {
    this.#timer = undefined;
    if (this.#isWaiting()) this.#onStall();
  };
}
