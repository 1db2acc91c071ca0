/**
 * The accounts in the repository's manifests, with a short-lived view of them. Items are never changed, so what was read
 * of one is kept as long as it is the one that counts. Spec: kopia-server 7.1.
 */
import type { CallOptions } from "../../bytes/index.ts";
import type { CryptoEngine } from "../../crypto/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import { type ManifestId, type ManifestMetadata, newestOf } from "../../manifest/index.ts";
import { nodeCryptoEngine } from "../../node/index.ts";
import { TOKEN_PREFIX } from "../../sealed/index.ts";
import { ShortLived } from "../short-lived.ts";
import type { AccountName } from "../types.ts";
import { parseAccountName } from "./account-name.ts";
import { hashPassword } from "./password-hash.ts";
import {
  accountLabels,
  type AccountSettings,
  DEFAULT_SETTINGS,
  encodeProfile,
  encodeSettings,
  nameOfLabels,
  PROFILE_TYPE,
  SEALED_TYPES,
  SETTINGS_TYPE,
  toAccount,
} from "./profile.ts";
import type { AccountBook, AccountBookOptions, AccountChange, StoredAccount } from "./types.ts";

const DEFAULT_REFRESH_MS = 10_000;

/** Costs nothing until the first question. */
export function openAccounts(options: AccountBookOptions): AccountBook {
  return new ManifestAccountBook(options);
}

/** The items that count, by account. */
interface View {
  readonly profiles: ReadonlyMap<AccountName, ManifestId>;
  readonly settings: ReadonlyMap<AccountName, ManifestId>;
}

class ManifestAccountBook implements AccountBook {
  readonly #options: AccountBookOptions;
  readonly #engine: CryptoEngine;
  readonly #view: ShortLived<View>;
  /** Data of items, for those of the present view. */
  #data: Map<ManifestId, unknown> = new Map();

  constructor(options: AccountBookOptions) {
    this.#options = options;
    this.#engine = options.engine ?? nodeCryptoEngine;
    this.#view = new ShortLived({
      clock: options.clock,
      lifeMs: options.refreshMs ?? DEFAULT_REFRESH_MS,
      read: async () => await this.#load(),
    });
  }

  async find(name: string, options: CallOptions = {}): Promise<StoredAccount | undefined> {
    return await this.#find(name as AccountName, await this.#view.get(options), options);
  }

  async settingsOf(name: string, options: CallOptions = {}): Promise<StoredAccount> {
    return await this.#account(parseAccountName(name), await this.#view.get(options), options);
  }

  async list(options: CallOptions = {}): Promise<readonly StoredAccount[]> {
    const view = await this.#view.get(options);
    const accounts: StoredAccount[] = [];
    for (const name of new Set([...view.profiles.keys(), ...view.settings.keys()])) {
      const account = await this.#find(name, view, options);
      if (account !== undefined) accounts.push(account);
    }
    return accounts.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async set(text: string, change: AccountChange, options: CallOptions = {}): Promise<void> {
    const name = parseAccountName(text);
    await this.#assertPossible(name, change, options);
    const hash =
      change.password === undefined
        ? change.passwordHash
        : await hashPassword(change.password, this.#engine, this.#options.random);
    if (hash !== undefined)
      await this.#replace(PROFILE_TYPE, name, encodeProfile(name, hash), options);
    if (
      change.appendOnly !== undefined ||
      change.encryption !== undefined ||
      change.quotaBytes !== undefined
    )
      await this.#changeSettings(name, change, options);
    this.refresh();
  }

  async delete(text: string, options: CallOptions = {}): Promise<boolean> {
    const name = parseAccountName(text);
    const { manifests } = this.#options;
    const items = [
      ...(await this.#items(PROFILE_TYPE, name, options)),
      ...(await this.#items(SETTINGS_TYPE, name, options)),
    ];
    for (const type of SEALED_TYPES)
      items.push(...(await manifests.find(accountLabels(type, name), options)));
    for (const { id } of items) await manifests.delete(id, options);
    this.refresh();
    return items.length > 0;
  }

  refresh(): void {
    this.#view.forget();
  }

  /** An account has a password of Kopia's, or is a sealed one. */
  async #find(
    name: AccountName,
    view: View,
    options: CallOptions,
  ): Promise<StoredAccount | undefined> {
    const hasProfile = view.profiles.has(name);
    if (!hasProfile && !view.settings.has(name)) return undefined;
    const account = await this.#account(name, view, options);
    return hasProfile || account.encryption === "client" ? account : undefined;
  }

  /**
   * SECURITY: who can read an account's data is decided when it is made. A sealed account that became a managed one would
   * take plaintext from a client that is told so. @throws SEJF_INVALID_ARGUMENT.
   */
  async #assertPossible(
    name: AccountName,
    { password, passwordHash, encryption }: AccountChange,
    options: CallOptions,
  ): Promise<void> {
    const account = await this.find(name, options);
    if (account !== undefined && encryption !== undefined && encryption !== account.encryption)
      throw new SejfError(
        "SEJF_INVALID_ARGUMENT",
        `${name} is ${account.encryption === "client" ? "sealed" : "no sealed account"}, and stays so`,
        { hint: "delete the account and add it again, or add one of another name" },
      );
    const isSealed = (encryption ?? account?.encryption) === "client";
    if (isSealed && (password !== undefined || passwordHash !== undefined))
      throw new SejfError(
        "SEJF_INVALID_ARGUMENT",
        `${name} is sealed: the server has no password`,
        {
          hint: "the user chooses it at enrollment, and changes it with `account password`",
        },
      );
    if (password?.startsWith(TOKEN_PREFIX) === true)
      throw new SejfError("SEJF_INVALID_ARGUMENT", `passwords do not begin with ${TOKEN_PREFIX}`);
  }

  async #changeSettings(
    name: AccountName,
    change: AccountChange,
    options: CallOptions,
  ): Promise<void> {
    const { appendOnly, encryption, quotaBytes } = await this.settingsOf(name, options);
    const settings: AccountSettings = {
      appendOnly: change.appendOnly ?? appendOnly,
      encryption: change.encryption ?? encryption,
      quotaBytes: change.quotaBytes === undefined ? quotaBytes : (change.quotaBytes ?? undefined),
    };
    const isDefault = Object.entries(DEFAULT_SETTINGS).every(
      ([key, value]) => settings[key as keyof AccountSettings] === value,
    );
    await this.#replace(
      SETTINGS_TYPE,
      name,
      isDefault ? undefined : encodeSettings(settings),
      options,
    );
  }

  /** The new item first: whenever this is interrupted one of them counts. */
  async #replace(
    type: string,
    name: AccountName,
    data: object | undefined,
    options: CallOptions,
  ): Promise<void> {
    const { manifests } = this.#options;
    const old = await this.#items(type, name, options);
    if (data !== undefined) await manifests.put(accountLabels(type, name), data, options);
    for (const { id } of old) await manifests.delete(id, options);
  }

  async #items(
    type: string,
    name: AccountName,
    options: CallOptions,
  ): Promise<readonly ManifestMetadata[]> {
    const found = await this.#options.manifests.find(accountLabels(type, name), options);
    return found.filter(({ labels }) => nameOfLabels(labels) === name);
  }

  async #account(name: AccountName, view: View, options: CallOptions): Promise<StoredAccount> {
    return toAccount(name, {
      profile: await this.#read(view.profiles.get(name), options),
      settings: await this.#read(view.settings.get(name), options),
    });
  }

  /** `undefined` without an item; `null`, which is no account's data, for one that has gone meanwhile. */
  async #read(id: ManifestId | undefined, options: CallOptions): Promise<unknown> {
    if (id === undefined) return undefined;
    if (!this.#data.has(id)) this.#data.set(id, await this.#fetch(id, options));
    return this.#data.get(id);
  }

  async #fetch(id: ManifestId, options: CallOptions): Promise<unknown> {
    try {
      return (await this.#options.manifests.get(id, options)).data;
    } catch (error) {
      if (isSejfError(error, "SEJF_MANIFEST_NOT_FOUND")) return null;
      throw error;
    }
  }

  async #load(): Promise<View> {
    const profiles = await this.#newest(PROFILE_TYPE);
    const settings = await this.#newest(SETTINGS_TYPE);
    const counting = new Set([...profiles.values(), ...settings.values()]);
    this.#data = new Map([...this.#data].filter(([id]) => counting.has(id)));
    return { profiles, settings };
  }

  async #newest(type: string): Promise<ReadonlyMap<AccountName, ManifestId>> {
    const byName = new Map<AccountName, ManifestMetadata>();
    for (const item of await this.#options.manifests.find({ type })) {
      const name = nameOfLabels(item.labels);
      if (name === undefined) continue;
      const best = byName.get(name);
      byName.set(name, newestOf(best === undefined ? [item] : [best, item]) ?? item);
    }
    return new Map([...byName].map(([name, { id }]) => [name, id]));
  }
}
