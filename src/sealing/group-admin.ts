/**
 * What admins do: let in who joins with a code, make admins of others and take that from them, remove, rotate. Each is the
 * next document of the group, signed by one of those who were admins before it. Spec: sealed 7.
 */
import { bytesToBase64Url, equalBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import {
  adminsIn,
  type Group,
  type GroupMember,
  INVITE_LABEL,
  type KeyringGroup,
  type KeyringInvite,
  type OpenedGroup,
  parseCode,
} from "../sealed/index.ts";
import { nameOf, withJoined } from "./group-book.ts";
import { handOver, knowsFormerKey } from "./group-handover.ts";
import type { GroupLedger, GroupState } from "./group-ledger.ts";
import { tellDoubts, tellFormerKey } from "./group-notices.ts";
import { judgeJoins, type JoinVerdict } from "./join-requests.ts";

export class GroupAdmin {
  readonly #ledger: GroupLedger;

  constructor(ledger: GroupLedger) {
    this.#ledger = ledger;
  }

  /** Requests to join, and what speaks for each. `printed`: a code that another member gave. */
  async requests(name: string, printed?: string): Promise<readonly JoinVerdict[]> {
    const ledger = this.#ledger;
    const { pin } = ledger.find(name);
    return judgeJoins(
      ledger.options.tools.engine,
      ledger.member(pin).group,
      await ledger.documents.requests(pin.id),
      [...ledger.live(pin), ...this.#given(printed)],
    );
  }

  /**
   * Makes members, or admins, of those whom a code proves, and no doubt: one for each code, nobody whose key changed.
   * `account`: this one all the same, when a code proves it. Returns who came in.
   */
  async accept(name: string, account?: string, printed?: string): Promise<readonly string[]> {
    const ledger = this.#ledger;
    const { tell } = ledger.options;
    const { pin } = ledger.find(name);
    const opened = ledger.admin(pin);
    const verdicts = await this.requests(name, printed);
    const chosen = verdicts.filter((one) =>
      account === undefined
        ? one.doubt === undefined
        : one.join.account === account && one.invite !== undefined,
    );
    if (account === undefined) tellDoubts(tell, pin, verdicts);
    else assertOne(account, chosen);
    if (chosen.length === 0) return [];
    const { group } = opened;
    const changed = withJoined(group, chosen);
    // The same secret: what is stored stays shared. Whose key is another one may have lost the former one to somebody.
    const isReplaced = group.members.some(({ account: who, recipient }) =>
      chosen.some(({ join }) => join.account === who && join.recipient !== recipient),
    );
    const secret = isReplaced ? ledger.newSecret() : group.secret;
    const written = await ledger.writeNext(opened, { ...changed, secret });
    const codes = new Set(chosen.flatMap(({ invite }) => (invite ? [invite.code] : [])));
    await ledger.repin([written], (before) => ({
      ...before,
      invites: ledger.live(before).filter(({ code }) => !codes.has(code)),
    }));
    await ledger.documents.forgetInvites([...codes]);
    ledger.useCurrent();
    for (const { join, key } of chosen)
      tell(
        "info",
        `${join.account} is ${key === undefined ? "a member" : "an admin"} of the group ${nameOf(pin)} now.`,
      );
    return chosen.map(({ join }) => join.account);
  }

  /** The next epoch has a new secret, which he does not get. Invitations that are open count no more. */
  async remove(name: string, account: string): Promise<GroupState> {
    const ledger = this.#ledger;
    const { pin } = ledger.find(name);
    const opened = ledger.admin(pin);
    if (account === ledger.options.account)
      throw new SejfError("SEJF_INVALID_ARGUMENT", `${account} is this account`, {
        hint: `\`sejf group leave ${nameOf(pin)}\` leaves the group`,
      });
    memberIn(opened.group, pin, account);
    return await ledger.renew(pin, opened, without(opened.group, account));
  }

  /** A new secret for what is sealed from now on. Invitations that are open count no more. */
  async rotate(name: string): Promise<GroupState> {
    const { pin } = this.#ledger.find(name);
    return await this.#ledger.renew(pin, this.#ledger.admin(pin));
  }

  /** An admin, or this account itself, is a member like others from now on. @throws SEJF_INVALID_ARGUMENT for the last one. */
  async demote(name: string, account: string): Promise<GroupState> {
    const ledger = this.#ledger;
    const { pin } = ledger.find(name);
    const opened = ledger.admin(pin);
    const { group } = opened;
    const { key, ...plain } = memberIn(group, pin, account);
    if (!adminsIn(group).some((one) => one.account === account))
      throw new SejfError("SEJF_INVALID_ARGUMENT", `${account} is no admin of ${nameOf(pin)}`);
    assertAnother(pin, group, account);
    const written = await ledger.writeNext(opened, {
      admins: group.admins.filter((one) => key === undefined || !equalBytes(one, key)),
      members: group.members.map((member) => (member.account === account ? plain : member)),
    });
    if (account === ledger.options.account) return await ledger.withoutInvites(pin, written);
    await ledger.repin([written], (before) => before);
    ledger.useCurrent();
    return ledger.find(pin.id);
  }

  /** The others go on with a new secret. @throws SEJF_INVALID_ARGUMENT for the last admin, as long as there are others. */
  async withdraw(pin: KeyringGroup): Promise<void> {
    const ledger = this.#ledger;
    const { account } = ledger.options;
    const opened = ledger.admin(pin);
    const { group } = opened;
    if (group.members.length === 1) return;
    assertAnother(pin, group, account);
    await ledger.writeNext(opened, { ...without(group, account), secret: ledger.newSecret() });
    await ledger.documents.forgetInvites(ledger.live(pin).map(({ code }) => code));
  }

  /** After `account rekey`: the former key signs once more. */
  async handOver(pin: KeyringGroup, opened: OpenedGroup): Promise<void> {
    const ledger = this.#ledger;
    const { tools, account, tell } = ledger.options;
    const { keys } = ledger.unlocked;
    if (!knowsFormerKey(opened.group, account, keys)) return;
    const next = await handOver(tools.engine, opened.group, account, keys, ledger.formerIdentities);
    if (next === undefined) {
      tellFormerKey(tell, pin);
      return;
    }
    const { admins, members } = next.group;
    const failure = `The group ${nameOf(pin)} does not know the account's new key`;
    await ledger.attempt(failure, async () => {
      await ledger.renew(pin, opened, { admins, members }, next.signingSeed);
    });
  }

  #given(printed: string | undefined): readonly KeyringInvite[] {
    if (printed === undefined) return [];
    const code = parseCode(this.#ledger.options.tools.engine, INVITE_LABEL, printed);
    return [{ code: bytesToBase64Url(code), expires: "" }];
  }
}

function assertOne(account: string, chosen: readonly JoinVerdict[]): void {
  if (chosen.length === 1) return;
  throw new SejfError(
    "SEJF_NOT_FOUND",
    chosen.length === 0
      ? `no code that is kept here proves a request of ${account}`
      : `${account} asks with ${chosen.length} different keys`,
    { hint: "invite anew, and give the code to that person alone" },
  );
}

/** A group without an admin would stay as it is for ever. @throws SEJF_INVALID_ARGUMENT. */
function assertAnother(pin: KeyringGroup, group: Group, account: string): void {
  if (adminsIn(group).some((one) => one.account !== account)) return;
  throw new SejfError(
    "SEJF_INVALID_ARGUMENT",
    `${account} is the last admin of the group ${nameOf(pin)}`,
    {
      hint: `make another member one first: \`sejf group invite ${nameOf(pin)} --admin --for=USER@HOST\``,
    },
  );
}

/** @throws SEJF_NOT_FOUND. */
function memberIn({ members }: Group, pin: KeyringGroup, account: string): GroupMember {
  const member = members.find((one) => one.account === account);
  if (member !== undefined) return member;
  throw new SejfError("SEJF_NOT_FOUND", `${account} is no member of the group ${nameOf(pin)}`);
}

function without({ admins, members }: Group, account: string): Pick<Group, "admins" | "members"> {
  const key = members.find((one) => one.account === account)?.key;
  return {
    admins: admins.filter((one) => key === undefined || !equalBytes(one, key)),
    members: members.filter((one) => one.account !== account),
  };
}
