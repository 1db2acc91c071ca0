/**
 * Two brakes: a token bucket for rates (one second of burst, and debt instead of a wait in the middle, so that one
 * call larger than a second's tokens passes too) and a gate for calls under way.
 */
import type { Clock } from "../bytes/index.ts";

/** Resolves after `ms`; an abort rejects with the signal's reason. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

const BURST_S = 1;
const MAX_TIMER_MS = 0x7fff_ffff;

export const systemSleep: Sleep = async (ms, signal) => {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(done, Math.min(ms, MAX_TIMER_MS));
    function abort(): void {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    }
    function done(): void {
      signal?.removeEventListener("abort", abort);
      resolve();
    }
    signal?.addEventListener("abort", abort, { once: true });
  });
};

export class TokenBucket {
  readonly #clock: Clock;
  readonly #sleep: Sleep;
  #perSecond = 0;
  #tokens = 0;
  #filledMs: number;

  /** `perSecond` 0 is no limit. */
  constructor(perSecond: number, clock: Clock, sleep: Sleep) {
    this.#clock = clock;
    this.#sleep = sleep;
    this.#filledMs = clock.nowMs();
    this.setRate(perSecond);
    this.#tokens = perSecond * BURST_S;
  }

  setRate(perSecond: number): void {
    this.#fill();
    this.#perSecond = perSecond;
    this.#tokens = Math.min(this.#tokens, perSecond * BURST_S);
  }

  /** Takes `count` tokens, then waits until the bucket is out of debt. */
  async take(count: number, signal?: AbortSignal): Promise<void> {
    if (this.#perSecond === 0 || count === 0) return;
    this.#fill();
    this.#tokens -= count;
    if (this.#tokens < 0) await this.#sleep((-this.#tokens / this.#perSecond) * 1000, signal);
  }

  #fill(): void {
    const nowMs = this.#clock.nowMs();
    // a clock that was set back gives nothing, and takes nothing
    const elapsedS = Math.max(0, nowMs - this.#filledMs) / 1000;
    this.#filledMs = nowMs;
    this.#tokens = Math.min(this.#tokens + elapsedS * this.#perSecond, this.#perSecond * BURST_S);
  }
}

/** At most `limit` holders at once, served in order of arrival. */
export class Gate {
  #limit: number;
  #held = 0;
  #waiting: (() => void)[] = [];

  /** 0 is no limit. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  setLimit(limit: number): void {
    this.#limit = limit;
    this.#admit();
  }

  /** Resolves when there is room; the caller releases exactly once. */
  async acquire(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#hasRoom()) {
      this.#held++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const enter = (): void => {
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      const abort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== enter);
        reject(signal?.reason as Error);
      };
      this.#waiting.push(enter);
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  release(): void {
    this.#held--;
    this.#admit();
  }

  #hasRoom(): boolean {
    return this.#limit === 0 || this.#held < this.#limit;
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#hasRoom()) {
      this.#held++;
      this.#waiting.shift()?.();
    }
  }
}
