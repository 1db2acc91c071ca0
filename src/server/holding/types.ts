/**
 * Holding: which contents an account may see. Those that it sent in full, and those that snapshots reach which it may
 * read. Everything else is, for this account, not there. Nothing of this is stored: it follows from the repository.
 */
import type { CallOptions, Clock } from "../../bytes/index.ts";
import type { DirectContents } from "../../content/index.ts";
import type { ContentId, ContentReader } from "../../format/index.ts";
import type { ManifestStore } from "../../manifest/index.ts";
import type { AccessRights, Account, ServerLog } from "../types.ts";

/**
 * `any`: whoever may read contents may read all of them, as with Kopia. Of a sealed snapshot everything has to be there all
 * the same: one that names what is missing would stop the collection of garbage for all.
 */
export type HoldingMode = "holding" | "any";

/** What holdings need of a direct repository. */
export interface HeldRepository {
  readonly contents: ContentReader &
    Pick<DirectContents, "losses" | "info" | "lengths" | "undelete" | "refresh">;
  readonly manifests: Pick<ManifestStore, "find" | "get">;
}

export interface HoldingsOptions {
  readonly repository: HeldRepository;
  readonly mode: HoldingMode;
  readonly clock: Clock;
  readonly log?: ServerLog | undefined;
  /**
   * Accounts whose data contents this one holds too: members of a group in which presence is no secret. Default: none.
   * Spec: sealed 7.
   */
  readonly peersOf?:
    | ((account: Account, options?: CallOptions) => Promise<readonly string[]>)
    | undefined;
  /** What is remembered of all accounts together, in bytes; the account used longest ago is forgotten first. Default 512 MiB. */
  readonly memoryBytes?: number | undefined;
  /** How long a content counts as sent that is in no snapshot yet. Default 24 h, half of it at least. */
  readonly sentLifeMs?: number | undefined;
}

export interface HoldingCallOptions extends CallOptions {
  /** With them, what foreign snapshots reach that the account may read counts too. */
  readonly rights?: AccessRights | undefined;
}

export interface Holdings {
  readonly mode: HoldingMode;
  /**
   * Whether the account may see this content. Says nothing about its existence: ask the contents afterwards, and answer
   * "not found" in both cases. The first question of an account may cost the reading of all its directories.
   */
  holds(account: Account, id: ContentId, options?: HoldingCallOptions): Promise<boolean>;
  /**
   * All bytes of the content came from this account, and the contents have it. Outlives the session. `lossesBefore`: of
   * the contents, read before it was stored; without it a snapshot that names the content has it looked up.
   */
  noteSent(account: Account, id: ContentId, lengthBytes: number, lossesBefore?: number): void;
  /** As `noteSent`, for each content of a batch. */
  noteBatch(account: Account, batch: SentBatch, lossesBefore: number): void;
  /**
   * For a session that is going to send directories and a snapshot: it tells of each listing as it comes, and there is
   * little left for `acceptSnapshot` to look at. What earlier snapshots reach is read in the background meanwhile.
   */
  arriving(account: Account): ArrivingListings;
  /**
   * Resolves when everything that the snapshot reaches is there and held by the account, and decodes. To be called when
   * the answers to all writes sent before it are known, and before the manifest becomes visible to others; after it
   * what the snapshot reaches is held for as long as the snapshot is in the repository. `json` is the parsed manifest.
   * @throws SEJF_CONTENT_NOT_FOUND naming what is missing or not held: the client has to upload again.
   * @throws SEJF_CORRUPT for listings and tables that are not what they should be, SEJF_INVALID_ARGUMENT without a root.
   */
  acceptSnapshot(account: Account, json: unknown, options?: HoldingCallOptions): Promise<void>;
  /**
   * Bytes of all contents that the account sent lately, or that its snapshots reach or the listings that it sent, each
   * once. The first question may cost the reading of all its directories. Where anybody may see anything it counts accounts with a quota, and sealed ones.
   */
  usedBytes(account: Account, options?: CallOptions): Promise<number>;
  /** The account is gone, or another one has its name: also what it sent is forgotten. */
  forget(name: string): void;
  /** To be called after each `repository.refresh()`, and after snapshots were put or deleted here: some may have come or gone. */
  refresh(): void;
  /** For metrics. */
  statistics(): HoldingsStatistics;
}

/** Contents of file data, one behind the other. */
export interface SentBatch {
  readonly hashes: Uint8Array;
  readonly hashBytes: number;
  readonly lengths: Uint32Array;
}

export interface ArrivingListings {
  /** A directory's content, which was noted as sent. What it names is held from now on as far as that was noted too. */
  add(id: ContentId, listing: Uint8Array): void;
  /** More was noted. */
  retry(): void;
}

export interface HoldingsStatistics {
  /** Accounts whose contents are remembered. */
  readonly accounts: number;
  readonly contents: number;
  readonly memoryBytes: number;
}
