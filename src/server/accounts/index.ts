/** Accounts, their passwords, and the gate that checks them. */
export { isAccountName, parseAccountName } from "./account-name.ts";
export { openAccounts } from "./account-book.ts";
export type { ServerLogin } from "./authenticators.ts";
export { type HtpasswdFile, openHtpasswd } from "./htpasswd.ts";
export { createLoginGate, type LoginGateOptions } from "./login-gate.ts";
export { addressKey } from "./address-key.ts";
export { LoginThrottle, type ThrottleLimits } from "./login-throttle.ts";
export { formatPasswordHash, hashPassword, parsePasswordHash } from "./password-hash.ts";
export type {
  AccountBook,
  AccountBookOptions,
  AccountChange,
  FoundToken,
  PasswordHash,
  StoredAccount,
  TokenBook,
} from "./types.ts";
