/** The holdings of all accounts: each one's view and what it sent lately, in bounded memory. */
import type { CallOptions } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { type ContentId, contentPrefix, MANIFEST_PREFIX } from "../../format/index.ts";
import type { ManifestId } from "../../manifest/index.ts";
import { decodeSnapshot } from "../../snapshot/index.ts";
import type { Account } from "../types.ts";
import { ForeignSnapshots, mayRead } from "./foreign-snapshots.ts";
import { SentContents } from "./sent-contents.ts";
import { SnapshotSources } from "./snapshot-sources.ts";
import { ListingsOfSession } from "./arriving-listings.ts";
import type {
  ArrivingListings,
  HoldingCallOptions,
  Holdings,
  HoldingsOptions,
  HoldingsStatistics,
  HoldingMode,
  SentBatch,
} from "./types.ts";
import { type SentLately, View, type ViewOptions } from "./view.ts";

const DEFAULT_MEMORY_BYTES: number = 512 << 20;
const DEFAULT_SENT_LIFE_MS = 24 * 3_600_000;
/** A snapshot of nobody: who may read it may read all. */
const ANY_SNAPSHOT = { type: "snapshot", username: "\0", hostname: "\0", path: "\0" };
/** Notes of sent contents between two looks at the memory. */
const NOTES_PER_TRIM = 65_536;

const IGNORED_LISTINGS: ArrivingListings = { add: () => {}, retry: () => {} };

interface AccountState {
  readonly sent: SentContents;
  own: View | undefined;
  readonly foreign: ForeignSnapshots;
}

export function openHoldings(options: HoldingsOptions): Holdings {
  return options.mode === "any" ? new AnyHoldings(options) : new AccountHoldings(options);
}

/**
 * As Kopia's server: nothing is asked, but that all of a sealed snapshot is there; and of accounts with a quota it is counted
 * what they hold.
 */
class AnyHoldings implements Holdings {
  readonly mode: HoldingMode = "any";
  readonly #counted: AccountHoldings;

  constructor(options: HoldingsOptions) {
    this.#counted = new AccountHoldings(options);
  }

  // oxlint-disable-next-line require-await -- the interface is asynchronous
  async holds(): Promise<boolean> {
    return true;
  }

  noteSent(account: Account, id: ContentId, lengthBytes: number, lossesBefore?: number): void {
    if (isCounted(account)) this.#counted.noteSent(account, id, lengthBytes, lossesBefore);
  }

  noteBatch(account: Account, batch: SentBatch, lossesBefore: number): void {
    if (isCounted(account)) this.#counted.noteBatch(account, batch, lossesBefore);
  }

  arriving(account: Account): ArrivingListings {
    return isCounted(account) ? this.#counted.arriving(account) : IGNORED_LISTINGS;
  }

  async acceptSnapshot(
    account: Account,
    json: unknown,
    options: HoldingCallOptions = {},
  ): Promise<void> {
    if (isCounted(account)) await this.#counted.acceptSnapshot(account, json, options);
  }

  async usedBytes(account: Account, options: CallOptions = {}): Promise<number> {
    return isCounted(account) ? await this.#counted.usedBytes(account, options) : 0;
  }

  forget(name: string): void {
    this.#counted.forget(name);
  }

  refresh(): void {
    this.#counted.refresh();
  }

  statistics(): HoldingsStatistics {
    return this.#counted.statistics();
  }
}

function isCounted({ encryption, quotaBytes }: Account): boolean {
  return encryption === "client" || quotaBytes !== undefined;
}

class AccountHoldings implements Holdings {
  readonly mode: HoldingMode = "holding";
  readonly #options: HoldingsOptions;
  readonly #memoryBytes: number;
  readonly #sentLifeMs: number;
  readonly #sources: SnapshotSources;
  /** The one used longest ago comes first. */
  readonly #accounts = new Map<string, AccountState>();
  /** Grows whenever snapshots may have come or gone. */
  #generation = 0;
  #notes = 0;

  constructor(options: HoldingsOptions) {
    this.#options = options;
    this.#sources = new SnapshotSources(options.repository.manifests);
    this.#memoryBytes = options.memoryBytes ?? DEFAULT_MEMORY_BYTES;
    this.#sentLifeMs = options.sentLifeMs ?? DEFAULT_SENT_LIFE_MS;
  }

  async holds(account: Account, id: ContentId, options: HoldingCallOptions = {}): Promise<boolean> {
    // Manifests lie in contents too; they are read as manifests, or not at all.
    if (id.startsWith(MANIFEST_PREFIX)) return false;
    const state = this.#stateOf(account);
    if (state.sent.has(id, this.#nowMs())) return true;
    const own = this.#ownOf(account, state);
    // Whatever a snapshot reached when the view was made is no secret to the account.
    if (own.has(id)) return true;
    await this.#catchUp(account.name, own, options);
    return own.has(id) || (await this.#othersGive(account, state, id, options));
  }

  noteSent(account: Account, id: ContentId, lengthBytes: number, lossesBefore?: number): void {
    const { sent, own } = this.#stateOf(account);
    const { losses } = this.#options.repository.contents;
    const isThere = losses === lossesBefore;
    const countedBytes = own?.has(id) === true ? 0 : lengthBytes;
    sent.add(id, this.#nowMs(), countedBytes, isThere ? { lengthBytes, losses } : undefined);
    this.#countNotes(1, account.name);
  }

  noteBatch(account: Account, batch: SentBatch, lossesBefore: number): void {
    const { sent, own } = this.#stateOf(account);
    const { losses } = this.#options.repository.contents;
    sent.addBatch(batch, this.#nowMs(), {
      isCounted: (hash) => own?.has(hash) !== true,
      losses: losses === lossesBefore ? losses : undefined,
    });
    this.#countNotes(batch.lengths.length, account.name);
  }

  arriving(account: Account): ArrivingListings {
    const listings = new ListingsOfSession(() => {
      const state = this.#stateOf(account);
      return { view: this.#ownOf(account, state), sent: this.#sentLately(state) };
    });
    this.#catchUp(account.name, this.#ownOf(account, this.#stateOf(account)), {})
      .then(() => listings.retry())
      .catch(() => {}); // the snapshot meets what fails here
    return listings;
  }

  async acceptSnapshot(
    account: Account,
    json: unknown,
    options: HoldingCallOptions = {},
  ): Promise<void> {
    const { rootEntry } = decodeSnapshot("to be taken in" as ManifestId, json);
    if (rootEntry === undefined)
      throw new SejfError("SEJF_INVALID_ARGUMENT", "the snapshot has no root");
    const state = this.#stateOf(account);
    const own = this.#ownOf(account, state);
    const nowMs = this.#nowMs();
    const mayTake = (id: ContentId): boolean | Promise<boolean> => {
      if (id.startsWith(MANIFEST_PREFIX)) return false;
      return (
        this.#options.mode === "any" ||
        state.sent.has(id, nowMs) ||
        this.#othersGive(account, state, id, options)
      );
    };
    const onTaken = (id: ContentId, lengthBytes: number): void => {
      if (state.sent.has(id, nowMs)) state.sent.discount(lengthBytes);
    };
    const { signal } = options;
    const rules = { mayTake, onTaken, sent: this.#sentLately(state) };
    await own.accept(rootEntry, this.#generation, rules, { signal });
    this.#trim(account.name);
  }

  async usedBytes(account: Account, options: CallOptions = {}): Promise<number> {
    const state = this.#stateOf(account);
    const own = this.#ownOf(account, state);
    await this.#catchUp(account.name, own, options);
    return own.lengthBytes + state.sent.lengthBytes;
  }

  forget(name: string): void {
    this.#accounts.delete(name);
  }

  refresh(): void {
    this.#generation++;
  }

  statistics(): HoldingsStatistics {
    let contents = 0;
    let memoryBytes = 0;
    for (const state of this.#accounts.values()) {
      contents += (state.own?.size ?? 0) + state.foreign.size + state.sent.size;
      memoryBytes += memoryOf(state);
    }
    return { accounts: this.#accounts.size, contents, memoryBytes };
  }

  #sentLately({ sent }: AccountState): SentLately {
    const nowMs = this.#nowMs();
    const { contents } = this.#options.repository;
    return {
      presentLength: (id) =>
        id.startsWith(MANIFEST_PREFIX) ? undefined : sent.presentLength(id, nowMs, contents.losses),
      onHeld: (lengthBytes) => sent.discount(lengthBytes),
    };
  }

  #countNotes(count: number, current: string): void {
    this.#notes += count;
    if (this.#notes < NOTES_PER_TRIM) return;
    this.#notes = 0;
    this.#trim(current);
  }

  #nowMs(): number {
    return this.#options.clock.nowMs();
  }

  /** Moves it to the end of those that are forgotten first. */
  #stateOf({ name }: { readonly name: string }): AccountState {
    const known = this.#accounts.get(name);
    if (known !== undefined) this.#accounts.delete(name);
    const state = known ?? {
      sent: new SentContents(this.#sentLifeMs, this.#nowMs()),
      own: undefined,
      foreign: new ForeignSnapshots((find) => this.#view(find)),
    };
    this.#accounts.set(name, state);
    return state;
  }

  #ownOf(account: Pick<Account, "username" | "hostname">, state: AccountState): View {
    return (state.own ??= this.#ownView(account));
  }

  #ownView({ username, hostname }: Pick<Account, "username" | "hostname">): View {
    return this.#view(async () =>
      (await this.#sources.at(this.#generation))
        .filter((source) => source.username === username && source.hostname === hostname)
        .flatMap(({ snapshots }) => snapshots),
    );
  }

  #view(find: ViewOptions["find"]): View {
    const { repository, log } = this.#options;
    return new View({
      repository,
      find,
      onBroken: (id, { code, message }) =>
        log?.warn({ snapshot: id, code }, `part of a snapshot cannot be read: ${message}`),
    });
  }

  async #catchUp(name: string, view: View, { signal }: CallOptions): Promise<void> {
    if (view.isFresh(this.#generation)) return;
    await view.catchUp(this.#generation, { signal });
    this.#trim(name);
  }

  /** Held through snapshots of others that the account may read, or by members of its group. */
  async #othersGive(
    account: Account,
    state: AccountState,
    id: ContentId,
    options: HoldingCallOptions,
  ): Promise<boolean> {
    return (
      (await this.#readsForeign(account, state, id, options)) ||
      (await this.#peersHold(account, id, options))
    );
  }

  async #readsForeign(
    account: Account,
    state: AccountState,
    id: ContentId,
    options: HoldingCallOptions,
  ): Promise<boolean> {
    const { rights } = options;
    if (rights === undefined) return false;
    if (mayRead(rights, ANY_SNAPSHOT)) return true;
    const sources = await this.#sources.at(this.#generation);
    const view = state.foreign.viewFor(account, rights, sources);
    if (view === undefined) return false;
    await this.#catchUp(account.name, view, options);
    return view.has(id);
  }

  /** Data only: whatever else members store is under secrets of their own. */
  async #peersHold(account: Account, id: ContentId, options: CallOptions): Promise<boolean> {
    const { peersOf } = this.#options;
    if (peersOf === undefined || contentPrefix(id) !== "") return false;
    for (const name of await peersOf(account, options)) {
      const [username = "", hostname = ""] = name.split("@");
      const peer = { name, username, hostname };
      const state = this.#stateOf(peer);
      if (state.sent.has(id, this.#nowMs())) return true;
      const own = this.#ownOf(peer, state);
      await this.#catchUp(account.name, own, options);
      if (own.has(id)) return true;
    }
    return false;
  }

  /** Views can be made again, what was sent cannot: it goes last. The account at work keeps all it has. */
  #trim(current: string): void {
    let excess = -this.#memoryBytes;
    for (const state of this.#accounts.values()) excess += memoryOf(state);
    for (const part of ["views", "all"] as const) {
      for (const [name, state] of this.#accounts) {
        if (excess <= 0) return;
        if (name === current) continue;
        excess -= memoryOf(state);
        if (part === "all") this.#accounts.delete(name);
        else {
          state.own = undefined;
          state.foreign.drop();
          excess += memoryOf(state);
        }
      }
    }
  }
}

function memoryOf({ sent, own, foreign }: AccountState): number {
  return sent.memoryBytes + (own?.memoryBytes ?? 0) + foreign.memoryBytes;
}
