/** Accounts, their passwords, and the gate that checks them. */
export { isAccountName, parseAccountName, partsOfName } from "./account-name.ts";
export type {
  AccountBook,
  AccountBookOptions,
  AccountChange,
  PasswordHash,
  StoredAccount,
} from "./types.ts";
