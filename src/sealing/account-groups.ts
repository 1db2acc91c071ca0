/**
 * Dedup groups of an account that was opened with its password: following their documents, making them, inviting, joining,
 * and, for admins, changing who is in. Epochs and members are the admins' alone; names and codes stay in the keyring.
 * Spec: sealed 7.
 */
import { bytesToBase64Url, equalBytes, formatTimestamp } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import {
  type Group,
  INVITE_LABEL,
  type Keyring,
  type KeyringGroup,
  type KeyringInvite,
  newGroupId,
  type OpenedGroup,
  parseCode,
  printCode,
  readPinnedGroup,
} from "../sealed/index.ts";
import type { DeviceGroup } from "./account.ts";
import type { EnrollTools } from "./enroll.ts";
import {
  assertFreeName,
  deviceGroup,
  findGroup,
  isOver,
  knownGroup,
  nameOf,
  pinOf,
  withMembers,
  withPin,
} from "./group-book.ts";
import { type CurrentGroup, GroupDocuments } from "./group-documents.ts";
import { handOver, knowsFormerKey } from "./group-handover.ts";
import {
  tellDoubts,
  type TellGroups,
  tellFormerKey,
  tellNoMember,
  tellVersion,
} from "./group-notices.ts";
import { assertUsable, compressionVersion, groupParams, type GroupWishes } from "./group-params.ts";
import { judgeJoins, type JoinVerdict } from "./join-requests.ts";
import { changeKeyring, sessionOf } from "./keyring-store.ts";
import type { UnlockedAccount } from "./unlock.ts";

export interface AccountGroupsOptions {
  readonly tools: EnrollTools;
  /** `user@host`. */
  readonly account: string;
  readonly unlocked: UnlockedAccount;
  /** What this device sealed under so far. */
  readonly device: DeviceGroup | undefined;
  /** The user has said that the server may have gone back. */
  readonly acceptRollback?: boolean | undefined;
  /** What people should know. */
  readonly tell: TellGroups;
}

/** A group as it is now. */
export interface GroupState {
  readonly pin: KeyringGroup;
  /** `undefined`: the account is no member (yet), as the server says. */
  readonly opened: OpenedGroup | undefined;
  readonly isAdmin: boolean;
}

export interface NewInvite {
  /** Printed, as people copy it. */
  readonly code: string;
  readonly expires: string;
  /** An admin needs the code too. */
  readonly isForAdmin: boolean;
}

/** Others were faster, or the server takes nothing at the moment. */
const WAITS = ["SEJF_ALREADY_EXISTS", "SEJF_READ_ONLY", "SEJF_NO_SPACE"] as const;
const CODE_BYTES = 16;
const SECRET_BYTES = 32;
const NS_PER_MS = 1_000_000n;

export class AccountGroups {
  readonly #options: AccountGroupsOptions;
  readonly #documents: GroupDocuments;
  readonly #current = new Map<string, CurrentGroup>();
  #unlocked: UnlockedAccount;
  #device: DeviceGroup | undefined;

  /** @throws SEJF_UNSUPPORTED where no sejf server keeps the account. */
  constructor(options: AccountGroupsOptions) {
    this.#options = options;
    this.#documents = new GroupDocuments(
      options.tools.engine,
      sessionOf(options.unlocked, "a group"),
      options.unlocked.keys,
    );
    this.#unlocked = options.unlocked;
    this.#device = options.device;
  }

  /** With the keyring as it is now. */
  get unlocked(): UnlockedAccount {
    return this.#unlocked;
  }

  /** What this device is to seal under from now on. */
  get device(): DeviceGroup | undefined {
    return this.#device;
  }

  /** In the order of joining. */
  list(): readonly GroupState[] {
    return this.#keyring.groups.map((pin) => this.#stateOf(pin));
  }

  /** @throws SEJF_NOT_FOUND, SEJF_INVALID_ARGUMENT. */
  find(name: string): GroupState {
    return this.#stateOf(findGroup(this.#keyring, name));
  }

  /**
   * Reads all documents anew; admins let in whom a code of theirs proves. @throws SEJF_CORRUPT for a document that is
   * refused.
   */
  async follow(): Promise<void> {
    const { acceptRollback = false, tell } = this.#options;
    const news = new Map<string, OpenedGroup>();
    for (const pin of this.#keyring.groups) {
      const known = knownGroup(pin, this.#device);
      const current = await this.#documents.read(known, this.#formerIdentities, acceptRollback);
      if (current === undefined) {
        if (pin.pending !== true && pin.used === true) tellNoMember(tell, pin);
        continue;
      }
      this.#current.set(pin.id, current);
      const { opened } = current;
      if (opened.sha256 !== pin.docSha256 || pin.pending === true) news.set(pin.id, opened);
    }
    if (news.size > 0)
      await this.#try("What is new in groups could not be stored", async () => {
        await this.#repin(news, ({ pending: _pending, ...kept }) => kept);
      });
    for (const { pin, opened } of this.list())
      if (opened !== undefined && this.#knowsFormerKey(opened)) await this.#handOver(pin, opened);
    this.#useCurrent();
    for (const { pin, isAdmin } of this.list())
      if (isAdmin && this.#live(pin).length > 0)
        await this.#try(`Nobody was let into the group ${nameOf(pin)}`, async () => {
          await this.accept(pin.id);
        });
  }

  /** @throws SEJF_ALREADY_EXISTS for a name that is taken; SEJF_UNSUPPORTED. */
  async create(name: string, wishes: GroupWishes): Promise<GroupState> {
    const { tools } = this.#options;
    assertFreeName(this.#keyring, name);
    const { keys } = this.#unlocked;
    const group: Group = {
      id: newGroupId(tools.random),
      epoch: 1,
      prev: "",
      admins: [keys.signingPublicKey],
      members: [{ account: this.#options.account, recipient: keys.recipient }],
      secret: tools.random.bytes(SECRET_BYTES),
      params: groupParams(tools.engine, wishes),
    };
    const opened = await this.#write(group, [this.#options.account]);
    const used = !this.#usesAny;
    await this.#change((keyring) => withPin(keyring, pinOf(opened, { name, used })));
    this.#useCurrent();
    return this.find(group.id);
  }

  /** A code for one more member. `account`: the only one who may use it. */
  async invite(name: string, lifeMs: number, account?: string): Promise<NewInvite> {
    const { engine, random, clock } = this.#options.tools;
    const { pin, isAdmin } = this.find(name);
    const { opened } = this.#member(pin);
    const code = random.bytes(CODE_BYTES);
    const endNs = BigInt(clock.nowMs() + lifeMs) * NS_PER_MS;
    const expires = formatTimestamp(endNs - (endNs % 1_000_000_000n));
    const invite: KeyringInvite = { code: bytesToBase64Url(code), expires, account };
    // Kept first: a code that nobody keeps makes nobody a member.
    if (isAdmin)
      await this.#repin(only(opened), (before) => ({
        ...before,
        invites: [...this.#live(before), invite],
      }));
    await this.#documents.writeInvite(opened, code, expires, random);
    return { code: printCode(engine, INVITE_LABEL, code), expires, isForAdmin: !isAdmin };
  }

  /** Uses the group at once, unless another one is used; an admin makes the account a member at his next login. */
  async join(printed: string, name?: string): Promise<GroupState> {
    const { tools, account } = this.#options;
    const { engine } = tools;
    const code = parseCode(engine, INVITE_LABEL, printed);
    const opened = await this.#documents.openInvite(code);
    const { group } = opened;
    assertUsable(engine, group.params);
    const before = this.#keyring.groups.find(({ id }) => id === group.id);
    if (before === undefined) assertFreeName(this.#keyring, name ?? group.id.slice(0, 8));
    else this.#assertMayRejoin(before, opened);
    await this.#documents.ask(account, code);
    const used = before?.used ?? !this.#usesAny;
    const pin = pinOf(opened, {
      name: name ?? before?.name,
      used,
      pending: true,
      invites: [],
    });
    await this.#change((keyring) => withPin(keyring, pin));
    if (used) this.#device = deviceGroup(opened);
    return this.find(group.id);
  }

  /** Requests to join, and what speaks for each. `printed`: a code that another member gave. */
  async requests(name: string, printed?: string): Promise<readonly JoinVerdict[]> {
    const { pin } = this.find(name);
    return judgeJoins(
      this.#options.tools.engine,
      this.#member(pin).opened.group.members,
      await this.#documents.requests(pin.id),
      [...this.#live(pin), ...this.#given(printed)],
    );
  }

  /**
   * Makes members of those whom a code proves, and no doubt: one for each code, nobody whose key changed. `account`: this
   * one all the same, when a code proves it. Returns who came in.
   */
  async accept(name: string, account?: string, printed?: string): Promise<readonly string[]> {
    const { pin } = this.find(name);
    const { opened, stored } = this.#admin(pin);
    const verdicts = await this.requests(name, printed);
    const chosen = verdicts.filter((one) =>
      account === undefined
        ? one.doubt === undefined
        : one.join.account === account && one.invite !== undefined,
    );
    if (account === undefined) tellDoubts(this.#options.tell, pin, verdicts);
    if (account !== undefined && chosen.length !== 1)
      throw new SejfError(
        "SEJF_NOT_FOUND",
        chosen.length === 0
          ? `no code that is kept here proves a request of ${account}`
          : `${account} asks with ${chosen.length} different keys`,
        { hint: "invite anew, and give the code to that person alone" },
      );
    if (chosen.length === 0) return [];
    const joins = new Map(chosen.map(({ join }) => [join.account, join] as const));
    const codes = new Set(chosen.map(({ invite }) => invite?.code));
    const { group, sha256 } = opened;
    // The same secret: what is stored stays shared. Whose key is another one may have lost the former one to somebody.
    const isReplaced = group.members.some(({ account: who }) => joins.has(who));
    const secret = isReplaced ? this.#options.tools.random.bytes(SECRET_BYTES) : group.secret;
    const members = withMembers(group, joins);
    const next = { ...group, epoch: group.epoch + 1, prev: sha256, secret, members };
    const written = await this.#write(next, stored.admins);
    await this.#repin(only(written), (before) => ({
      ...before,
      invites: this.#live(before).filter(({ code }) => !codes.has(code)),
    }));
    await this.#documents.forgetInvites([...codes].filter((code) => code !== undefined));
    this.#useCurrent();
    for (const who of joins.keys())
      this.#options.tell("info", `${who} is a member of the group ${nameOf(pin)} now.`);
    return [...joins.keys()];
  }

  /** The next epoch has a new secret, which he does not get. Invitations that are open count no more. */
  async remove(name: string, account: string): Promise<GroupState> {
    const { pin } = this.find(name);
    const { opened, stored } = this.#admin(pin);
    const { group } = opened;
    if (account === this.#options.account || stored.admins.includes(account))
      throw new SejfError("SEJF_INVALID_ARGUMENT", `${account} is an admin of the group`, {
        hint: "a group lives as long as its admin; found another one",
      });
    if (!group.members.some((member) => member.account === account))
      throw new SejfError("SEJF_NOT_FOUND", `${account} is no member of the group ${nameOf(pin)}`);
    const members = group.members.filter((member) => member.account !== account);
    return await this.#renew(pin, { ...group, members }, opened, stored.admins);
  }

  /** A new secret for what is sealed from now on. Invitations that are open count no more. */
  async rotate(name: string): Promise<GroupState> {
    const { pin } = this.find(name);
    const { opened, stored } = this.#admin(pin);
    return await this.#renew(pin, opened.group, opened, stored.admins);
  }

  /** All devices of the account seal for this group from now on; for none, without a name. */
  async use(name: string | undefined): Promise<void> {
    const id = name === undefined ? undefined : findGroup(this.#keyring, name).id;
    await this.#change((keyring) => ({
      ...keyring,
      groups: keyring.groups.map((pin) => ({ ...pin, used: pin.id === id })),
    }));
    this.#useCurrent();
  }

  get #keyring(): Keyring {
    return this.#unlocked.keyring;
  }

  get #formerIdentities(): readonly string[] {
    return this.#keyring.formerIdentities ?? [];
  }

  #knowsFormerKey({ group }: OpenedGroup): boolean {
    return knowsFormerKey(group, this.#options.account, this.#unlocked.keys);
  }

  get #usesAny(): boolean {
    return this.#keyring.groups.some(({ used }) => used === true);
  }

  #stateOf(pin: KeyringGroup): GroupState {
    const opened = this.#current.get(pin.id)?.opened;
    const own = this.#unlocked.keys.signingPublicKey;
    const isAdmin = opened?.group.admins.some((key) => equalBytes(key, own)) === true;
    return { pin, opened, isAdmin };
  }

  /** What is used and known becomes what the device seals under; where it is not shown, the device keeps what it has. */
  #useCurrent(): void {
    const { tools, tell } = this.#options;
    const pin = this.#keyring.groups.find(({ used }) => used === true);
    const opened = pin === undefined ? undefined : this.#current.get(pin.id)?.opened;
    if (pin === undefined || opened === undefined) {
      if (this.#device?.id !== pin?.id) this.#device = undefined;
      return;
    }
    this.#device = undefined;
    const { params } = opened.group;
    try {
      assertUsable(tools.engine, params);
    } catch (error) {
      if (!isSejfError(error, "SEJF_UNSUPPORTED")) throw error;
      tell("warn", `Nothing is shared with the group ${nameOf(pin)}: ${error.message}.`);
      return;
    }
    tellVersion(tell, pin, params);
    this.#device = deviceGroup(opened);
  }

  /** Whoever gives the code vouches for the admins of a group that is new here, not of one that is known. */
  #assertMayRejoin(pin: KeyringGroup, { group, line }: OpenedGroup): void {
    const known = knownGroup(pin, this.#device);
    readPinnedGroup(this.#options.tools.engine, known, line);
    if (group.epoch < known.epoch)
      throw new SejfError(
        "SEJF_CORRUPT",
        `the invitation is to epoch ${group.epoch} of a group of which this account knows epoch ${known.epoch}`,
        { hint: "ask an admin of the group for a new one" },
      );
    const current = this.#current.get(pin.id);
    if (current !== undefined && !this.#knowsFormerKey(current.opened))
      throw new SejfError(
        "SEJF_ALREADY_EXISTS",
        `this account is a member of that group: ${nameOf(pin)}`,
      );
  }

  /** After `account rekey`. */
  async #handOver(pin: KeyringGroup, opened: OpenedGroup): Promise<void> {
    const { tools, account, tell } = this.#options;
    const { keys } = this.#unlocked;
    const next = await handOver(tools.engine, opened.group, account, keys, this.#formerIdentities);
    if (next === undefined) tellFormerKey(tell, pin);
    else
      await this.#try(`The group ${nameOf(pin)} does not know the account's new key`, async () => {
        const admins = this.#current.get(pin.id)?.stored.admins ?? [];
        await this.#renew(pin, next.group, opened, admins, next.signingSeed);
      });
  }

  async #renew(
    pin: KeyringGroup,
    group: Group,
    { sha256 }: OpenedGroup,
    admins: readonly string[],
    signingSeed?: Uint8Array,
  ): Promise<GroupState> {
    const { tools } = this.#options;
    const secret = tools.random.bytes(SECRET_BYTES);
    const params = {
      ...group.params,
      compressionVersion: compressionVersion(group.params.compression),
    };
    const next = { ...group, epoch: group.epoch + 1, prev: sha256, secret, params };
    const written = await this.#write(next, admins, signingSeed);
    const open: KeyringInvite[] = [];
    await this.#repin(only(written), (before) => {
      open.push(...this.#live(before));
      return { ...before, invites: [] };
    });
    await this.#documents.forgetInvites(open.map(({ code }) => code));
    this.#useCurrent();
    return this.find(pin.id);
  }

  async #write(
    group: Group,
    admins: readonly string[],
    signingSeed?: Uint8Array,
  ): Promise<OpenedGroup> {
    const current = await this.#documents.write(group, admins, signingSeed);
    this.#current.set(group.id, current);
    return current.opened;
  }

  /** @throws SEJF_NOT_FOUND unless the account is a member. */
  #member(pin: KeyringGroup): CurrentGroup {
    const current = this.#current.get(pin.id);
    if (current !== undefined) return current;
    throw new SejfError("SEJF_NOT_FOUND", `this account is no member of ${nameOf(pin)}`, {
      hint:
        pin.pending === true
          ? "it becomes one when an admin of the group logs in the next time"
          : "ask an admin of the group for an invitation",
    });
  }

  /** @throws SEJF_ACCESS_DENIED for other members. */
  #admin(pin: KeyringGroup): CurrentGroup {
    const current = this.#member(pin);
    if (this.#stateOf(pin).isAdmin) return current;
    throw new SejfError("SEJF_ACCESS_DENIED", `only an admin of ${nameOf(pin)} can do this`);
  }

  #live({ invites = [] }: KeyringGroup): readonly KeyringInvite[] {
    const now = this.#options.tools.clock.nowMs();
    return invites.filter(({ expires }) => !isOver(expires, now));
  }

  #given(printed: string | undefined): readonly KeyringInvite[] {
    if (printed === undefined) return [];
    const code = parseCode(this.#options.tools.engine, INVITE_LABEL, printed);
    return [{ code: bytesToBase64Url(code), expires: "" }];
  }

  /** The keyring knows these documents, with what else it keeps of them. */
  async #repin(
    opened: ReadonlyMap<string, OpenedGroup>,
    change: (before: KeyringGroup) => KeyringGroup,
  ): Promise<void> {
    await this.#change((keyring) => ({
      ...keyring,
      groups: keyring.groups.map((pin) => {
        const one = opened.get(pin.id);
        return one === undefined ? pin : pinOf(one, change(pin));
      }),
    }));
  }

  /** What can wait for the next login. */
  async #try(failure: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (!WAITS.some((code) => isSejfError(error, code))) throw error;
      this.#options.tell("warn", `${failure}: ${(error as SejfError).message}.`);
    }
  }

  async #change(change: (keyring: Keyring) => Keyring): Promise<void> {
    const { tools, account } = this.#options;
    this.#unlocked = await changeKeyring({ tools, account }, this.#unlocked, change);
  }
}

function only(opened: OpenedGroup): ReadonlyMap<string, OpenedGroup> {
  return new Map([[opened.group.id, opened]]);
}
