/**
 * Sealed accounts on this server: what they keep here, how they log in, which of their snapshots come in. Everything lies in
 * the repository, so that servers on the same repository serve the same accounts. SECURITY: the server is not trusted with
 * what is sealed; these rules protect accounts from one another, from stolen devices, and the repository from all of them.
 */
import type { CallOptions, Clock, Random } from "../../bytes/index.ts";
import type { CryptoEngine } from "../../crypto/index.ts";
import { nodeCryptoEngine } from "../../node/index.ts";
import type { DirectRepository } from "../../repository/index.ts";
import type { ServedHead } from "../../sealed/index.ts";
import type { AccountBook } from "../accounts/index.ts";
import { Freshness } from "../sessions/freshness.ts";
import type { ManifestRules } from "../sessions/index.ts";
import type { Trash } from "../trash/index.ts";
import type {
  AccessRules,
  Account,
  AuditLog,
  SealedAdmission,
  ServerLog,
  SharedFlush,
} from "../types.ts";
import { Authority } from "./authority.ts";
import { Admission } from "./admission.ts";
import { type SealedAccountStatus, statusOf } from "./describe.ts";
import { Devices } from "./devices.ts";
import { Documents } from "./documents.ts";
import { Enrollment } from "./enrollment.ts";
import { Groups } from "./groups.ts";
import { Logins } from "./logins.ts";
import { Passwords } from "./passwords.ts";
import { Removals } from "./removals.ts";
import { Rekey } from "./rekey.ts";
import { SealedRecords } from "./sealed-records.ts";
import { ServiceParts } from "./service-parts.ts";
import { StepUps } from "./step-ups.ts";
import { StoredHeads } from "./stored-heads.ts";
import { SealedTokens } from "./token-book.ts";

export interface SealedRoomOptions {
  readonly repository: DirectRepository;
  readonly accounts: AccountBook;
  readonly flush: SharedFlush;
  readonly clock: Clock;
  readonly accessRules: AccessRules;
  readonly manifestRules: ManifestRules;
  readonly trash: Trash;
  readonly random: Random;
  readonly audit: AuditLog;
  readonly log: ServerLog;
  /** Sees what other servers wrote, in the repository and in what is remembered of it. */
  readonly refresh: (options?: CallOptions) => Promise<void>;
  /** Snapshots went, or have other IDs: what is remembered of them does not count. */
  readonly onSnapshots: () => void;
  /** How old the view of what others wrote may be when something is decided. Default 2 s. */
  readonly stalenessMs?: number | undefined;
  readonly engine?: CryptoEngine | undefined;
}

const DEFAULT_STALENESS_MS = 2000;
/** For what another server or the operator may have written a moment ago. */
const NEWEST_MS = 250;

export class SealedRoom {
  readonly tokens: SealedTokens;
  readonly admission: SealedAdmission;
  readonly stepUps: StepUps;
  readonly authority: Authority;
  readonly removals: Removals;
  readonly trash: Trash;
  readonly audit: AuditLog;
  readonly enrollment: Enrollment;
  readonly logins: Logins;
  readonly documents: Documents;
  readonly passwords: Passwords;
  readonly rekey: Rekey;
  readonly devices: Devices;
  readonly groups: Groups;
  readonly #records: SealedRecords;
  readonly #heads: StoredHeads;

  constructor(options: SealedRoomOptions) {
    const { repository, flush, clock, log, random } = options;
    const { manifests, contents } = repository;
    const engine = options.engine ?? nodeCryptoEngine;
    this.#records = new SealedRecords({ manifests, flush, clock, log });
    const stalenessMs = options.stalenessMs ?? DEFAULT_STALENESS_MS;
    const refresh = async (call?: CallOptions): Promise<void> => {
      await options.refresh(call);
      this.#records.refresh();
    };
    const parts = new ServiceParts({
      ...options,
      engine,
      records: this.#records,
      freshness: new Freshness(clock, stalenessMs, refresh),
      newest: new Freshness(clock, NEWEST_MS, refresh),
    });
    this.#heads = new StoredHeads({ contents, manifests, engine });
    this.tokens = new SealedTokens(parts);
    this.stepUps = new StepUps(clock, random);
    this.authority = new Authority(parts, this.stepUps);
    this.removals = new Removals(parts, this.authority, { ...options, manifests });
    this.trash = options.trash;
    this.audit = options.audit;
    this.admission = new Admission({
      records: this.#records,
      heads: this.#heads,
      engine,
      refresh,
    });
    this.logins = new Logins(parts, this.stepUps);
    this.enrollment = new Enrollment(parts, this.logins.tries);
    this.documents = new Documents(parts);
    this.passwords = new Passwords(parts, this.documents, this.logins.tries);
    this.rekey = new Rekey(parts, this.documents);
    this.devices = new Devices(parts, this.tokens);
    this.groups = new Groups(parts);
  }

  /** The newest head of each device in each source of the account. */
  async heads(account: Account, options?: CallOptions): Promise<readonly ServedHead[]> {
    return await this.#heads.all(account, options);
  }

  /** Accounts whose contents this one may see too, as a member of a group in which presence is no secret. Spec: sealed 7. */
  async peersOf({ name, encryption }: Account, options?: CallOptions): Promise<readonly string[]> {
    if (encryption !== "client") return [];
    const { groups } = await this.#records.view(options);
    const peers = new Set<string>();
    for (const { members, probe } of groups.values())
      if (probe === "group" && members.includes(name)) for (const one of members) peers.add(one);
    peers.delete(name);
    return [...peers];
  }

  /** Of an account that was added as a sealed one. */
  async statusOf(name: string, options?: CallOptions): Promise<SealedAccountStatus> {
    return statusOf(await this.#records.account(name, options));
  }

  /** Forgets what was read of the repository. */
  refresh(): void {
    this.#records.refresh();
  }
}
