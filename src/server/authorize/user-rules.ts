/**
 * Profiles from clients: an account may set its own password, and nothing else. SECURITY: with another name in the JSON
 * a later `server user set` of the operator would change the password of that one in a kopia. Spec: kopia-server 12.5.
 */
import * as z from "zod";
import { SejfError } from "../../errors/index.ts";
import { encodeProfile } from "../accounts/profile.ts";
import { decodePasswordHash } from "../accounts/password-hash.ts";
import type { AccessRights, Account } from "../types.ts";
import type { Labels } from "../../manifest/index.ts";

const PROFILE = z.strictObject({
  username: z.string(),
  passwordHashVersion: z.number().optional(),
  passwordHash: z.string(),
});

export interface NewProfile {
  readonly account: Account;
  readonly rights: AccessRights;
  readonly labels: Labels;
  readonly json: object;
}

/** What is to be stored: the same in our own words. @throws SEJF_INVALID_ARGUMENT, SEJF_ACCESS_DENIED. */
export function checkedProfile({ account, rights, labels, json }: NewProfile): object {
  if (labels["username"] !== account.name)
    throw new SejfError("SEJF_ACCESS_DENIED", "access denied: this is another account's profile");
  // A new profile counts in place of the old one, so adding is replacing.
  if (account.appendOnly || rights.manifest(labels) !== "FULL")
    throw new SejfError(
      "SEJF_ACCESS_DENIED",
      `access denied: ${account.name} may not change its password`,
      {
        hint: "the server's operator can, with `server user set`",
      },
    );
  const { data: profile } = PROFILE.safeParse(json);
  if (profile?.username !== account.name)
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      "the profile is malformed, or names another account than its label",
    );
  const hash = decodePasswordHash(profile.passwordHashVersion, profile.passwordHash);
  if (hash === undefined)
    throw new SejfError("SEJF_INVALID_ARGUMENT", "the password hash of the profile is malformed");
  return encodeProfile(account.name, hash);
}
