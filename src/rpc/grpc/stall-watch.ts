/**
 * Notices that something which should move does not: `moved` is called with every step, for next to nothing, and `onStall`
 * once when there was none for so long, or up to twice as long, while `isWaiting` says that one was due.
 */
export class StallWatch {
  readonly #limitMs: number;
  readonly #isWaiting: () => boolean;
  readonly #onStall: () => void;
  #timer: NodeJS.Timeout | undefined;
  #hasMoved = false;

  /** `limitMs` 0: never. */
  constructor(limitMs: number, isWaiting: () => boolean, onStall: () => void) {
    this.#limitMs = limitMs;
    this.#isWaiting = isWaiting;
    this.#onStall = onStall;
  }

  /** From now on the other side has the whole time again. */
  moved(): void {
    this.#hasMoved = true;
    if (this.#timer === undefined && this.#limitMs > 0) this.#arm();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(): void {
    this.#hasMoved = false;
    this.#timer = setTimeout(this.#onTime, this.#limitMs);
    this.#timer.unref();
  }

  readonly #onTime = (): void => {
    this.#timer = undefined;
    if (this.#hasMoved) this.#arm();
    else if (this.#isWaiting()) this.#onStall();
  };
}
