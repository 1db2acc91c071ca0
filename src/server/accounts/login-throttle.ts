/**
 * How long the next try has to wait after failures, by account and by address. An address from which an account came in
 * before has a count of its own for that account: a stranger who guesses cannot lock the owner out of his usual place.
 * SECURITY: tables are bounded. Who wants to push an entry out needs thousands of tries, which wait themselves.
 */
import { LRUCache } from "lru-cache";
import type { Clock } from "../../bytes/index.ts";

export interface ThrottleLimits {
  /** Failures of one account, wherever from, that cost no waiting. Default 5. */
  readonly freePerAccount?: number | undefined;
  /** Failures from one address, whatever the account. Default 20. */
  readonly freePerAddress?: number | undefined;
  /** The first wait; each further failure doubles it. Default 1 s. */
  readonly firstWaitMs?: number | undefined;
  /** Default 5 min. */
  readonly maxWaitMs?: number | undefined;
  /** After so long without a failure they are forgotten. Default 30 min. */
  readonly forgetMs?: number | undefined;
}

interface Failures {
  count: number;
  lastMs: number;
  /** Whether somebody was told of the present wait. */
  told: boolean;
}

interface Key {
  readonly table: LRUCache<string, Failures>;
  readonly key: string;
  readonly free: number;
}

const TABLE_ENTRIES = 10_000;
/** Doubling beyond it would not be a number any more. */
const MAX_DOUBLINGS = 40;

export class LoginThrottle {
  readonly #clock: Clock;
  readonly #limits: { readonly [K in keyof ThrottleLimits]-?: number };
  readonly #accounts = new LRUCache<string, Failures>({ max: TABLE_ENTRIES });
  readonly #addresses = new LRUCache<string, Failures>({ max: TABLE_ENTRIES });
  readonly #pairs = new LRUCache<string, Failures>({ max: TABLE_ENTRIES });

  constructor(clock: Clock, limits: ThrottleLimits = {}) {
    this.#clock = clock;
    this.#limits = {
      freePerAccount: limits.freePerAccount ?? 5,
      freePerAddress: limits.freePerAddress ?? 20,
      firstWaitMs: limits.firstWaitMs ?? 1000,
      maxWaitMs: limits.maxWaitMs ?? 5 * 60_000,
      forgetMs: limits.forgetMs ?? 30 * 60_000,
    };
  }

  /** 0: now. `first` is true once a wait: the rest need not be written down. */
  waitMs(name: string, address: string): { readonly waitMs: number; readonly first: boolean } {
    let longest = 0;
    let first = false;
    for (const key of this.#keysOf(name, address)) {
      const failures = key.table.get(key.key);
      if (failures === undefined) continue;
      const waitMs = this.#remaining(failures, key.free);
      if (waitMs <= longest) continue;
      longest = waitMs;
      first ||= !failures.told;
      failures.told = true;
    }
    return { waitMs: longest, first };
  }

  /** The result takes it back, once: for tries that count as failures until they end well. */
  failed(name: string, address: string): () => void {
    const now = this.#clock.nowMs();
    const keys = this.#keysOf(name, address);
    for (const { table, key } of keys) {
      const old = table.get(key);
      const kept = old !== undefined && !this.#isOld(old) ? old.count : 0;
      table.set(key, { count: kept + 1, lastMs: now, told: false });
    }
    let isTaken = false;
    return () => {
      if (isTaken) return;
      isTaken = true;
      for (const { table, key } of keys) {
        const failures = table.get(key);
        if (failures !== undefined) failures.count = Math.max(0, failures.count - 1);
      }
    };
  }

  /** The pair is known from now on. Counts of the account and of the address stay: they may be of somebody else. */
  succeeded(name: string, address: string): void {
    this.#pairs.set(pairKey(name, address), {
      count: 0,
      lastMs: this.#clock.nowMs(),
      told: false,
    });
  }

  #keysOf(name: string, address: string): readonly Key[] {
    const pair = pairKey(name, address);
    const { freePerAccount, freePerAddress } = this.#limits;
    if (this.#pairs.has(pair)) return [{ table: this.#pairs, key: pair, free: freePerAccount }];
    return [
      { table: this.#accounts, key: name, free: freePerAccount },
      { table: this.#addresses, key: address, free: freePerAddress },
    ];
  }

  /** A clock that was set back does not prolong a wait. */
  #remaining(failures: Failures, free: number): number {
    if (failures.count < free || this.#isOld(failures)) return 0;
    const { firstWaitMs, maxWaitMs } = this.#limits;
    const doublings = Math.min(MAX_DOUBLINGS, failures.count - free);
    const waitMs = Math.min(maxWaitMs, firstWaitMs * 2 ** doublings);
    const elapsed = Math.max(0, this.#clock.nowMs() - failures.lastMs);
    return Math.max(0, Math.ceil(waitMs - elapsed));
  }

  #isOld({ lastMs }: Failures): boolean {
    return this.#clock.nowMs() - lastMs > this.#limits.forgetMs;
  }
}

function pairKey(name: string, address: string): string {
  return JSON.stringify([name, address]);
}
