/**
 * The lists of who may come in, asked in Kopia's order: htpasswd file, user of the web interface, control user, accounts
 * of the repository. Each gives its own kind of proof, and the proof alone decides the role. Spec: kopia-server 7.3.
 */
import { type CallOptions, equalBytes, type Random, utf8ToBytes } from "../../bytes/index.ts";
import { type CryptoEngine, equalSecrets } from "../../crypto/index.ts";
import { TOKEN_PREFIX } from "../../sealed/index.ts";
import type { Account, LoginRequest, Principal } from "../types.ts";
import { isAccountName } from "./account-name.ts";
import type { HtpasswdFile } from "./htpasswd.ts";
import { MAX_PASSWORD_BYTES, NO_PASSWORD, passwordMatches } from "./password-hash.ts";
import type { AccountBook, StoredAccount, TokenBook } from "./types.ts";

/** A name and password of the operator's own settings. */
export interface ServerLogin {
  readonly name: string;
  /** `undefined`: no password lets him in, only a line of the htpasswd file. */
  readonly password?: string | undefined;
}

/** What let somebody in. */
export type Proof =
  | { readonly by: "ui" | "control" }
  | { readonly by: "htpasswd"; readonly hash: string }
  | { readonly by: "account"; readonly saltAndKey: Uint8Array }
  | { readonly by: "token"; readonly sha256: string };

export interface AuthenticatorOptions {
  readonly accounts: AccountBook;
  /** Of sealed accounts. */
  readonly tokens?: TokenBook | undefined;
  readonly htpasswd?: HtpasswdFile | undefined;
  readonly ui?: ServerLogin | undefined;
  readonly control?: ServerLogin | undefined;
  readonly random: Random;
  readonly engine: CryptoEngine;
}

export class Authenticators {
  readonly #options: AuthenticatorOptions;
  readonly #key: Uint8Array;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#key = options.random.bytes(32);
  }

  /** `undefined` for a wrong name or password. One key is derived in any case that is not let in. */
  async prove(request: LoginRequest): Promise<Proof | undefined> {
    const { name, password, door } = request;
    const { ui, control, accounts, engine } = this.#options;
    if (password === "" || utf8ToBytes(password).length > MAX_PASSWORD_BYTES) return undefined;
    // Whatever the name: how long it takes tells nothing of it.
    if (password.startsWith(TOKEN_PREFIX)) return await this.#proveByToken(request);
    const byFile = await this.#proveByFile(request);
    if (byFile !== undefined) return byFile;
    if (door === "http" && this.#equals(request, ui)) return { by: "ui" };
    if (door === "http" && this.#equals(request, control)) return { by: "control" };
    const account = await accounts.find(name);
    const stored = account?.password ?? NO_PASSWORD;
    const matches = await passwordMatches(password, stored, engine);
    return matches && account?.password !== undefined
      ? { by: "account", saltAndKey: stored.saltAndKey }
      : undefined;
  }

  /** Who that is by now; `undefined` when the proof does not count any more. Derives no key. */
  async principalOf(
    { name, door }: LoginRequest,
    proof: Proof,
    options: CallOptions = {},
  ): Promise<Principal | undefined> {
    switch (proof.by) {
      case "ui":
      case "control":
        return { role: proof.by, name };
      case "htpasswd":
        return this.#options.htpasswd?.hashOf(name) === proof.hash
          ? await this.#roleInFile(name, door, options)
          : undefined;
      case "account": {
        const account = await this.#options.accounts.find(name, options);
        const same =
          account?.password !== undefined &&
          equalBytes(account.password.saltAndKey, proof.saltAndKey);
        return same ? { role: "account", account: withoutPassword(account) } : undefined;
      }
      case "token":
        return await this.#roleByToken(name, proof.sha256, options);
    }
  }

  async #proveByToken({ name, password }: LoginRequest): Promise<Proof | undefined> {
    const found = await this.#options.tokens?.find(name, password);
    return found === undefined ? undefined : { by: "token", sha256: found.sha256 };
  }

  /** SECURITY: a device's token only adds, whatever its account may do. */
  async #roleByToken(
    name: string,
    sha256: string,
    options: CallOptions,
  ): Promise<Principal | undefined> {
    const { accounts, tokens } = this.#options;
    const account = await accounts.find(name, options);
    if (account?.encryption !== "client" || account.problem !== undefined) return undefined;
    const token = await tokens?.renew(name, sha256, options);
    if (token === undefined) return undefined;
    const appendOnly = account.appendOnly || token.scope !== "session";
    return { role: "account", account: { ...withoutPassword(account), appendOnly }, token };
  }

  async #proveByFile({ name, password, door }: LoginRequest): Promise<Proof | undefined> {
    const { htpasswd } = this.#options;
    const hash = htpasswd?.hashOf(name);
    if (htpasswd === undefined || hash === undefined) return undefined;
    if ((await this.#roleInFile(name, door)) === undefined) return undefined;
    return (await htpasswd.matches(password, hash)) ? { by: "htpasswd", hash } : undefined;
  }

  /** The file is the operator's, and so are the names in it that he gave a role. */
  async #roleInFile(
    name: string,
    door: LoginRequest["door"],
    options: CallOptions = {},
  ): Promise<Principal | undefined> {
    const { ui, control, accounts } = this.#options;
    if (door === "http" && name === ui?.name) return { role: "ui", name };
    if (door === "http" && name === control?.name) return { role: "control", name };
    if (!isAccountName(name)) return undefined;
    const account = await accounts.settingsOf(name, options);
    // A sealed account has no password, not here either.
    return account.problem === undefined && account.encryption === "server"
      ? { role: "account", account: withoutPassword(account) }
      : undefined;
  }

  /** Compared as MACs: neither length nor first difference shows in the time. */
  #equals({ name, password }: LoginRequest, login: ServerLogin | undefined): boolean {
    if (login?.password === undefined || login.password === "" || login.name !== name) return false;
    const mac = (text: string): Uint8Array =>
      this.#options.engine.hmacSha256(this.#key, utf8ToBytes(text));
    return equalSecrets(mac(password), mac(login.password));
  }
}

/** A principal goes into sessions, logs and answers: the hash stays here. */
function withoutPassword(stored: StoredAccount): Account {
  const { name, username, hostname, appendOnly, encryption, quotaBytes } = stored;
  return { name, username, hostname, appendOnly, encryption, quotaBytes };
}
