/** How old our view of what others wrote may be. Whoever finds it too old refreshes it, once for all that ask. */
import type { CallOptions, Clock } from "../../bytes/index.ts";

export class Freshness {
  readonly #clock: Clock;
  readonly #stalenessMs: number;
  readonly #refresh: (options?: CallOptions) => Promise<void>;
  #atMs: number;
  #running: Promise<void> | undefined;

  constructor(
    clock: Clock,
    stalenessMs: number,
    refresh: (options?: CallOptions) => Promise<void>,
  ) {
    this.#clock = clock;
    this.#stalenessMs = stalenessMs;
    this.#refresh = refresh;
    this.#atMs = clock.nowMs();
  }

  /** Resolves when the view is young enough. Gives whether it was renewed. */
  async ensure(): Promise<boolean> {
    const ageMs = this.#clock.nowMs() - this.#atMs;
    if (this.#running === undefined && ageMs >= 0 && ageMs < this.#stalenessMs) return false;
    this.#running ??= this.#renew();
    await this.#running;
    return true;
  }

  /** Without anybody's signal: it is not one session's alone. */
  async #renew(): Promise<void> {
    const startMs = this.#clock.nowMs();
    try {
      await this.#refresh();
      this.#atMs = startMs;
    } finally {
      this.#running = undefined;
    }
  }
}
