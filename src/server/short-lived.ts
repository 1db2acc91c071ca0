/**
 * What was read a moment ago and counts for a while: one reading at a time, shared by all who ask meanwhile. Whoever knows
 * that it is out of date forgets it; a reading that was under way then counts for those who wait for it, and is not kept.
 */
import type { CallOptions, Clock } from "../bytes/index.ts";

export interface ShortLivedOptions<T> {
  readonly clock: Clock;
  readonly lifeMs: number;
  /** Shared, so no one's signal stops it. */
  readonly read: () => Promise<T>;
}

export class ShortLived<T> {
  readonly #options: ShortLivedOptions<T>;
  #kept: { readonly readMs: number; readonly value: T } | undefined;
  #reading: Promise<T> | undefined;

  constructor(options: ShortLivedOptions<T>) {
    this.#options = options;
  }

  /** Its age counts from when reading began. A clock that went back makes everything too old. */
  async get({ signal }: CallOptions = {}): Promise<T> {
    const { clock, lifeMs, read } = this.#options;
    const kept = this.#kept;
    const age = kept === undefined ? 0 : clock.nowMs() - kept.readMs;
    if (kept !== undefined && age >= 0 && age < lifeMs) return kept.value;
    signal?.throwIfAborted();
    const readMs = clock.nowMs();
    const reading = (this.#reading ??= read());
    try {
      const value = await reading;
      if (this.#reading === reading) this.#kept = { readMs, value };
      return value;
    } finally {
      if (this.#reading === reading) this.#reading = undefined;
    }
  }

  forget(): void {
    this.#kept = undefined;
    this.#reading = undefined;
  }
}
