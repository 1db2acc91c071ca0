/** What the sessions of clients are given, and what they tell of themselves. */
import type { CallOptions } from "../../bytes/index.ts";
import type { Labels, ManifestStore } from "../../manifest/index.ts";
import type { AccessRights, Account } from "../types.ts";

/** A manifest that a client wants to write. */
export interface NewManifest {
  readonly account: Account;
  readonly rights: AccessRights;
  readonly labels: Labels;
  readonly json: Uint8Array;
  /** The session's view, with what it has put and not flushed. Default: the repository's. */
  readonly manifests?: Pick<ManifestStore, "find" | "get"> | undefined;
}

/** A manifest that may be written: its exact labels, its parsed JSON. */
export interface CheckedManifest {
  readonly labels: Labels;
  readonly data: unknown;
}

/** What may be in the repository's manifests as far as clients are concerned; `authorize/` has it. */
export interface ManifestRules {
  /**
   * The closed list of what clients may write.
   * @throws SEJF_ACCESS_DENIED, SEJF_INVALID_ARGUMENT.
   */
  checkNew(
    manifest: NewManifest,
    options?: CallOptions,
  ): CheckedManifest | Promise<CheckedManifest>;
  /** A policy's labels are one of the legal sets and nothing more. SECURITY: what is not must never be found by a search. */
  exactPolicyLabels(labels: Labels): boolean;
}

/** A client's wish that somebody be told. */
export interface NotificationRequest {
  readonly account: Account;
  readonly templateName: string;
  /** JSON. */
  readonly eventArgs: Uint8Array;
  readonly severity: number;
  readonly eventArgsType: number;
}

export interface Notifications {
  /** Resolves also when nobody is to be told. @throws SEJF_INVALID_ARGUMENT for what is not a notification. */
  accept(request: NotificationRequest, options?: CallOptions): Promise<void>;
}

/** What happened in a session so far. */
export interface SessionCounters {
  readonly requests: number;
  readonly refused: number;
  readonly writtenContents: number;
  readonly writtenBytes: number;
  readonly readContents: number;
  readonly readBytes: number;
  readonly flushes: number;
}

/** Who is connected. */
export interface SessionStatus {
  /** Unique in this process. */
  readonly id: number;
  readonly account: string;
  /** Address and port. */
  readonly from: string;
  /** As the client says: `cli:snapshot create`; empty for a session that only reads. */
  readonly purpose: string;
  /** As the client says. */
  readonly clientVersion: string;
  readonly readOnly: boolean;
  readonly startedMs: number;
  /** Written, and not flushed yet. */
  readonly unflushed: boolean;
  readonly counters: SessionCounters;
}

export interface SessionLimits {
  /** Sessions at the same time. Default 10,000. */
  readonly sessions?: number | undefined;
  /** Of one account. Default 250. */
  readonly sessionsPerAccount?: number | undefined;
  /** While the server ends: how long a session may be idle. Default 1 s. */
  readonly lingerMs?: number | undefined;
}

/** The running sessions. */
export interface SessionRegistry {
  readonly size: number;
  list(): readonly SessionStatus[];
  /** Of all sessions since the start, ended ones too. */
  totals(): SessionCounters & { readonly sessions: number };
  /** Ends the sessions of an account. Gives how many. */
  close(account: string, reason: string): number;
  /**
   * Takes no new sessions. Those that have nothing unflushed end when they have been idle for a moment, the others when
   * they have flushed and are; all of them at the latest after `graceMs`. Resolves when none is left.
   */
  closeAll(graceMs: number): Promise<void>;
}
