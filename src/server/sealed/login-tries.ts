/**
 * How often somebody may try a login, an enrollment code or a reset. SECURITY: a client of OPAQUE knows after the server's
 * first answer whether its guess was right, and need not come back. So each beginning counts as a failure until the login
 * ends well; of those that nobody ended the audit log tells.
 */
import type { Clock } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { addressKey, LoginThrottle } from "../accounts/index.ts";
import type { AuditLog } from "../types.ts";
import type { Caller } from "./service-parts.ts";

export type TriedThing = "login" | "delete" | "enroll" | "reset";

export class LoginTries {
  readonly #throttle: LoginThrottle;
  readonly #audit: AuditLog;

  constructor(clock: Clock, audit: AuditLog) {
    this.#throttle = new LoginThrottle(clock);
    this.#audit = audit;
  }

  /**
   * Counts a try; to be called when it was no guess: then it does not count, and the account is known from this address.
   * @throws SEJF_LOCKED; the same for accounts that there are not.
   */
  begin(account: string, what: TriedThing, caller: Caller): () => void {
    const name = nameOf(account, what);
    const address = addressKey(caller.address);
    const { waitMs, first } = this.#throttle.waitMs(name, address);
    if (waitMs === 0) {
      const takeBack = this.#throttle.failed(name, address);
      return () => {
        takeBack();
        this.#throttle.succeeded(name, address);
      };
    }
    const waitS = Math.ceil(waitMs / 1000);
    if (first)
      this.#audit.record({
        action: `login.${what}`,
        who: account,
        from: caller.from,
        result: "denied",
        detail: `too many tries that nobody ended well, not tried for ${waitS} s`,
      });
    throw new SejfError("SEJF_LOCKED", "too many tries with a wrong password or code", {
      retryable: true,
      hint: `try again in ${waitS} s`,
    });
  }
}

/** Each has its own count: who guesses the one does not lock out the other. */
function nameOf(account: string, what: TriedThing): string {
  return `${account}#${what}`;
}
