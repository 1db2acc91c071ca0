/**
 * Lets writing jobs to the threads, and from time to time stops them to move claims into the committed index: the
 * claim table is bounded, and threads look up what is committed in files.
 */
import type { ClaimTable } from "./claim-table.ts";

export interface GateActions {
  /** All partial packs stored. */
  drain(): Promise<void>;
  /** The host writes the index. */
  commitIndex(): Promise<void>;
  /** Every thread looks into the host's present index. */
  refreshIndex(): Promise<void>;
}

export class UploadGate {
  readonly #claims: ClaimTable;
  readonly #actions: GateActions;
  #inside = 0;
  /** Claims that the jobs inside may still make. */
  #expected = 0;
  #stale = false;
  #turn: Promise<void> | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(claims: ClaimTable, actions: GateActions) {
    this.#claims = claims;
    this.#actions = actions;
  }

  /** The committed index has changed. */
  markStale(): void {
    this.#stale = true;
  }

  /** Runs a writing job that makes up to `claims` claims, when the gate is open. */
  async pass<R>(claims: number, job: () => Promise<R>): Promise<R> {
    while (this.#turn !== undefined) await this.#turn;
    if (this.#mustTurn(claims)) {
      this.#turn = this.#renew(claims);
      try {
        await this.#turn;
      } finally {
        this.#turn = undefined;
      }
    }
    this.#inside++;
    this.#expected += claims;
    try {
      return await job();
    } finally {
      this.#inside--;
      this.#expected -= claims;
      if (this.#inside === 0) this.#onEmpty?.();
    }
  }

  #mustTurn(claims: number): boolean {
    return this.#isFull(claims) || (this.#stale && this.#inside === 0);
  }

  #isFull(claims: number): boolean {
    const { count, limit } = this.#claims;
    return count > 0 && count + this.#expected + claims > limit;
  }

  async #renew(claims: number): Promise<void> {
    if (this.#inside > 0) {
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
      this.#onEmpty = undefined;
    }
    const full = this.#isFull(claims);
    if (full) {
      await this.#actions.drain();
      await this.#actions.commitIndex();
    }
    if (!full && !this.#stale) return;
    this.#stale = false;
    await this.#actions.refreshIndex();
    if (full) this.#claims.clear();
  }
}
