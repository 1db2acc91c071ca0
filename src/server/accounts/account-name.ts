/** Names of accounts. SECURITY: everything that decides by a name takes it from labels or logins, through here. */
import { SejfError } from "../../errors/index.ts";
import type { AccountName } from "../types.ts";

/** As Kopia writes them; `@` exactly once, nothing empty. */
const PATTERN = /^[a-z0-9\-_.]+@[a-z0-9\-_.]+$/;
const MAX_CHARACTERS = 320;

export function isAccountName(text: string): text is AccountName {
  return text.length <= MAX_CHARACTERS && PATTERN.test(text);
}

/** @throws SEJF_INVALID_ARGUMENT. */
export function parseAccountName(text: string): AccountName {
  if (isAccountName(text)) return text;
  throw new SejfError(
    "SEJF_INVALID_ARGUMENT",
    `${JSON.stringify(text)} is no name of an account, expected user@host`,
    { hint: "lower-case letters, digits, dashes, underscores and dots, with one @ in the middle" },
  );
}

/** What stands on both sides of the `@`. */
export function partsOfName(name: AccountName): {
  readonly username: string;
  readonly hostname: string;
} {
  const at = name.indexOf("@");
  return { username: name.slice(0, at), hostname: name.slice(at + 1) };
}
