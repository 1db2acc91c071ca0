/** What the server keeps of sealed accounts and groups, as it is read. Never a password, a token or a key of theirs. */
import type { OwnedBytes } from "../../bytes/index.ts";
import type { ManifestId } from "../../manifest/index.ts";
import type { ProbeScope, TokenScope } from "../../sealed/index.ts";
import type { AccountName } from "../types.ts";

/** The OPAQUE library's secrets of the server. Each login record names the one that it was made under. */
export interface SetupRecord {
  readonly id: ManifestId;
  readonly setup: string;
}

/** A code that makes an account, once. */
export interface CodeRecord {
  readonly id: ManifestId;
  /** Of the code's 16 bytes, as hex. */
  readonly sha256: string;
  readonly expiresMs: number;
}

/** An enrolled account: how its passwords prove themselves, and its public keys. */
export interface LoginRecord {
  readonly id: ManifestId;
  readonly setup: ManifestId;
  /** OPAQUE registration records. */
  readonly login: string;
  readonly delete: string | undefined;
  /** `age1pq1…`. */
  readonly recipient: string;
  /** Ed25519. */
  readonly signingKey: OwnedBytes;
  /** Fingerprints of further recipients, as the client said at its enrollment. */
  readonly escrow: readonly string[];
  /** RFC 3339. */
  readonly enrolled: string;
  /** When the password was last reset with the recovery kit; 0: never. */
  readonly resetMs: number;
}

export interface DeviceRecord {
  readonly id: ManifestId;
  /** 8 bytes as hex. */
  readonly device: string;
  readonly name: string;
  readonly certificate: string;
  readonly added: string;
  readonly scope: Exclude<TokenScope, "session">;
  readonly tokenSha256: string;
  /** RFC 3339; its token and its signatures count no more. */
  readonly revoked: string | undefined;
}

export interface SessionRecord {
  readonly id: ManifestId;
  readonly tokenSha256: string;
  readonly expiresMs: number;
  /** The login record that it came from: with another one it is over. */
  readonly login: ManifestId;
}

/** The newest version; the text is read when it is asked for. */
export interface DocumentRecord {
  readonly id: ManifestId;
  readonly version: number;
}

/** All of one account. */
export interface SealedAccountRecords {
  readonly name: AccountName;
  readonly codes: readonly CodeRecord[];
  readonly login: LoginRecord | undefined;
  /** By device ID. */
  readonly devices: ReadonlyMap<string, DeviceRecord>;
  readonly sessions: readonly SessionRecord[];
  readonly documents: ReadonlyMap<string, DocumentRecord>;
  /** Items that another one of their kind has replaced, to be deleted some time. */
  readonly outdated: readonly ManifestId[];
}

/** A token by its SHA-256. */
export interface TokenRecord {
  readonly account: AccountName;
  readonly scope: TokenScope;
  readonly device: string | undefined;
  /** `undefined`: it does not expire. */
  readonly expiresMs: number | undefined;
}

export interface GroupRecord {
  readonly manifestId: ManifestId;
  /** 16 bytes as hex. */
  readonly id: string;
  readonly epoch: number;
  /** base64url of the age file. */
  readonly file: string;
  readonly members: readonly AccountName[];
  /** Who may write the next epoch. */
  readonly admins: readonly AccountName[];
  readonly probe: ProbeScope;
  /** It is kept when there is a later one. */
  readonly keep: boolean;
}

export interface InviteRecord {
  readonly manifestId: ManifestId;
  readonly id: string;
  readonly group: string;
  readonly by: AccountName;
  readonly expires: string;
  readonly nonce: string;
  readonly ct: string;
}

export interface JoinRecord {
  readonly manifestId: ManifestId;
  readonly inviteId: string;
  readonly group: string;
  readonly account: AccountName;
  readonly recipient: string;
  readonly mac: string;
  readonly key: string | undefined;
  readonly keyMac: string | undefined;
}

/** Everything at one moment. */
export interface SealedView {
  /** Oldest first. */
  readonly setups: readonly SetupRecord[];
  readonly accounts: ReadonlyMap<AccountName, SealedAccountRecords>;
  readonly tokens: ReadonlyMap<string, TokenRecord>;
  readonly groups: ReadonlyMap<string, GroupRecord>;
  /** Earlier documents of them that are kept, by group, the oldest first. */
  readonly formerGroups: ReadonlyMap<string, readonly GroupRecord[]>;
  readonly invites: ReadonlyMap<string, InviteRecord>;
  readonly joins: readonly JoinRecord[];
}
