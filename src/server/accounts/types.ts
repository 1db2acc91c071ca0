/** Accounts as they are stored, and the passwords that prove them. */
import type { CallOptions, Clock, Random } from "../../bytes/index.ts";
import type { CryptoEngine } from "../../crypto/index.ts";
import type { ManifestStore } from "../../manifest/index.ts";
import type { Account, EncryptionMode, TokenUse } from "../types.ts";

/** Salt and key behind it, 32 bytes each; the version says how the key is made. Spec: kopia-server 7.1. */
export interface PasswordHash {
  /** 1: scrypt. 2: PBKDF2. */
  readonly version: 1 | 2;
  readonly saltAndKey: Uint8Array;
}

/** What the repository says of an account. */
export interface StoredAccount extends Account {
  /** `undefined`: no password lets anybody in. */
  readonly password: PasswordHash | undefined;
  /** Why nobody is let in: what is stored is damaged, or of a newer program. Then the account is append-only. */
  readonly problem: string | undefined;
}

/** What is to change; what is left out stays. */
export interface AccountChange {
  readonly password?: string | undefined;
  /** Instead of a password: what `hashPassword` gave. */
  readonly passwordHash?: PasswordHash | undefined;
  readonly appendOnly?: boolean | undefined;
  readonly encryption?: EncryptionMode | undefined;
  /** `null`: no limit. */
  readonly quotaBytes?: number | null | undefined;
}

/** The tokens of sealed accounts, which stand where others have a password. */
export interface TokenBook {
  /** The one behind this token; `undefined` for none of this account's that counts at this moment. */
  find(account: string, token: string, options?: CallOptions): Promise<FoundToken | undefined>;
  /** Whether it still counts. For a stream under way a session's token does not grow too old. */
  renew(account: string, sha256: string, options?: CallOptions): Promise<TokenUse | undefined>;
}

export interface FoundToken {
  /** SHA-256 of the token as hex: what is kept of it. */
  readonly sha256: string;
  readonly use: TokenUse;
}

export interface AccountBookOptions {
  readonly manifests: ManifestStore;
  readonly clock: Clock;
  readonly random: Random;
  /** How long what was read counts. Default 10 s. */
  readonly refreshMs?: number | undefined;
  /** Default: Node's, off the main thread. */
  readonly engine?: CryptoEngine | undefined;
}

/**
 * The accounts in the repository's manifests. What others write counts when the repository was refreshed and `refreshMs`
 * have gone by, or `refresh` was called.
 */
export interface AccountBook {
  /** `undefined` when there is no such account. Damage is told in `problem`, not thrown. */
  find(name: string, options?: CallOptions): Promise<StoredAccount | undefined>;
  /** For a name that proved itself in another way than by a password of the repository: its settings, or the defaults. */
  settingsOf(name: string, options?: CallOptions): Promise<StoredAccount>;
  /** By name. */
  list(options?: CallOptions): Promise<readonly StoredAccount[]>;
  /**
   * Changes an account, or makes it. Pending until the repository is flushed.
   * @throws SEJF_INVALID_ARGUMENT for a name or password that cannot be, a password for a sealed account, and for one that
   * is sealed or is not and should change that.
   */
  set(name: string, change: AccountChange, options?: CallOptions): Promise<void>;
  /** Password, settings, and what a sealed account keeps here. False when there was neither. Pending until the repository is flushed. */
  delete(name: string, options?: CallOptions): Promise<boolean>;
  /** Forgets what is cached. */
  refresh(): void;
}
