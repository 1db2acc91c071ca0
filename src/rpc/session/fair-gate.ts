/**
 * Turns for work that many sessions want done: so many at the same time in all, and whoever waits is let in by key in
 * rotation, so that one user's thousand requests do not stand before another's first.
 */
import type { CallOptions } from "../../bytes/index.ts";

interface Waiting {
  readonly go: () => void;
}

export class FairGate {
  readonly #limit: number;
  /** Keys in the order of their next turn; each with its queue, which is never empty. */
  readonly #waiting = new Map<string, Waiting[]>();
  #running = 0;

  /** @throws RangeError unless `limit` is an integer of 1 or more. */
  constructor(limit: number) {
    if (!Number.isInteger(limit) || limit < 1)
      throw new RangeError(`limit is ${limit}, expected an integer of 1 or more`);
    this.#limit = limit;
  }

  /** Runs `work` when it is the key's turn. @throws the signal's reason when it is aborted while waiting. */
  async run<T>(key: string, work: () => Promise<T>, options: CallOptions = {}): Promise<T> {
    await this.#enter(key, options.signal);
    try {
      return await work();
    } finally {
      this.#running--;
      this.#next();
    }
  }

  async #enter(key: string, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#running < this.#limit && this.#waiting.size === 0) {
      this.#running++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.#remove(key, waiting);
        reject(signal?.reason as Error);
      };
      const waiting: Waiting = {
        go: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const queue = this.#waiting.get(key);
      if (queue === undefined) this.#waiting.set(key, [waiting]);
      else queue.push(waiting);
    });
  }

  #next(): void {
    while (this.#running < this.#limit) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      const [key, queue] = first;
      // The key goes to the end of the rotation.
      this.#waiting.delete(key);
      const waiting = queue.shift();
      if (queue.length > 0) this.#waiting.set(key, queue);
      this.#running++;
      waiting?.go();
    }
  }

  #remove(key: string, waiting: Waiting): void {
    const queue = this.#waiting.get(key);
    const at = queue?.indexOf(waiting) ?? -1;
    if (queue === undefined || at < 0) return;
    queue.splice(at, 1);
    if (queue.length === 0) this.#waiting.delete(key);
  }
}
