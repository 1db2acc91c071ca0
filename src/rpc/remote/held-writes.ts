/** What the server has answered and not flushed: the newest are held, within a bound, to be sent again after a break. */
import type { UnflushedUnit } from "./unflushed-units.ts";

const FORGET_AFTER = 1024;

export class HeldWrites {
  readonly #maxBytes: number;
  /** In order of their answers; those before `#first` were let go. */
  #units: UnflushedUnit[] = [];
  #first = 0;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  hold(unit: UnflushedUnit): void {
    this.#units.push(unit);
    this.#bytes += unit.lengthBytes;
    while (this.#bytes > this.#maxBytes) {
      const oldest = this.#units[this.#first++];
      if (oldest === undefined) break;
      this.letGo(oldest);
    }
    if (this.#first < FORGET_AFTER) return;
    this.#units = this.#units.slice(this.#first);
    this.#first = 0;
  }

  /** The bytes of what was held are not needed any more. */
  letGo(unit: UnflushedUnit): void {
    if (unit.data === undefined) return;
    unit.letGo();
    this.#bytes -= unit.lengthBytes;
  }

  /** Forgets what was let go out of order. */
  tidy(): void {
    this.#units = this.#units.slice(this.#first).filter(({ data }) => data !== undefined);
    this.#first = 0;
  }
}
