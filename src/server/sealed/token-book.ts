/** The tokens of sealed accounts as the login gate asks for them. Kept is the SHA-256 of each alone. */
import type { CallOptions } from "../../bytes/index.ts";
import { TOKEN_PREFIX } from "../../sealed/index.ts";
import type { FoundToken, TokenBook } from "../accounts/index.ts";
import type { AccountName, TokenUse } from "../types.ts";
import type { TokenRecord } from "./record-types.ts";
import type { ServiceParts } from "./service-parts.ts";

/** Base64url of 32 bytes. */
const TOKEN = new RegExp(`^${TOKEN_PREFIX}[A-Za-z0-9_-]{43}$`);
/** Devices of which it is known when they were seen. */
const MAX_SEEN = 100_000;

export class SealedTokens implements TokenBook {
  readonly #parts: ServiceParts;
  /** By account and device, since this process began. */
  readonly #lastSeenMs = new Map<string, number>();

  constructor(parts: ServiceParts) {
    this.#parts = parts;
  }

  /** Whose it is, for callers who do not say; `undefined` for no token that counts. */
  async ownerOf(token: string, options: CallOptions = {}): Promise<AccountName | undefined> {
    return (await this.#look(token, options))?.record.account;
  }

  async find(
    account: string,
    token: string,
    options: CallOptions = {},
  ): Promise<FoundToken | undefined> {
    const found = await this.#look(token, options);
    return found?.record.account === account
      ? { sha256: found.sha256, use: useOf(found.record) }
      : undefined;
  }

  async renew(
    account: string,
    sha256: string,
    options: CallOptions = {},
  ): Promise<TokenUse | undefined> {
    const record = (await this.#parts.options.records.view(options)).tokens.get(sha256);
    if (record?.account !== account) return undefined;
    this.#see(record);
    return useOf(record);
  }

  /** `undefined`: not since the server started. */
  lastSeenMs(account: string, device: string): number | undefined {
    return this.#lastSeenMs.get(`${account} ${device}`);
  }

  async #look(
    token: string,
    options: CallOptions,
  ): Promise<{ readonly record: TokenRecord; readonly sha256: string } | undefined> {
    if (!TOKEN.test(token)) return undefined;
    const { records, newest } = this.#parts.options;
    const sha256 = this.#parts.tokenHash(token);
    let record = (await records.view(options)).tokens.get(sha256);
    // Another server may have given it a moment ago.
    if (record === undefined && (await newest.ensure()))
      record = (await records.view(options)).tokens.get(sha256);
    if (record === undefined || this.#isOver(record)) return undefined;
    return { record, sha256 };
  }

  #isOver({ expiresMs }: TokenRecord): boolean {
    return expiresMs !== undefined && this.#parts.nowMs >= expiresMs;
  }

  #see({ account, device }: TokenRecord): void {
    if (device === undefined || this.#lastSeenMs.size >= MAX_SEEN) return;
    this.#lastSeenMs.set(`${account} ${device}`, this.#parts.nowMs);
  }
}

function useOf({ scope, device }: TokenRecord): TokenUse {
  return { scope, device };
}
