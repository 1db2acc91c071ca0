/**
 * Whether time can be trusted enough to delete by it. A clock that is put forward makes everything old at once, so a jump
 * is waited out: it is told, nothing is deleted for a day of the process's own time, and somebody can put it right.
 *  - Time may pass four times as fast as the process counts, for computers sleep, and a day more.
 *  - When the server starts, the newest trace of the repository being written is not much older than now.
 *  - What the newest manifest says of the time agrees with what the store says of the newest index.
 */
import type { CallOptions, Clock, TimestampNs } from "../../bytes/index.ts";

const HOUR_MS = 3_600_000;
const DAY_MS: number = 24 * HOUR_MS;
const MAX_SPEED = 4;
const MAX_JUMP_MS: number = DAY_MS;
const MAX_GAP_MS: number = 3 * DAY_MS;
const SETTLE_MS: number = DAY_MS;
const MAX_SKEW_MS: number = HOUR_MS;
const NS_PER_MS = 1_000_000n;

/** Traces of time in the repository; `undefined` where there is none. */
export interface ClockEvidence {
  /** When the newest manifest was written, by the clock of the server that wrote it. */
  readonly manifestNs: TimestampNs | undefined;
  /** When the newest index blob was written, by the store's clock. */
  readonly storeNs: TimestampNs | undefined;
}

export interface ClockGuardOptions {
  readonly clock: Clock;
  readonly monotonicMs: () => number;
  /** The newest that are not after `nowNs`. */
  readonly evidence: (nowNs: TimestampNs, options: CallOptions) => Promise<ClockEvidence>;
}

export class ClockGuard {
  readonly #options: ClockGuardOptions;
  #base: { readonly wallMs: number; readonly monotonicMs: number };
  #started = false;
  /** By the monotonic time. */
  #settledMs = Number.NEGATIVE_INFINITY;
  #reason = "";

  constructor(options: ClockGuardOptions) {
    this.#options = options;
    this.#base = { wallMs: options.clock.nowMs(), monotonicMs: options.monotonicMs() };
  }

  /** Why nothing may be deleted now; `undefined` when it may. */
  async check(options: CallOptions = {}): Promise<string | undefined> {
    const wallMs = this.#options.clock.nowMs();
    const monotonicMs = this.#options.monotonicMs();
    const nowNs = BigInt(Math.floor(wallMs)) * NS_PER_MS;
    const evidence = await this.#options.evidence(nowNs, options);
    this.#watch(wallMs, monotonicMs);
    if (!this.#started) this.#start(wallMs, monotonicMs, evidence);
    const skew = skewOf(evidence);
    if (skew !== undefined) return skew;
    if (monotonicMs >= this.#settledMs) return undefined;
    const hours = Math.ceil((this.#settledMs - monotonicMs) / HOUR_MS);
    return `${this.#reason}; nothing expires for ${hours} more hours of the server running`;
  }

  #watch(wallMs: number, monotonicMs: number): void {
    const passedMs = wallMs - this.#base.wallMs;
    const countedMs = monotonicMs - this.#base.monotonicMs;
    if (passedMs > MAX_SPEED * countedMs + MAX_JUMP_MS) {
      const text = `${hoursOf(passedMs)} hours passed while the server counted ${hoursOf(countedMs)}`;
      this.#distrust(`the clock jumped: ${text}`, monotonicMs);
    } else if (passedMs >= 0) return;
    // Put back, or forward: from here it is watched anew.
    this.#base = { wallMs, monotonicMs };
  }

  #start(wallMs: number, monotonicMs: number, evidence: ClockEvidence): void {
    this.#started = true;
    const { manifestNs = 0n, storeNs = 0n } = evidence;
    const newestNs = manifestNs > storeNs ? manifestNs : storeNs;
    const gapMs = wallMs - Number(newestNs / NS_PER_MS);
    if (newestNs > 0n && gapMs > MAX_GAP_MS)
      this.#distrust(
        `the repository was last written ${hoursOf(gapMs)} hours ago by the server's clock, which may be wrong`,
        monotonicMs,
      );
  }

  #distrust(reason: string, monotonicMs: number): void {
    this.#reason = reason;
    this.#settledMs = monotonicMs + SETTLE_MS;
  }
}

function skewOf({ manifestNs, storeNs }: ClockEvidence): string | undefined {
  if (manifestNs === undefined || storeNs === undefined) return undefined;
  const aheadMs = Number((manifestNs - storeNs) / NS_PER_MS);
  if (aheadMs <= MAX_SKEW_MS) return undefined;
  return `the server's clock is ${hoursOf(aheadMs)} hours ahead of the storage's`;
}

function hoursOf(ms: number): number {
  return Math.round(ms / HOUR_MS);
}
