/** Lists directories before the walk comes to them, in the thread that is started ahead of its work. */
import type { Worker } from "node:worker_threads";
import type { LocalName } from "../../format/index.ts";
import { type DirectoryEntry, type ListingOrder, ListingMemory } from "../files/index.ts";
import type { ListDirectories } from "./protocol.ts";
import { earlyThread } from "./spare-thread.ts";

/** An older listing is not used: the walk was held up, and files have had time to change. */
const FRESH_MS = 2_000;
/** So many new ones make a message. */
const AT_ONCE = 8;

interface Ordered {
  readonly order: ListingOrder;
  /** Of `performance.now()`. */
  readonly sinceMs: number;
}

export class WalkAhead {
  readonly #thread: Worker;
  readonly #memory = new ListingMemory();
  readonly #ordered = new Map<string, Ordered>();

  private constructor(thread: Worker) {
    this.#thread = thread;
  }

  /** `undefined` where no thread was started ahead. */
  static create(): WalkAhead | undefined {
    const thread = earlyThread();
    return thread === undefined ? undefined : new WalkAhead(thread);
  }

  /** Asks for directories the walk will come to, the next one last, as long as there is room. */
  ask(directories: readonly { readonly local: LocalName }[]): void {
    const fresh = directories.filter(
      ({ local }) => typeof local === "string" && !this.#ordered.has(local),
    );
    if (fresh.length < AT_ONCE && fresh.length < directories.length) return;
    const orders: ListingOrder[] = [];
    for (const { local } of fresh.toReversed()) {
      const order = this.#memory.order(local as string);
      if (order === undefined) break;
      orders.push(order);
      this.#ordered.set(order.path, { order, sinceMs: performance.now() });
    }
    if (orders.length === 0) return;
    this.#thread.postMessage({
      op: "list",
      memory: this.#memory.buffer,
      orders,
    } satisfies ListDirectories);
  }

  /** The entries, if they are there; each listing is given once. */
  take(local: LocalName): DirectoryEntry[] | undefined {
    if (typeof local !== "string") return undefined;
    const ordered = this.#ordered.get(local);
    if (ordered === undefined) return undefined;
    this.#ordered.delete(local);
    const entries = this.#memory.take(ordered.order);
    return performance.now() - ordered.sinceMs <= FRESH_MS ? entries : undefined;
  }

  /** What was listed until now counts no more. */
  forget(): void {
    for (const { order } of this.#ordered.values()) this.#memory.take(order);
    this.#ordered.clear();
  }
}
