/** What the parts of the account service share. */
import {
  bytesToBase64Url,
  bytesToHex,
  type CallOptions,
  type Clock,
  Mutex,
  type Random,
  utf8ToBytes,
} from "../../bytes/index.ts";
import type { CryptoEngine } from "../../crypto/index.ts";
import { SejfError } from "../../errors/index.ts";
import type { ManifestId } from "../../manifest/index.ts";
import type { DirectRepository } from "../../repository/index.ts";
import { type ServedRepository, TOKEN_PREFIX } from "../../sealed/index.ts";
import type { AccountBook } from "../accounts/index.ts";
import type { Freshness } from "../sessions/freshness.ts";
import type { AuditEvent, AuditLog, ServerLog, TokenUse, AccountName } from "../types.ts";
import { newSetup, opaqueReady, publicKeyOf } from "./opaque-server.ts";
import { encode, labelsOf } from "./record-codec.ts";
import type { LoginRecord, SealedAccountRecords, SetupRecord } from "./record-types.ts";
import type { SealedRecords } from "./sealed-records.ts";

const TOKEN_BYTES = 32;

export interface PartsOptions {
  readonly repository: Pick<DirectRepository, "access" | "readOnly">;
  readonly records: SealedRecords;
  readonly accounts: AccountBook;
  /** Sees what other servers on the same repository wrote. */
  readonly freshness: Freshness;
  /** The same, of a moment ago: for what strangers ask, so not at any rate. */
  readonly newest: Freshness;
  readonly engine: CryptoEngine;
  readonly clock: Clock;
  readonly random: Random;
  readonly audit: AuditLog;
  readonly log: ServerLog;
}

/** Who calls, and from where. */
export interface Caller {
  /** Address without the port. */
  readonly address: string;
  /** With the port, for logs. */
  readonly from: string;
}

/** A caller who came in with a token. */
export interface TokenCaller extends Caller {
  readonly account: AccountName;
  readonly token: TokenUse;
}

export class ServiceParts {
  readonly options: PartsOptions;
  /** Changes that look before they write go one after the other. */
  readonly turns: Mutex = new Mutex();
  /** Where the repository cannot be written: for simulated answers. */
  #unstored: SetupRecord | undefined;

  constructor(options: PartsOptions) {
    this.options = options;
  }

  get nowMs(): number {
    return this.options.clock.nowMs();
  }

  /** The secrets that new accounts are made under, and unknown ones simulated with. */
  async setup(): Promise<SetupRecord> {
    await opaqueReady();
    const { records, repository } = this.options;
    const [known] = (await records.view()).setups;
    if (known !== undefined) return known;
    if (repository.readOnly)
      return (this.#unstored ??= { id: "" as ManifestId, setup: newSetup() });
    return await this.turns.run(async () => await this.#makeSetup());
  }

  /** The secrets that this account was enrolled under. @throws SEJF_CORRUPT when they are gone. */
  async setupOf({ setup }: LoginRecord): Promise<string> {
    await opaqueReady();
    const found = (await this.options.records.view()).setups.find(({ id }) => id === setup);
    if (found === undefined)
      throw new SejfError(
        "SEJF_CORRUPT",
        "the server's secrets for logins are gone from the repository",
        {
          hint: "the recovery kit still opens what is stored: `sejf recover`",
        },
      );
    return found.setup;
  }

  /** What clients pin. */
  servedRepository(setup: string): ServedRepository {
    const { access } = this.options.repository;
    return {
      id: bytesToHex(access.uniqueId),
      hash: access.format.hash,
      secretSha256: bytesToHex(this.options.engine.sha256(access.format.secret)),
      opaqueKey: publicKeyOf(setup),
    };
  }

  /** @throws SEJF_ACCESS_DENIED when the account is not enrolled (any more). */
  async enrolled(
    name: string,
    options: CallOptions = {},
  ): Promise<SealedAccountRecords & { readonly login: LoginRecord }> {
    const account = await this.options.records.account(name, options);
    const { login } = account ?? {};
    if (account === undefined || login === undefined) throw accessDenied();
    return { ...account, login };
  }

  /** A new token, and what is kept of it. */
  newToken(): { readonly token: string; readonly sha256: string } {
    const token = TOKEN_PREFIX + bytesToBase64Url(this.options.random.bytes(TOKEN_BYTES));
    return { token, sha256: this.tokenHash(token) };
  }

  tokenHash(token: string): string {
    return bytesToHex(this.options.engine.sha256(utf8ToBytes(token)));
  }

  audit(caller: Caller, event: Omit<AuditEvent, "from">): void {
    this.options.audit.record({ from: caller.from, ...event });
  }

  /** Two servers may make one each: the older one counts for new accounts, each account keeps its own. */
  async #makeSetup(): Promise<SetupRecord> {
    const { records, freshness } = this.options;
    await freshness.ensure();
    const known = async (): Promise<SetupRecord | undefined> => (await records.view()).setups[0];
    const made = await known();
    if (made !== undefined) return made;
    const data = encode.setup(newSetup());
    await records.write([{ kind: "put", id: records.newId(), labels: labelsOf.setup(), data }]);
    const stored = await known();
    if (stored === undefined)
      throw new SejfError(
        "SEJF_IO",
        "the server's secrets for logins were written and are not there",
      );
    return stored;
  }
}

export function accessDenied(): SejfError {
  return new SejfError("SEJF_ACCESS_DENIED", "access denied");
}

/**
 * SECURITY: a device that keeps the account's key could make itself a session with it, by a reset of the password; so it may
 * as well change policies by itself. @throws SEJF_ACCESS_DENIED for a device that only writes.
 */
export function assertReader({ token }: TokenCaller): void {
  if (token.scope === "device")
    throw new SejfError(
      "SEJF_ACCESS_DENIED",
      "access denied: this needs a login with the password, or a device that keeps the key",
    );
}

/** @throws SEJF_ACCESS_DENIED for a device's token where a person's login is needed. */
export function assertSession({ token }: TokenCaller): void {
  if (token.scope !== "session")
    throw new SejfError(
      "SEJF_ACCESS_DENIED",
      "access denied: this needs a login with the password",
    );
}
