/**
 * Turns for deriving keys: few at the same time, since each takes a core and 64 MiB; addresses in rotation; and no more
 * waiting than can be served in reasonable time. Spec: kopia-server 12.11, which this answers.
 */
import type { CallOptions } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { FairGate } from "../../rpc/index.ts";

const AT_ONCE = 2;
const MAX_PER_ADDRESS = 32;
const MAX_WAITING = 256;

export class LoginQueue {
  readonly #gate = new FairGate(AT_ONCE);
  readonly #perAddress = new Map<string, number>();
  #size = 0;

  /** @throws SEJF_LOCKED when too many wait; the signal's reason. */
  async run<T>(address: string, work: () => Promise<T>, options: CallOptions = {}): Promise<T> {
    const here = this.#perAddress.get(address) ?? 0;
    if (this.#size >= MAX_WAITING || here >= MAX_PER_ADDRESS)
      throw new SejfError("SEJF_LOCKED", "too many logins are waiting at the moment", {
        retryable: true,
        hint: "try again in a few seconds",
      });
    this.#count(address, 1);
    try {
      return await this.#gate.run(address, work, options);
    } finally {
      this.#count(address, -1);
    }
  }

  #count(address: string, by: 1 | -1): void {
    this.#size += by;
    const here = (this.#perAddress.get(address) ?? 0) + by;
    if (here === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, here);
  }
}
