/**
 * How often somebody may try a login, an enrollment code or a reset. SECURITY: a client of OPAQUE knows after the server's
 * first answer whether its guess was right, and need not come back. So each beginning counts as a failure until the login
 * ends well; of those that nobody ended the audit log tells.
 */
import type { Clock } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { addressKey, LoginThrottle } from "../accounts/index.ts";
import type { Caller } from "./service-parts.ts";

export type TriedThing = "login" | "delete" | "enroll" | "reset";

export class LoginTries {
  readonly #throttle: LoginThrottle;

  constructor(clock: Clock) {
    this.#throttle = new LoginThrottle(clock);
  }

  /** Counts a try. @throws SEJF_LOCKED; the same for accounts that there are not. */
  begin(account: string, what: TriedThing, caller: Caller): void {
    const name = nameOf(account, what);
    const address = addressKey(caller.address);
    const { waitMs } = this.#throttle.waitMs(name, address);
    if (waitMs > 0)
      throw new SejfError("SEJF_LOCKED", "too many tries with a wrong password or code", {
        retryable: true,
        hint: `try again in ${Math.ceil(waitMs / 1000)} s`,
      });
    this.#throttle.failed(name, address);
  }

  /** It was no guess: from this address the account is known. */
  succeeded(account: string, what: TriedThing, caller: Caller): void {
    this.#throttle.succeeded(nameOf(account, what), addressKey(caller.address));
  }
}

/** Each has its own count: who guesses the one does not lock out the other. */
function nameOf(account: string, what: TriedThing): string {
  return `${account}#${what}`;
}
