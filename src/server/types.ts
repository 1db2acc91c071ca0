/**
 * What the rooms of the server share: who an account is, who calls, what he may do, what is written down about it.
 * Roles come from the authenticator that let somebody in, never from a comparison of names.
 */
import type { CallOptions } from "../bytes/index.ts";
import type { Labels } from "../manifest/index.ts";
import type { TokenScope } from "../sealed/index.ts";

/** `user@host`, both sides lower-case letters, digits, `-`, `_`, `.`. */
export type AccountName = string & { readonly __brand: "AccountName" };

/** Who can read what the account stores: the server, or the client alone. */
export type EncryptionMode = "server" | "client";

/** What the server knows of an account beside its password. */
export interface Account {
  readonly name: AccountName;
  readonly username: string;
  readonly hostname: string;
  /** May add contents and snapshots; deletes, replaces and shortens nothing. */
  readonly appendOnly: boolean;
  readonly encryption: EncryptionMode;
  /** Logical bytes that it may hold; `undefined`: no limit. */
  readonly quotaBytes: number | undefined;
}

/** With which token of a sealed account a caller came in. */
export interface TokenUse {
  readonly scope: TokenScope;
  /** Whose token it is, 8 bytes as hex; `undefined` for a session's. */
  readonly device: string | undefined;
}

/** A caller who proved who he is, with the role of the authenticator that said so. */
export type Principal =
  | {
      readonly role: "account";
      /** SECURITY: whoever came in with a device's token may only add. */
      readonly account: Account;
      /** Absent for accounts with a password. */
      readonly token?: TokenUse | undefined;
    }
  /** The web interface and its REST endpoints. */
  | { readonly role: "ui"; readonly name: string }
  /** The endpoints that the `server …` commands call. */
  | { readonly role: "control"; readonly name: string };

export interface LoginRequest {
  /** gRPC: `user@host`; HTTP: as sent in basic authentication. */
  readonly name: string;
  readonly password: string;
  /** Address of the other end without its port; the key of throttling beside the name. */
  readonly address: string;
  /** Which door: accounts enter both, the two others HTTP only. */
  readonly door: "grpc" | "http";
}

/** A login that succeeded, as long as it counts. */
export interface Login {
  readonly principal: Principal;
  /**
   * Whether the same password would still be let in, by what the repository says now: the account exists, its password
   * is the same. Cheap: no key is derived. The returned principal carries the account's present settings.
   */
  renew(options?: CallOptions): Promise<Principal | undefined>;
}

/** The one place that checks passwords. */
export interface LoginGate {
  /**
   * Takes about as long for an unknown name as for a wrong password. Failures are logged and make the next tries of
   * that name and of that address wait.
   * @throws SEJF_ACCESS_DENIED for a wrong name or password (which of both is not told), SEJF_LOCKED when there were too many failures lately.
   */
  login(request: LoginRequest, options?: CallOptions): Promise<Login>;
}

/** Kopia's levels, in order. */
export type AccessLevel = "NONE" | "READ" | "APPEND" | "FULL";

/** What one account may do, by the entries of this moment. Spec: kopia-server 8. */
export interface AccessRights {
  /** For the label set `{type: content}`. */
  readonly content: AccessLevel;
  /** For the whole label set of a manifest. NONE for what no rule grants. */
  manifest(labels: Labels): AccessLevel;
}

export interface AccessRules {
  /** By the entries as last read; `refresh` and at most 10 s make newer ones count. */
  rightsOf(account: Account, options?: CallOptions): Promise<AccessRights>;
  /** Forgets what is cached. */
  refresh(): void;
}

/** What happened, for the audit log. Never a password, a token, a key, or the contents of anything. */
export interface AuditEvent {
  /** `login`, `session`, `snapshot.create`, `snapshot.delete`, `policy.set`, `user.set`, `acl.add`, `control.shutdown`, … */
  readonly action: string;
  /** `user@host`, or the role's name; as claimed, when the login failed. */
  readonly who: string;
  /** Address and port, `a local socket` or `the server itself`. */
  readonly from: string;
  readonly result: "ok" | "denied" | "failed";
  /** Manifest ID, source, account name: what it was done to. For sealed accounts never a path. */
  readonly target?: string | undefined;
  /** One sentence: why it was denied or failed. */
  readonly detail?: string | undefined;
}

export interface AuditLog {
  record(event: AuditEvent): void;
}

/** Log of the server, shaped like pino's. */
export interface ServerLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Makes durable what was put; whoever asks while one flush runs shares the next. */
export interface SharedFlush {
  /**
   * Everything written before the call is durable and visible after it. `stage` runs when contents written before it
   * are durable, and puts the manifests that name them.
   */
  flush(stage?: () => Promise<void>): Promise<void>;
}

/** A snapshot that wants in; its labels and its JSON were checked on their own. */
export interface ArrivingSnapshot {
  readonly labels: Labels;
  readonly data: unknown;
}

/** Which snapshots of sealed accounts come in. */
export interface SealedAdmission {
  /**
   * Runs `store` when all may come in; nobody else's snapshots of the account are looked at meanwhile.
   * @throws SEJF_ACCESS_DENIED, SEJF_INVALID_ARGUMENT with the reason.
   */
  admit(
    who: { readonly account: Account; readonly token: TokenUse | undefined },
    snapshots: readonly ArrivingSnapshot[],
    store: () => Promise<void>,
    options?: CallOptions,
  ): Promise<void>;
}
