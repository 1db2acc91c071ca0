/**
 * Opening a sealed account: the password, where there is a server a login with it, and the keyring behind both. Spec:
 * sealed 3.
 */
import { base64UrlToBytes, type OwnedBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";
import {
  type AccountKeys,
  type Argon2id,
  decodeKeyring,
  deriveAccountKeys,
  identityToSeed,
  type Keyring,
  unlockKeyring,
} from "../sealed/index.ts";
import type { AccountOpener } from "./account.ts";
import { AccountClient } from "./account-client.ts";
import type { DeviceState } from "./device-file.ts";
import type { DocumentStore } from "./documents.ts";
import { hidden } from "./hidden.ts";
import type { HttpsServer } from "./https-json.ts";
import { type LoginPurpose, startLogin } from "./opaque-client.ts";

/** What somebody who typed the password has. Kept in memory, never stored. */
export interface UnlockedAccount {
  readonly keys: AccountKeys;
  readonly seed: OwnedBytes;
  readonly keyring: Keyring;
  readonly password: string;
  /** With a session's token; absent without a sejf server. */
  readonly client: AccountClient | undefined;
}

export interface UnlockOptions {
  readonly engine: CryptoEngine;
  readonly argon2id: Argon2id;
  readonly account: string;
  readonly accountKey: Uint8Array;
  /** Absent: nobody guards the account, its keyring is all there is. */
  readonly server: HttpsServer | undefined;
  /** The OPAQUE key that was pinned. */
  readonly opaqueKey: string | undefined;
  /** Where the keyring is without a server. */
  readonly documents: DocumentStore | undefined;
  /** The newest version that was seen. */
  readonly keyringVersion: number;
}

/** A session's token. @throws SEJF_INVALID_PASSWORD, SEJF_LOCKED after too many failures, SEJF_CONNECTION. */
export async function logIn(
  options: Pick<UnlockOptions, "engine" | "account" | "accountKey" | "opaqueKey">,
  server: HttpsServer,
  password: string,
): Promise<AccountClient> {
  const client = new AccountClient(server);
  const { finish } = await exchange(client, options, "login", password);
  const { token } = await client.finishLogin(finish);
  return client.withToken(token);
}

/** Proof of the delete password for one operation. @throws as `logIn`. */
export async function logInToDelete(
  options: Pick<UnlockOptions, "engine" | "account" | "accountKey" | "opaqueKey">,
  server: HttpsServer,
  password: string,
): Promise<{
  readonly stepUpId: string;
  readonly nonce: string;
  readonly expires: string;
  readonly sessionKey: OwnedBytes;
}> {
  const client = new AccountClient(server);
  const { finish, sessionKey } = await exchange(client, options, "delete", password);
  return { ...(await client.finishStepUp(finish)), sessionKey: base64UrlToBytes(sessionKey) };
}

async function exchange(
  client: AccountClient,
  options: Pick<UnlockOptions, "engine" | "account" | "accountKey" | "opaqueKey">,
  purpose: LoginPurpose,
  password: string,
): Promise<{
  readonly finish: { readonly loginId: string; readonly finishLoginRequest: string };
  readonly sessionKey: string;
}> {
  const { account } = options;
  const login = await startLogin(options, purpose, password);
  const started = await client.startLogin({
    account,
    purpose,
    startLoginRequest: login.request,
  });
  const done = login.finish(started.loginResponse, options.opaqueKey);
  return {
    finish: { loginId: started.loginId, finishLoginRequest: done.request },
    sessionKey: done.sessionKey,
  };
}

/** @throws SEJF_INVALID_PASSWORD; SEJF_CORRUPT for a keyring that went back or is another account's. */
export async function unlockAccount(
  options: UnlockOptions,
  password: string,
): Promise<UnlockedAccount> {
  const { engine, argon2id, account, accountKey, server, documents, keyringVersion } = options;
  const client = server === undefined ? undefined : await logIn(options, server, password);
  const text =
    client === undefined
      ? await documents?.load("keyring")
      : (await client.document("keyring"))?.text;
  if (text === undefined)
    throw new SejfError("SEJF_NOT_FOUND", `there is no keyring of ${account}`, {
      hint: "the recovery kit can make a new one: `sejf recover`",
    });
  const lock = { engine, argon2id, account, accountKey, password };
  const keyring = decodeKeyring(await unlockKeyring(lock, text), keyringVersion);
  const seed = identityToSeed(keyring.identity);
  const keys = await deriveAccountKeys(engine, seed);
  return hidden({ keys, seed, keyring, password, client }, `opened account ${account}`);
}

/** Asks when something wants to read, and once. */
export class PasswordOpener implements AccountOpener {
  readonly #device: DeviceState;
  readonly #engine: CryptoEngine;
  readonly #unlock: () => Promise<UnlockedAccount>;
  #unlocked: Promise<UnlockedAccount> | undefined;
  #kept: Promise<AccountKeys> | undefined;

  /** `unlock` asks for the password. */
  constructor(engine: CryptoEngine, device: DeviceState, unlock: () => Promise<UnlockedAccount>) {
    this.#engine = engine;
    this.#device = device;
    this.#unlock = unlock;
  }

  /** By the password, whatever the device keeps. */
  async unlocked(): Promise<UnlockedAccount> {
    this.#unlocked ??= this.#unlock();
    try {
      return await this.#unlocked;
    } catch (error) {
      this.#unlocked = undefined;
      throw error;
    }
  }

  async identity(): Promise<string> {
    return (await this.#keys()).identity;
  }

  async signingSeed(): Promise<OwnedBytes> {
    return (await this.#keys()).signingSeed;
  }

  async formerIdentities(): Promise<readonly string[]> {
    const { identity, formerIdentities = [] } = this.#device;
    if (identity !== undefined) return formerIdentities;
    return (await this.unlocked()).keyring.formerIdentities ?? [];
  }

  async #keys(): Promise<AccountKeys> {
    const { identity } = this.#device;
    if (identity === undefined) return (await this.unlocked()).keys;
    this.#kept ??= deriveAccountKeys(this.#engine, identityToSeed(identity));
    return await this.#kept;
  }
}
