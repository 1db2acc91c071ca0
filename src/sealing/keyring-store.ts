/** Changes of the keyring on a sejf server: each is the version after the stored one, or is made again on that. */
import { isSejfError } from "../errors/index.ts";
import {
  decodeKeyring,
  encodeKeyring,
  type Keyring,
  lockKeyring,
  unlockKeyring,
} from "../sealed/index.ts";
import { type AccountClient, needsSejfServer } from "./account-client.ts";
import type { EnrollTools } from "./enroll.ts";
import type { UnlockedAccount } from "./unlock.ts";

const MAX_ATTEMPTS = 4;

/** With a session. @throws SEJF_UNSUPPORTED where no server keeps the account. */
export function sessionOf({ client }: UnlockedAccount, what: string): AccountClient {
  if (client === undefined) throw needsSejfServer(what);
  return client;
}

/**
 * The account with the changed keyring, stored under its password. What another device stored meanwhile stays.
 * @throws SEJF_ALREADY_EXISTS when others change it all the time; SEJF_CORRUPT for a keyring that went back.
 */
export async function changeKeyring(
  tools: EnrollTools,
  account: string,
  unlocked: UnlockedAccount,
  change: (keyring: Keyring) => Keyring,
): Promise<UnlockedAccount> {
  const client = sessionOf(unlocked, "changing the keyring");
  const { keys, password } = unlocked;
  const lock = { ...tools, account, accountKey: keys.accountKey, password };
  let { keyring } = unlocked;
  for (let attempt = 1; ; attempt++) {
    const next = { ...change(keyring), version: keyring.version + 1 };
    const text = await lockKeyring(lock, encodeKeyring(next), tools.random);
    try {
      await client.putDocument("keyring", { version: next.version, text });
      return { ...unlocked, keyring: next };
    } catch (error) {
      if (!isSejfError(error, "SEJF_ALREADY_EXISTS") || attempt === MAX_ATTEMPTS) throw error;
    }
    const stored = await client.document("keyring");
    if (stored !== undefined)
      keyring = decodeKeyring(await unlockKeyring(lock, stored.text), keyring.version);
  }
}
