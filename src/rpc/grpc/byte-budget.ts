/**
 * Memory that all calls of a server share: whoever wants to hold bytes takes them first and gives them back. Each key
 * (an account) has at most its share, and keys that wait are served in rotation, so that one who never gives back
 * holds up nobody else.
 */
import type { CallOptions } from "../../bytes/index.ts";
import { assert } from "../../errors/index.ts";

export interface ByteBudgetLimits {
  readonly totalBytes: number;
  /** Most that one key holds, unless it is the only one; one taking may go beyond when it holds nothing. Default: a quarter. */
  readonly shareBytes?: number | undefined;
}

interface Waiting {
  readonly bytes: number;
  readonly go: () => void;
}

export class ByteBudget {
  readonly #totalBytes: number;
  readonly #shareBytes: number;
  readonly #held = new Map<string, number>();
  /** Keys in the order of their next turn; each with its queue, which is never empty. */
  readonly #waiting = new Map<string, Waiting[]>();
  #usedBytes = 0;

  constructor(limits: ByteBudgetLimits) {
    this.#totalBytes = limits.totalBytes;
    this.#shareBytes = limits.shareBytes ?? Math.ceil(limits.totalBytes / 4);
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Takes at once when nobody waits and there is room. */
  tryTake(key: string, bytes: number): boolean {
    if (this.#waiting.size > 0 && !this.#isNext(key)) return false;
    if (this.#waiting.has(key) || !this.#fits(key, bytes)) return false;
    this.#take(key, bytes);
    return true;
  }

  /** Resolves when the bytes are taken. @throws the signal's reason when it is aborted before. */
  async take(key: string, bytes: number, options: CallOptions = {}): Promise<void> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.tryTake(key, bytes)) return;
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.#remove(key, waiting);
        this.#serve();
        reject(signal?.reason as Error);
      };
      const waiting: Waiting = {
        bytes,
        go: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const queue = this.#waiting.get(key);
      if (queue === undefined) this.#waiting.set(key, [waiting]);
      else queue.push(waiting);
      this.#serve();
    });
  }

  give(key: string, bytes: number): void {
    if (bytes === 0) return;
    const held = (this.#held.get(key) ?? 0) - bytes;
    assert(held >= 0, "no more is given back than was taken");
    if (held === 0) this.#held.delete(key);
    else this.#held.set(key, held);
    this.#usedBytes -= bytes;
    this.#serve();
  }

  /** Nobody waits but keys that have had their share, which the total does not concern. */
  #isNext(key: string): boolean {
    for (const [other, [first]] of this.#waiting)
      if (other !== key && first !== undefined && this.#inShare(other, first.bytes)) return false;
    return true;
  }

  #serve(): void {
    for (const key of this.#waiting.keys()) {
      const queue = this.#waiting.get(key);
      const first = queue?.[0];
      if (queue === undefined || first === undefined || !this.#inShare(key, first.bytes)) continue;
      // The next in turn waits for room: others must not take it away piece by piece.
      if (!this.#fits(key, first.bytes)) return;
      this.#waiting.delete(key);
      queue.shift();
      if (queue.length > 0) this.#waiting.set(key, queue);
      this.#take(key, first.bytes);
      first.go();
    }
  }

  #inShare(key: string, bytes: number): boolean {
    const held = this.#held.get(key) ?? 0;
    return held === 0 || held + bytes <= this.#shareOf(key);
  }

  /**
   * Who is alone may have half: with a quarter he would stand still half of the time. SECURITY: not more, for whoever
   * comes next must find room for a long message, however long this one holds on to his.
   */
  #shareOf(key: string): number {
    return this.#isAlone(key)
      ? Math.max(this.#shareBytes, Math.floor(this.#totalBytes / 2))
      : this.#shareBytes;
  }

  #isAlone(key: string): boolean {
    const others = this.#held.size - (this.#held.has(key) ? 1 : 0);
    const waiting = this.#waiting.size - (this.#waiting.has(key) ? 1 : 0);
    return others + waiting === 0;
  }

  #fits(key: string, bytes: number): boolean {
    return (
      this.#inShare(key, bytes) &&
      (this.#usedBytes === 0 || this.#usedBytes + bytes <= this.#totalBytes)
    );
  }

  #take(key: string, bytes: number): void {
    this.#held.set(key, (this.#held.get(key) ?? 0) + bytes);
    this.#usedBytes += bytes;
  }

  #remove(key: string, waiting: Waiting): void {
    const queue = this.#waiting.get(key);
    const at = queue?.indexOf(waiting) ?? -1;
    if (queue === undefined || at < 0) return;
    queue.splice(at, 1);
    if (queue.length === 0) this.#waiting.delete(key);
  }
}
