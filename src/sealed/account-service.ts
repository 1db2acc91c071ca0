/**
 * What a sealed client and a sejf server say to one another beside Kopia's protocol: JSON over HTTPS on the same port,
 * below `ACCOUNT_SERVICE_PATH`. Bytes are base64url without padding, times RFC 3339. Errors are
 * `{"code": "SEJF_…", "error": text, "hint"?: text}`. Spec: `docs/sealed.md`, "The account service".
 */

export const ACCOUNT_SERVICE_PATH = "/api/sejf/v1";

/** What a token is good for. It goes where Kopia's protocol has the password, and as a bearer over HTTPS. */
export type TokenScope =
  /** Adds contents and snapshots, lists own heads and documents; reads no content, deletes nothing. Unattended. */
  | "device"
  /** A device whose user chose to keep the key on it: reads too. */
  | "reader"
  /** Reads, deletes what the account may, changes documents; short-lived. */
  | "session";

/** Tokens begin so, which no password may. */
export const TOKEN_PREFIX = "sejf-token-";

/** POST `enroll/start`, and `password/start` with a session token (then `code` is empty). */
export interface RegistrationStart {
  readonly account: string;
  /** Printed enrollment code. */
  readonly code: string;
  /** OPAQUE registration requests, for the account's and, where there is one, the delete password. */
  readonly login: string;
  readonly delete?: string | undefined;
}

export interface RegistrationStarted {
  readonly login: string;
  readonly delete?: string | undefined;
  readonly repository: ServedRepository;
  /** Of a reset: the version that is stored, which the new keyring follows. */
  readonly keyringVersion?: number | undefined;
  /** Likewise: what is stored for who has the recovery kit (`openKeyringCopy`). */
  readonly keyringCopy?: string | undefined;
  /** Of `password/start`: there is a delete password, which another one and new keys need. */
  readonly hasDelete?: boolean | undefined;
}

/** What a client pins at enrollment. */
export interface ServedRepository {
  /** Unique ID as hex. */
  readonly id: string;
  /** Kopia's name. */
  readonly hash: string;
  /** Hex of SHA-256 over the secret of the content hash. */
  readonly secretSha256: string;
  /** The OPAQUE library's public key of the server. */
  readonly opaqueKey: string;
}

/** POST `enroll/finish`. The code counts from then on no more. Answered by `TokenIssued`. */
export interface RegistrationFinish {
  readonly account: string;
  readonly code: string;
  readonly login: string;
  readonly delete?: string | undefined;
  /** `age1pq1…` of the account, and its Ed25519 key. */
  readonly recipient: string;
  readonly signingKey: string;
  /** Signed certificate of this device, newline included. */
  readonly certificate: string;
  readonly deviceName: string;
  /** The device keeps the account's key: a `reader`. */
  readonly reads: boolean;
  /** The first keyring file; its version is 1. */
  readonly keyring: string;
  /** Fingerprints of further recipients (`recipientFingerprint`), which the server shows to whoever asks who can read. */
  readonly escrow?: readonly string[] | undefined;
}

/** POST `login/start`. */
export interface LoginStart {
  readonly account: string;
  readonly purpose: "login" | "delete";
  readonly startLoginRequest: string;
}

export interface LoginStarted {
  /** For the second half, within a minute. */
  readonly loginId: string;
  readonly loginResponse: string;
}

/** POST `login/finish`. Of a login with the delete password no token comes, but a nonce for one operation. */
export interface LoginFinish {
  readonly loginId: string;
  readonly finishLoginRequest: string;
}

/** POST `devices`, with a session token: the token of a further device. Answered by `TokenIssued`. */
export interface NewDevice {
  /** Signed by the account, newline included. */
  readonly certificate: string;
  readonly name: string;
  readonly reads: boolean;
}

export interface TokenIssued {
  readonly token: string;
  readonly scope: TokenScope;
  /** Absent: it does not expire. */
  readonly expires?: string | undefined;
}

export interface StepUpReady {
  readonly stepUpId: string;
  /** base64url of 16 bytes, for the operation. */
  readonly nonce: string;
  /** Likewise: by the server's clock. */
  readonly expires: string;
}

/**
 * An authorised destructive operation, as the header `STEP_UP_HEADER` (JSON, base64url). The operation itself is what the
 * rest of the request says: the server makes it from there.
 */
export interface StepUpProof {
  readonly stepUpId: string;
  /** base64url of the operation's authorisation. */
  readonly mac: string;
}

export const STEP_UP_HEADER = "sejf-step-up";

/** POST `snapshots/delete`, with a session and a step-up `snapshot.delete` whose targets are the IDs. */
export interface SnapshotDeletion {
  /** Sorted, each once; at most `MAX_DELETED_AT_ONCE`. */
  readonly ids: readonly string[];
}

export const MAX_DELETED_AT_ONCE = 1000;

/**
 * POST `snapshots/pins`, with a session; where one of the stored pins is missing, with a step-up `snapshot.unpin` whose
 * target is the ID and whose params are `{pins}`. Answered by `{id}`: a snapshot gets a new ID.
 */
export interface SnapshotPins {
  readonly id: string;
  /** All of them, sorted, each once. */
  readonly pins: readonly string[];
}

/**
 * PUT `policy`, with a session or a reader's token: what the server knows of one. Where it keeps less than before, with a step-up `policy.set`
 * whose params are `{policy}` (`shortensRetention`).
 */
export interface PolicyChange {
  /** `user@host`, or `user@host:/sealed/…`. */
  readonly target: string;
  /** Retention and schedule; `null`, and nothing in the body: none. */
  readonly policy: Readonly<Record<string, unknown>> | null;
}

/** GET and PUT `documents/{keyring|policies}`. A device's token reads the policies alone, and writes neither; a reader's writes them. */
export interface VersionedDocument {
  /** One more than what is stored: it never goes back. */
  readonly version: number;
  readonly text: string;
}

/**
 * GET and PUT `groups/{id}`: the age file to all members; `epoch` is 1, or one more than what is stored. GET
 * `groups/{id}/former`: earlier ones that were stored with `keep`.
 */
export interface StoredGroup {
  readonly id: string;
  readonly epoch: number;
  /** base64url of the age file. */
  readonly file: string;
  /** Accounts that may read it and use the group's contents, as the admin says. */
  readonly members: readonly string[];
  /** Those of them that may write the next epoch; who founds a group is one. */
  readonly admins: readonly string[];
  /** Whether members' probes see what others sent. */
  readonly probe: "group" | "own";
  /** It has other admins than the one before: who knows that one alone has to see it before a later one. */
  readonly keep?: boolean | undefined;
}

/** An earlier document of a group. */
export interface FormerGroup {
  readonly epoch: number;
  readonly file: string;
}

/**
 * PUT `invites/{id}`, GET by whoever knows the ID, DELETE by who made it and by admins, POST `invites/{id}/join`, GET
 * `groups/{id}/joins` for members.
 */
export interface StoredInvite {
  readonly id: string;
  readonly group: string;
  readonly expires: string;
  readonly nonce: string;
  readonly ct: string;
}

export interface StoredJoin {
  readonly inviteId: string;
  readonly account: string;
  readonly recipient: string;
  readonly mac: string;
  /** Its Ed25519 key, for an invitation of admins, and what proves it (`joinKeyMac`). */
  readonly key?: string | undefined;
  readonly keyMac?: string | undefined;
}

/** GET `devices`; PATCH `devices/{id}` with a name; DELETE `devices/{id}` with a step-up `device.revoke`: its token dies. */
export interface ServedDevice {
  readonly id: string;
  readonly name: string;
  readonly certificate: string;
  readonly added: string;
  readonly lastSeen?: string | undefined;
}

/** GET `trash`; POST `trash/{id}/undelete`. */
export interface TrashedSnapshot {
  readonly id: string;
  readonly source: string;
  readonly startTime: string;
  readonly deletedAt: string;
  /** When the server may really delete it. */
  readonly keptUntil: string;
}

/** POST `password/finish`, with a session, which ends by it as all others do. */
export interface PasswordChange {
  readonly login?: string | undefined;
  /** Where there is one already, only with a step-up `password.delete`: target the account, params `{delete}`. */
  readonly delete?: string | undefined;
  /** Locked with the new password. */
  readonly keyring: VersionedDocument;
}

/** The label of a signed request to begin a reset, and of the reset itself. */
export const RESET_START_LABEL = "sejf reset start v1";
export const RESET_LABEL = "sejf reset v1";

/** POST `reset/start`: the first half of a reset. Answered by `RegistrationStarted`. */
export interface PasswordResetStart {
  readonly account: string;
  /** Line signed with `RESET_START_LABEL` over `{"v":1,"account","login","delete"?,"time"}`; registration requests. */
  readonly signed: string;
}

/** POST `reset`: a new password without the old one. Each signed line counts once, and for ten minutes. */
export interface PasswordReset {
  readonly account: string;
  /** Line signed with `RESET_LABEL` over `{"v":1,"account","login","delete"?,"keyringSha256","time"}`; records. */
  readonly signed: string;
  readonly keyring: VersionedDocument;
}

/** The label of a signed request for new keys. */
export const REKEY_LABEL = "sejf rekey v1";

/**
 * POST `rekey`, with a session: other keys for the account. Of its devices only the certified one goes on. Where there is a
 * delete password, which ends by it, with a step-up `account.rekey`: target the account, params `{signed}`.
 */
export interface AccountRekey {
  /**
   * Line signed with `REKEY_LABEL` by the key that the account has had, over `{"v":1,"account","login","recipient",
   * "signingKey","certificate","keyringSha256","policiesSha256"?,"time"}`.
   */
  readonly signed: string;
  readonly keyring: VersionedDocument;
  readonly policies?: VersionedDocument | undefined;
}

/** GET `heads`: of every source the newest complete snapshot of each device, for devices that read no contents. */
export interface ServedHead {
  readonly manifestId: string;
  /** `user@host:/sealed/…`. */
  readonly source: string;
  /** `head.json` as stored. */
  readonly head: string;
}
