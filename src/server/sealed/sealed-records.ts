/**
 * The view of all records, short-lived like that of the accounts, and changes to them. Of two items that contradict one
 * another, because two servers wrote at once, both servers take the same one.
 */
import type { CallOptions, Clock } from "../../bytes/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import type {
  CompactingManifestStore,
  Manifest,
  ManifestChange,
  ManifestId,
  ManifestMetadata,
} from "../../manifest/index.ts";
import { ShortLived } from "../short-lived.ts";
import type { AccountName, ServerLog, SharedFlush } from "../types.ts";
import { accountOf, decode, TYPES } from "./record-codec.ts";
import type {
  CodeRecord,
  DeviceRecord,
  DocumentRecord,
  GroupRecord,
  InviteRecord,
  JoinRecord,
  LoginRecord,
  SealedAccountRecords,
  SealedView,
  SessionRecord,
  SetupRecord,
  TokenRecord,
} from "./record-types.ts";

export interface SealedRecordsOptions {
  readonly manifests: Pick<CompactingManifestStore, "find" | "get" | "apply" | "newId">;
  readonly flush: SharedFlush;
  readonly clock: Clock;
  readonly log: ServerLog;
  /** How long what was read counts. Default 10 s. */
  readonly refreshMs?: number | undefined;
}

const DEFAULT_REFRESH_MS = 10_000;

interface MutableAccount extends SealedAccountRecords {
  readonly codes: CodeRecord[];
  login: LoginRecord | undefined;
  readonly devices: Map<string, DeviceRecord>;
  readonly sessions: SessionRecord[];
  readonly documents: Map<string, DocumentRecord>;
  readonly outdated: ManifestId[];
}

export class SealedRecords {
  readonly #options: SealedRecordsOptions;
  readonly #view: ShortLived<SealedView>;
  /** What was read of items, which never change. */
  #decoded = new Map<ManifestId, unknown>();

  constructor(options: SealedRecordsOptions) {
    this.#options = options;
    this.#view = new ShortLived({
      clock: options.clock,
      lifeMs: options.refreshMs ?? DEFAULT_REFRESH_MS,
      read: async () => await this.#load(),
    });
  }

  newId(): ManifestId {
    return this.#options.manifests.newId();
  }

  async view(options: CallOptions = {}): Promise<SealedView> {
    return await this.#view.get(options);
  }

  async account(
    name: string,
    options: CallOptions = {},
  ): Promise<SealedAccountRecords | undefined> {
    return (await this.view(options)).accounts.get(name as AccountName);
  }

  /** @throws SEJF_CORRUPT. */
  async documentText({ id }: DocumentRecord, options: CallOptions = {}): Promise<string> {
    const text = decode.documentText(await this.#options.manifests.get(id, options));
    if (text === undefined)
      throw new SejfError("SEJF_CORRUPT", `the document in manifest ${id} is damaged`);
    return text;
  }

  /** All at once, durable and seen when it resolves. @throws SEJF_READ_ONLY; the storage's errors. */
  async write(changes: readonly ManifestChange[]): Promise<void> {
    const { flush, manifests } = this.#options;
    try {
      await flush.flush(async () => await manifests.apply(changes));
    } finally {
      this.refresh();
    }
  }

  /** Forgets what was read. */
  refresh(): void {
    this.#view.forget();
  }

  async #load(): Promise<SealedView> {
    const before = this.#decoded;
    const decoded = new Map<ManifestId, unknown>();
    const read = async <T>(
      type: string,
      one: (item: Manifest) => T | undefined,
    ): Promise<Read<T>[]> => {
      const found: Read<T>[] = [];
      for (const item of await this.#options.manifests.find({ type })) {
        const record = before.has(item.id) ? before.get(item.id) : await this.#decode(item, one);
        decoded.set(item.id, record);
        if (record !== undefined) found.push({ item, record: record as T });
      }
      return found;
    };
    const accounts = await this.#loadAccounts(read);
    const setups = (await read<SetupRecord>(TYPES.setup, decode.setup)).map(({ record }) => record);
    const found = (await read<GroupRecord>(TYPES.group, decode.group)).map(({ record }) => record);
    const { groups, formerGroups } = groupsOf(found);
    const invites = new Map<string, InviteRecord>();
    for (const { record } of await read<InviteRecord>(TYPES.invite, decode.invite))
      if (!invites.has(record.id)) invites.set(record.id, record);
    const joins = (await read<JoinRecord>(TYPES.join, decode.join)).map(({ record }) => record);
    this.#decoded = decoded;
    const tokens = tokensOf(accounts);
    return { setups, accounts, tokens, groups, formerGroups, invites, joins };
  }

  async #loadAccounts(
    read: <T>(type: string, one: (item: Manifest) => T | undefined) => Promise<Read<T>[]>,
  ): Promise<ReadonlyMap<AccountName, SealedAccountRecords>> {
    const accounts = new Map<AccountName, MutableAccount>();
    const each = async <T>(
      items: Promise<readonly Read<T>[]>,
      add: (account: MutableAccount, read: Read<T>) => void,
    ): Promise<void> => {
      for (const one of await items) {
        const name = accountOf(one.item.labels);
        if (name !== undefined) add(accountIn(accounts, name), one);
      }
    };
    await each(read<CodeRecord>(TYPES.code, decode.code), (account, { record }) => {
      account.codes.push(record);
    });
    // The newest counts: a password that was changed is another record.
    await each(read<LoginRecord>(TYPES.login, decode.login), (account, { record }) => {
      if (account.login !== undefined) account.outdated.push(account.login.id);
      account.login = record;
    });
    await each(read<DeviceRecord>(TYPES.device, decode.device), (account, { record }) => {
      const old = account.devices.get(record.device);
      // SECURITY: what one server revoked no other one brings back.
      const [kept, gone] = old?.revoked === undefined ? [record, old] : [old, record];
      if (gone !== undefined) account.outdated.push(gone.id);
      account.devices.set(record.device, kept);
    });
    await each(read<SessionRecord>(TYPES.session, decode.session), (account, { record }) => {
      account.sessions.push(record);
    });
    await each(
      read<DocumentRecord>(TYPES.document, decode.document),
      (account, { item, record }) => {
        const { name = "" } = item.labels;
        const old = account.documents.get(name);
        const isNewer = old === undefined || record.version > old.version;
        const outdated = isNewer ? old : record;
        if (outdated !== undefined) account.outdated.push(outdated.id);
        if (isNewer) account.documents.set(name, record);
      },
    );
    return accounts;
  }

  async #decode<T>(
    { id, labels }: ManifestMetadata,
    one: (item: Manifest) => T | undefined,
  ): Promise<T | undefined> {
    try {
      const record = one(await this.#options.manifests.get(id));
      if (record === undefined)
        this.#options.log.warn({ manifest: id }, `an item of type ${labels["type"]} is damaged`);
      return record;
    } catch (error) {
      if (isSejfError(error, "SEJF_MANIFEST_NOT_FOUND")) return undefined;
      throw error;
    }
  }
}

interface Read<T> {
  readonly item: ManifestMetadata;
  readonly record: T;
}

/** The newest of each, and what is kept of the earlier ones. */
function groupsOf(records: readonly GroupRecord[]): Pick<SealedView, "groups" | "formerGroups"> {
  const groups = new Map<string, GroupRecord>();
  const formerGroups = new Map<string, GroupRecord[]>();
  for (const record of records.toSorted((a, b) => a.epoch - b.epoch)) {
    const before = groups.get(record.id);
    // Of two with one epoch the first counts.
    if (before?.epoch === record.epoch) continue;
    groups.set(record.id, record);
    if (before?.keep === true)
      formerGroups.set(record.id, [...(formerGroups.get(record.id) ?? []), before]);
  }
  return { groups, formerGroups };
}

function accountIn(accounts: Map<AccountName, MutableAccount>, name: AccountName): MutableAccount {
  const known = accounts.get(name);
  if (known !== undefined) return known;
  const account: MutableAccount = {
    name,
    codes: [],
    login: undefined,
    devices: new Map(),
    sessions: [],
    documents: new Map(),
    outdated: [],
  };
  accounts.set(name, account);
  return account;
}

/** Those of accounts that are enrolled; a session only as long as the password is the same. */
function tokensOf(
  accounts: ReadonlyMap<AccountName, SealedAccountRecords>,
): ReadonlyMap<string, TokenRecord> {
  const tokens = new Map<string, TokenRecord>();
  for (const [account, { login, devices, sessions }] of accounts) {
    if (login === undefined) continue;
    for (const { device, scope, tokenSha256, revoked } of devices.values())
      if (revoked === undefined)
        tokens.set(tokenSha256, { account, scope, device, expiresMs: undefined });
    for (const session of sessions)
      if (session.login === login.id)
        tokens.set(session.tokenSha256, {
          account,
          scope: "session",
          device: undefined,
          expiresMs: session.expiresMs,
        });
  }
  return tokens;
}
