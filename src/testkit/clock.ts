/** Time under the test's control: it stands still until the test moves it, and sleepers wake when it has passed them. */
import type { Clock, TimestampNs } from "../bytes/index.ts";

interface Sleeper {
  readonly wakeMs: number;
  readonly wake: () => void;
}

/** Starts at 2026-08-01T12:00:00Z unless told otherwise. */
export class FakeClock implements Clock {
  #nowMs: number;
  #sleepers: Sleeper[] = [];
  #autoAdvance = false;

  constructor(startMs: number = Date.UTC(2026, 7, 1, 12)) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  nowNs(): TimestampNs {
    return BigInt(Math.round(this.#nowMs * 1000)) * 1000n;
  }

  /** Sleepers that are waiting now. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  /** From now on a sleep moves the clock itself and resolves at once. */
  autoAdvance(): this {
    this.#autoAdvance = true;
    return this;
  }

  advance(ms: number): void {
    this.set(this.#nowMs + ms);
  }

  /** May also go back, as a real clock can. */
  set(nowMs: number): void {
    this.#nowMs = nowMs;
    const due = this.#sleepers.filter((sleeper) => sleeper.wakeMs <= nowMs);
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.wakeMs > nowMs);
    for (const sleeper of due) sleeper.wake();
  }

  /** Resolves when the clock has moved by `ms`; an abort rejects with the signal's reason. */
  readonly sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    signal?.throwIfAborted();
    if (this.#autoAdvance) {
      this.#nowMs += Math.max(0, ms);
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const sleeper = { wakeMs: this.#nowMs + ms, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener(
        "abort",
        () => {
          this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
          reject(signal.reason as Error);
        },
        { once: true },
      );
    });
  };
}
