/** Placeholder until the retention room has its body. */
import type { AccountRetention, AccountRetentionOptions } from "../retention/index.ts";

export function createAccountRetention(_options: AccountRetentionOptions): AccountRetention {
  return {
    apply: async () => await Promise.resolve([]),
    run: async () => await Promise.resolve({ expired: [] }),
  };
}
