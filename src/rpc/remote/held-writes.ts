/**
 * What the server has answered and not flushed is held, within a bound, to be sent again after a break. Beyond the bound
 * a break is a loss in any case, and nothing is held until the next flush.
 */
import type { UnflushedUnit } from "./unflushed-units.ts";

export class HeldWrites {
  readonly #maxBytes: number;
  readonly #units = new Set<UnflushedUnit>();
  #bytes = 0;
  #isPast = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The bound was passed: a break loses what was not flushed. */
  get isPast(): boolean {
    return this.#isPast;
  }

  hold(unit: UnflushedUnit): void {
    this.#units.add(unit);
    this.#bytes += unit.lengthBytes;
    this.#isPast ||= unit.isBorrowed || this.#bytes > this.#maxBytes;
    if (this.#isPast) for (const held of this.#units) this.#letGo(held);
  }

  /** These are flushed, and those are what was answered and is not. */
  flushed(units: readonly UnflushedUnit[], rest: readonly UnflushedUnit[]): void {
    for (const unit of units) this.#letGo(unit);
    this.#isPast = rest.some(({ data }) => data === undefined);
  }

  #letGo(unit: UnflushedUnit): void {
    if (!this.#units.delete(unit)) return;
    unit.letGo();
    this.#bytes -= unit.lengthBytes;
  }
}
