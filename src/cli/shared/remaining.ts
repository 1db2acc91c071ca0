/** How fast something goes and how long it will still take, from what is done and what there is to do. */
import type { Clock } from "../../bytes/index.ts";
import { formatBytes } from "../output/units.ts";

/** Before that nothing can be said. */
const LEAST_MS = 1000;
const LEAST_PART = 0.001;

export class Remaining {
  readonly #clock: Clock;
  readonly #startMs: number;
  #totalBytes: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.nowMs();
  }

  /** The whole, once it is known. */
  estimated(totalBytes: number): void {
    this.#totalBytes = totalBytes;
  }

  /** Bytes a second since the start. */
  rate(bytes: number): number {
    return bytes / (Math.max(LEAST_MS, this.#elapsedMs()) / 1000);
  }

  /** `, estimated 3 GB (12.5%) 1m20s left`, empty while nothing is known. */
  text(doneBytes: number): string {
    const total = this.#totalBytes;
    if (total === undefined || total === 0) return "";
    const part = Math.min(1, doneBytes / total);
    const elapsedMs = this.#elapsedMs();
    const known = elapsedMs >= LEAST_MS && part >= LEAST_PART;
    const left = known ? ` ${shortDuration((elapsedMs * (1 - part)) / part)} left` : "";
    return `, estimated ${formatBytes(total)} (${(part * 100).toFixed(1)}%)${left}`;
  }

  #elapsedMs(): number {
    return this.#clock.nowMs() - this.#startMs;
  }
}

/** `1h2m3s`. */
function shortDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  if (hours > 0) return `${hours}h${minutes}m${seconds % 60}s`;
  return minutes > 0 ? `${minutes}m${seconds % 60}s` : `${seconds}s`;
}
