/** Time as a dependency: tests bring their own. This is the only file that asks the system for it. */

/** Nanoseconds since 1970-01-01T00:00:00Z. */
export type TimestampNs = bigint;

export interface Clock {
  /** Whole and fractional milliseconds since the epoch, as `Date.now`. */
  nowMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now() };
