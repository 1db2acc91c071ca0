/**
 * Dedup groups of an account that was opened with its password: following their documents, making them, inviting, joining,
 * leaving, and what admins do. Epochs and members are the admins' alone; names and codes stay in the keyring. Spec: sealed 7.
 */
import { bytesToBase64Url, formatTimestamp } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import {
  type Group,
  INVITE_LABEL,
  type KeyringGroup,
  type KeyringInvite,
  newGroupId,
  type OpenedGroup,
  parseCode,
  printCode,
  readPinnedGroup,
} from "../sealed/index.ts";
import type { DeviceGroup } from "./account.ts";
import { GroupAdmin } from "./group-admin.ts";
import {
  assertFreeName,
  deviceGroup,
  findGroup,
  knownGroup,
  nameOf,
  pinOf,
  withPin,
} from "./group-book.ts";
import { type AccountGroupsOptions, GroupLedger, type GroupState } from "./group-ledger.ts";
import { tellLeft, tellNoMember } from "./group-notices.ts";
import { assertUsable, groupParams, type GroupWishes } from "./group-params.ts";
import type { JoinVerdict } from "./join-requests.ts";
import type { UnlockedAccount } from "./unlock.ts";

export interface InviteWishes {
  readonly lifeMs: number;
  /** The only one who may use it. */
  readonly account?: string | undefined;
  /** Who uses it becomes an admin. */
  readonly admin?: boolean | undefined;
}

export interface NewInvite {
  /** Printed, as people copy it. */
  readonly code: string;
  readonly expires: string;
  /** An admin needs the code too. */
  readonly isForAdmin: boolean;
}

const CODE_BYTES = 16;
const NS_PER_MS = 1_000_000n;

export class AccountGroups {
  readonly #ledger: GroupLedger;
  readonly #admin: GroupAdmin;

  /** @throws SEJF_UNSUPPORTED where no sejf server keeps the account. */
  constructor(options: AccountGroupsOptions) {
    this.#ledger = new GroupLedger(options);
    this.#admin = new GroupAdmin(this.#ledger);
  }

  /** With the keyring as it is now. */
  get unlocked(): UnlockedAccount {
    return this.#ledger.unlocked;
  }

  /** What this device is to seal under from now on. */
  get device(): DeviceGroup | undefined {
    return this.#ledger.device;
  }

  /** In the order of joining. */
  list(): readonly GroupState[] {
    return this.#ledger.keyring.groups.map((pin) => this.#ledger.stateOf(pin));
  }

  /** @throws SEJF_NOT_FOUND, SEJF_INVALID_ARGUMENT. */
  find(name: string): GroupState {
    return this.#ledger.find(name);
  }

  /**
   * Reads all documents anew; admins let in whom a code of theirs proves. @throws SEJF_CORRUPT for a document that is
   * refused.
   */
  async follow(): Promise<void> {
    const ledger = this.#ledger;
    const news = await this.#readAll();
    if (news.length > 0)
      await ledger.attempt("What is new in groups could not be stored", async () => {
        await ledger.repin(news, ({ pending: _pending, ...kept }) => kept);
      });
    for (const { pin, opened } of this.list())
      if (opened !== undefined) await this.#admin.handOver(pin, opened);
    ledger.useCurrent();
    for (const { pin, isAdmin } of this.list())
      if (isAdmin && ledger.live(pin).length > 0)
        await ledger.attempt(`Nobody was let into the group ${nameOf(pin)}`, async () => {
          await this.accept(pin.id);
        });
  }

  /** @throws SEJF_ALREADY_EXISTS for a name that is taken; SEJF_UNSUPPORTED. */
  async create(name: string, wishes: GroupWishes): Promise<GroupState> {
    const ledger = this.#ledger;
    const { tools, account } = ledger.options;
    assertFreeName(ledger.keyring, name);
    const { recipient, signingPublicKey: key } = ledger.unlocked.keys;
    const group: Group = {
      id: newGroupId(tools.random),
      epoch: 1,
      prev: "",
      admins: [key],
      members: [{ account, recipient, key }],
      secret: ledger.newSecret(),
      params: groupParams(tools.engine, wishes),
    };
    const opened = await ledger.write(group);
    const used = !ledger.usesAny;
    await ledger.change((keyring) => withPin(keyring, pinOf(opened, { name, used })));
    ledger.useCurrent();
    return this.find(group.id);
  }

  /** A code for one more member, or admin. @throws SEJF_ACCESS_DENIED to a member who wants to make admins. */
  async invite(name: string, { lifeMs, account, admin }: InviteWishes): Promise<NewInvite> {
    const ledger = this.#ledger;
    const { engine, random, clock } = ledger.options.tools;
    const { pin, isAdmin } = this.find(name);
    const opened = admin === true ? ledger.admin(pin) : ledger.member(pin);
    const code = random.bytes(CODE_BYTES);
    const endNs = BigInt(clock.nowMs() + lifeMs) * NS_PER_MS;
    const expires = formatTimestamp(endNs - (endNs % 1_000_000_000n));
    const text = bytesToBase64Url(code);
    const invite: KeyringInvite = { code: text, expires, account, admin };
    // Kept first: a code that nobody keeps makes nobody a member.
    if (isAdmin)
      await ledger.repin([opened], (before) => ({
        ...before,
        invites: [...ledger.live(before).filter((one) => one.code !== text), invite],
      }));
    await ledger.documents.writeInvite(opened, code, expires, random);
    return { code: printCode(engine, INVITE_LABEL, code), expires, isForAdmin: !isAdmin };
  }

  /**
   * Uses the group at once, unless another one is used; an admin makes the account a member at his next login. Who is one
   * already asks to be an admin.
   */
  async join(printed: string, name?: string): Promise<GroupState> {
    const ledger = this.#ledger;
    const { tools, account } = ledger.options;
    const { engine } = tools;
    const code = parseCode(engine, INVITE_LABEL, printed);
    const opened = await ledger.documents.openInvite(code);
    const { group } = opened;
    assertUsable(engine, group.params);
    const before = ledger.keyring.groups.find(({ id }) => id === group.id);
    if (before === undefined) assertFreeName(ledger.keyring, name ?? group.id.slice(0, 8));
    else if (this.#isMember(before)) {
      assertNoAdmin(ledger.stateOf(before));
      await ledger.documents.ask(account, code);
      return ledger.stateOf(before);
    } else this.#assertMayRejoin(before, opened);
    await ledger.documents.ask(account, code);
    const used = before?.used ?? !ledger.usesAny;
    const pin = pinOf(opened, {
      name: name ?? before?.name,
      used,
      pending: true,
      invites: [],
    });
    await ledger.change((keyring) => withPin(keyring, pin));
    if (used) ledger.device = deviceGroup(opened);
    return this.find(group.id);
  }

  /** Requests to join, and what speaks for each. `printed`: a code that another member gave. */
  async requests(name: string, printed?: string): Promise<readonly JoinVerdict[]> {
    return await this.#admin.requests(name, printed);
  }

  /** As `GroupAdmin.accept`. */
  async accept(name: string, account?: string, printed?: string): Promise<readonly string[]> {
    return await this.#admin.accept(name, account, printed);
  }

  /** As `GroupAdmin.remove`. */
  async remove(name: string, account: string): Promise<GroupState> {
    return await this.#admin.remove(name, account);
  }

  /** As `GroupAdmin.demote`. */
  async demote(name: string, account: string): Promise<GroupState> {
    return await this.#admin.demote(name, account);
  }

  /** As `GroupAdmin.rotate`. */
  async rotate(name: string): Promise<GroupState> {
    return await this.#admin.rotate(name);
  }

  /**
   * The account knows nothing of the group any more, and seals nothing for it. An admin leaves its members too; another
   * member stays on their list until an admin removes him. @throws SEJF_INVALID_ARGUMENT for the last admin.
   */
  async leave(name: string): Promise<KeyringGroup> {
    const ledger = this.#ledger;
    const { pin, isAdmin, opened } = this.find(name);
    if (isAdmin) await this.#admin.withdraw(pin);
    ledger.current.delete(pin.id);
    await ledger.change((keyring) => ({
      ...keyring,
      groups: keyring.groups.filter(({ id }) => id !== pin.id),
    }));
    ledger.useCurrent();
    tellLeft(ledger.options.tell, pin, { isAdmin, opened });
    return pin;
  }

  /** All devices of the account seal for this group from now on; for none, without a name. */
  async use(name: string | undefined): Promise<void> {
    const ledger = this.#ledger;
    const id = name === undefined ? undefined : findGroup(ledger.keyring, name).id;
    await ledger.change((keyring) => ({
      ...keyring,
      groups: keyring.groups.map((pin) => ({ ...pin, used: pin.id === id })),
    }));
    ledger.useCurrent();
  }

  /** Gives those that the keyring does not know yet. */
  async #readAll(): Promise<readonly OpenedGroup[]> {
    const ledger = this.#ledger;
    const { acceptRollback = false, tell } = ledger.options;
    const news: OpenedGroup[] = [];
    for (const pin of ledger.keyring.groups) {
      const known = knownGroup(pin, ledger.device);
      const current = await ledger.documents.read(known, ledger.formerIdentities, acceptRollback);
      if (current === undefined) {
        if (pin.pending !== true && pin.used === true) tellNoMember(tell, pin);
        continue;
      }
      ledger.current.set(pin.id, current);
      const { opened } = current;
      if (opened.sha256 !== pin.docSha256 || pin.pending === true) news.push(opened);
    }
    return news;
  }

  /** Whoever gives the code vouches for the admins of a group that is new here, not of one that is known. */
  #assertMayRejoin(pin: KeyringGroup, { group, line }: OpenedGroup): void {
    const ledger = this.#ledger;
    const known = knownGroup(pin, ledger.device);
    readPinnedGroup(ledger.options.tools.engine, known, line);
    if (group.epoch < known.epoch)
      throw new SejfError(
        "SEJF_CORRUPT",
        `the invitation is to epoch ${group.epoch} of a group of which this account knows epoch ${known.epoch}`,
        { hint: "ask an admin of the group for a new one" },
      );
  }

  /** By the key that it has now. */
  #isMember({ id }: KeyringGroup): boolean {
    const { recipient } = this.#ledger.unlocked.keys;
    const members = this.#ledger.current.get(id)?.opened.group.members ?? [];
    return members.some((one) => one.recipient === recipient);
  }
}

function assertNoAdmin({ pin, isAdmin }: GroupState): void {
  if (isAdmin)
    throw new SejfError(
      "SEJF_ALREADY_EXISTS",
      `this account is an admin of that group: ${nameOf(pin)}`,
    );
}
