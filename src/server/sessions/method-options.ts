/** What the method of sessions is made of. */
import type { CallOptions, Clock } from "../../bytes/index.ts";
import type { DirectRepository } from "../../repository/index.ts";
import type { Holdings } from "../holding/index.ts";
import type { AccountRetention } from "../retention/index.ts";
import type { Trash } from "../trash/index.ts";
import type {
  AccessRules,
  AuditLog,
  LoginGate,
  SealedAdmission,
  ServerLog,
  SharedFlush,
} from "../types.ts";
import type { Sessions } from "./registry.ts";
import type { ManifestRules, Notifications } from "./types.ts";

export interface SessionMethodOptions {
  readonly repository: DirectRepository;
  readonly loginGate: LoginGate;
  readonly accessRules: AccessRules;
  readonly manifestRules: ManifestRules;
  readonly holdings: Holdings;
  /** Of sealed accounts' snapshots; without it they store none. */
  readonly admission?: SealedAdmission | undefined;
  /** Where deleted snapshots go; without it they are gone. */
  readonly trash?: Pick<Trash, "insteadOf"> | undefined;
  readonly retention: AccountRetention;
  readonly notifications: Notifications;
  readonly registry: Sessions;
  readonly flush: SharedFlush;
  readonly audit: AuditLog;
  readonly log: ServerLog;
  readonly clock: Clock;
  /** Requests worked on at the same time, of all sessions. Default: twice the processors. */
  readonly maxConcurrency?: number | undefined;
  /** Of the manifests of one account, those in the trash too. Default 256 MiB. */
  readonly maxManifestBytes?: number | undefined;
  /** Of manifests that all sessions of an account have put and not flushed. Default 32 MiB. */
  readonly maxUnflushedBytes?: number | undefined;
  /** How often a session's right to be there is looked at again. Default and at most 10 s. */
  readonly reauthorizeMs?: number | undefined;
  /** How old a view of what other servers wrote may be when something is searched. Default 10 s. */
  readonly stalenessMs?: number | undefined;
  /** Refreshes what is served; default the repository and the holdings. Jobs join theirs with it. */
  readonly refresh?: ((options?: CallOptions) => Promise<void>) | undefined;
}
