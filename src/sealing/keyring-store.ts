/**
 * Changes of the keyring: each is the version after the stored one, or is made again on that, so that what another device
 * stored meanwhile stays. On a sejf server, which counts versions, or in the repository itself, where what came of it is
 * looked at.
 */
import { isSejfError, SejfError } from "../errors/index.ts";
import {
  type AccountKeys,
  decodeKeyring,
  encodeKeyring,
  type Keyring,
  lockKeyring,
  unlockKeyring,
  writeKeyringCopy,
} from "../sealed/index.ts";
import { type AccountClient, needsSejfServer } from "./account-client.ts";
import type { DocumentStore } from "./documents.ts";
import type { EnrollTools } from "./enroll.ts";
import type { UnlockedAccount } from "./unlock.ts";

const MAX_ATTEMPTS = 4;

/** Where an account's keyring is. */
export interface KeyringPlace {
  readonly tools: EnrollTools;
  readonly account: string;
  /** Looked at where no sejf server keeps the account. */
  readonly documents?: DocumentStore | undefined;
}

/** What a keyring is locked with. */
export type KeyringSecrets = Pick<UnlockedAccount, "keys" | "password">;

/** With a session. @throws SEJF_UNSUPPORTED where no server keeps the account. */
export function sessionOf({ client }: UnlockedAccount, what: string): AccountClient {
  if (client === undefined) throw needsSejfServer(what);
  return client;
}

/** The keyring's file: locked with the password, and beside it the copy that the recovery kit opens. */
export async function keyringText(
  tools: EnrollTools,
  account: string,
  { keys, password }: { readonly keys: AccountKeys; readonly password: string },
  keyring: Keyring,
): Promise<string> {
  const lock = { ...tools, account, accountKey: keys.accountKey, password };
  const file = await lockKeyring(lock, encodeKeyring(keyring), tools.random);
  const copy = await writeKeyringCopy(keys, account, keyring);
  return JSON.stringify({ ...(JSON.parse(file) as object), copy });
}

/**
 * The account with the changed keyring, stored under its password, or under `next`. `change` may be made again on its own
 * outcome. @throws SEJF_ALREADY_EXISTS when
 * others change it all the time; SEJF_CORRUPT for a keyring that went back.
 */
export async function changeKeyring(
  place: KeyringPlace,
  unlocked: UnlockedAccount,
  change: (keyring: Keyring) => Keyring,
  next: KeyringSecrets = unlocked,
): Promise<UnlockedAccount> {
  const { tools, account } = place;
  const store = unlocked.client === undefined ? inRepository(place) : onServer(unlocked.client);
  let { keyring } = unlocked;
  if (unlocked.client === undefined) keyring = await stored(place, unlocked, await store.load());
  for (let attempt = 1; ; attempt++) {
    const changed = { ...change(keyring), version: keyring.version + 1 };
    const text = await keyringText(tools, account, next, changed);
    if (await store.save(changed.version, text)) return { ...unlocked, ...next, keyring: changed };
    if (attempt === MAX_ATTEMPTS)
      throw new SejfError("SEJF_ALREADY_EXISTS", "other devices change the keyring all the time", {
        hint: "try again",
      });
    keyring = await stored(place, unlocked, await store.load(), keyring);
  }
}

interface KeyringFiles {
  load(): Promise<string | undefined>;
  /** Whether it is what is stored now. */
  save(version: number, text: string): Promise<boolean>;
}

function onServer(client: AccountClient): KeyringFiles {
  return {
    load: async () => (await client.document("keyring"))?.text,
    async save(version, text) {
      try {
        await client.putDocument("keyring", { version, text });
        return true;
      } catch (error) {
        if (isSejfError(error, "SEJF_ALREADY_EXISTS")) return false;
        throw error;
      }
    },
  };
}

/** Nobody refuses a second one there: whose is the newest has won, and the other one takes his over. */
function inRepository({ documents }: KeyringPlace): KeyringFiles {
  if (documents === undefined) throw needsSejfServer("changing the keyring");
  const load = async (): Promise<string | undefined> => {
    await documents.refresh?.();
    return await documents.load("keyring");
  };
  return {
    load,
    async save(_version, text) {
      await documents.save("keyring", text);
      return (await load()) === text;
    },
  };
}

/** As it is stored now. @throws SEJF_CORRUPT when it is older than the known one. */
async function stored(
  { tools, account }: KeyringPlace,
  { keys, password, keyring }: UnlockedAccount,
  text: string | undefined,
  known: Keyring = keyring,
): Promise<Keyring> {
  if (text === undefined) return known;
  const lock = { ...tools, account, accountKey: keys.accountKey, password };
  return decodeKeyring(await unlockKeyring(lock, text), known.version);
}
