/**
 * Dedup groups as far as the server has to do with them: it keeps the sealed documents, invitations and requests to join,
 * hands them to whom they concern, and lets epochs grow only. SECURITY: what is in a document, and who may write the next
 * one, clients check for themselves; that an admin's account writes it is asked here so that nobody else disturbs them.
 * Spec: sealed 7.
 */
import { base64UrlToBytes, utf8ToBytes, bytesToUtf8 } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import type { ManifestChange } from "../../manifest/index.ts";
import type { FormerGroup, StoredGroup, StoredInvite, StoredJoin } from "../../sealed/index.ts";
import { isAccountName } from "../accounts/index.ts";
import type { AccountName } from "../types.ts";
import { encode, labelsOf, msOf } from "./record-codec.ts";
import type { GroupRecord, InviteRecord, JoinRecord, SealedView } from "./record-types.ts";
import { assertSession, type ServiceParts, type TokenCaller } from "./service-parts.ts";

const MAX_FILE_CHARACTERS = 4 << 20;
const MAX_MEMBERS = 2000;
const MAX_GROUPS_FOUNDED = 100;
/** Members who have not looked for more changes of admins than this have to be invited again. */
const MAX_KEPT = 100;
const MAX_INVITES = 200;
const MAX_INVITE_MS: number = 31 * 24 * 3_600_000;
const MAX_TEXT = 1 << 20;
const AGE_HEADER = "age-encryption.org/v1\n";

export class Groups {
  readonly #parts: ServiceParts;

  constructor(parts: ServiceParts) {
    this.#parts = parts;
  }

  /** Those that the caller is a member of. */
  async list({ account }: TokenCaller): Promise<readonly StoredGroup[]> {
    const view = await this.#fresh();
    return [...view.groups.values()].filter((group) => group.members.includes(account)).map(stored);
  }

  /** @throws SEJF_NOT_FOUND also for groups of others. */
  async get({ account }: TokenCaller, id: string): Promise<StoredGroup> {
    return stored(memberGroup(await this.#fresh(), id, account));
  }

  /** Earlier documents that show who became an admin when, the oldest first. @throws SEJF_NOT_FOUND. */
  async former({ account }: TokenCaller, id: string): Promise<readonly FormerGroup[]> {
    const view = await this.#fresh();
    memberGroup(view, id, account);
    const kept = view.formerGroups.get(id) ?? [];
    return kept.map(({ epoch, file }) => ({ epoch, file }));
  }

  /**
   * The first document, by whoever founds the group; the next one, by an admin. SECURITY: what members hold others of the
   * group may see, so nobody is made one who did not ask for it, and `probe` stays what it was when they did.
   * @throws SEJF_ALREADY_EXISTS, SEJF_ACCESS_DENIED.
   */
  async put(caller: TokenCaller, group: StoredGroup): Promise<void> {
    assertSession(caller);
    const { account } = caller;
    assertGroup(group);
    await this.#parts.turns.run(async () => {
      const view = await this.#fresh();
      const old = view.groups.get(group.id);
      if (old === undefined) assertMayFound(view, account, group);
      else if (!old.members.includes(account)) throw notFound();
      else if (!old.admins.includes(account))
        throw new SejfError("SEJF_ACCESS_DENIED", `${account} is no admin of this group`);
      const next = (old?.epoch ?? 0) + 1;
      if (group.epoch !== next)
        throw new SejfError(
          "SEJF_ALREADY_EXISTS",
          `the group has the epoch ${next - 1} here, so the next one is ${next}, not ${group.epoch}`,
          { hint: "another admin changed it meanwhile: read it again" },
        );
      const { records } = this.#parts.options;
      const known: readonly string[] = old?.members ?? [account];
      const came = group.members.filter((one) => !known.includes(one));
      const joined = view.joins.filter(
        (one) => one.group === group.id && came.includes(one.account),
      );
      assertAgreed(group, old, came, joined);
      const kept = view.formerGroups.get(group.id) ?? [];
      const gone = [
        ...(old === undefined || old.keep ? [] : [old]),
        ...kept.slice(0, Math.max(0, kept.length - MAX_KEPT)),
        ...joined,
      ].map((one) => one.manifestId);
      await records.write([
        {
          kind: "put",
          id: records.newId(),
          labels: labelsOf.group(group.id, group.epoch),
          data: encode.group({
            file: group.file,
            probe: group.probe,
            members: group.members as AccountName[],
            admins: group.admins as AccountName[],
            keep: group.keep === true,
          }),
        },
        ...gone.map((id): ManifestChange => ({ kind: "delete", id })),
      ]);
      const target = `${group.id} epoch ${group.epoch}`;
      this.#parts.audit(caller, { action: "group.set", who: account, result: "ok", target });
    });
  }

  /** By a member; the code itself never comes here. @throws SEJF_NOT_FOUND, SEJF_INVALID_ARGUMENT, SEJF_ALREADY_EXISTS. */
  async putInvite(caller: TokenCaller, invite: StoredInvite): Promise<void> {
    assertSession(caller);
    const { account } = caller;
    const untilMs = msOf(invite.expires) ?? 0;
    const now = this.#parts.nowMs;
    if (untilMs <= now || untilMs > now + MAX_INVITE_MS)
      throw new SejfError("SEJF_INVALID_ARGUMENT", "an invitation expires within a month");
    if (invite.nonce.length > 64 || invite.ct.length > MAX_TEXT)
      throw new SejfError("SEJF_INVALID_ARGUMENT", "the invitation is malformed");
    await this.#parts.turns.run(async () => {
      const view = await this.#fresh();
      memberGroup(view, invite.group, account);
      if (view.invites.has(invite.id))
        throw new SejfError("SEJF_ALREADY_EXISTS", "there is such an invitation already");
      const own = [...view.invites.values()].filter((one) => one.by === account);
      if (own.length >= MAX_INVITES)
        throw new SejfError(
          "SEJF_INVALID_ARGUMENT",
          `${account} has ${MAX_INVITES} open invitations`,
        );
      const { records } = this.#parts.options;
      await records.write([
        {
          kind: "put",
          id: records.newId(),
          labels: labelsOf.invite(invite.id),
          data: encode.invite({ ...invite, by: account }),
        },
        ...this.#expired(view),
      ]);
      const target = `${invite.group} invitation ${invite.id}`;
      this.#parts.audit(caller, { action: "group.invite", who: account, result: "ok", target });
    });
  }

  /** For whoever knows its ID, which the code gives. @throws SEJF_NOT_FOUND also for an expired one. */
  async invite(id: string): Promise<StoredInvite> {
    const { group, expires, nonce, ct } = this.#open(await this.#fresh(), id);
    return { id, group, expires, nonce, ct };
  }

  /** It was used, or counts no more: by who made it, or an admin. @throws SEJF_NOT_FOUND. */
  async deleteInvite(caller: TokenCaller, id: string): Promise<void> {
    assertSession(caller);
    const { account } = caller;
    await this.#parts.turns.run(async () => {
      const view = await this.#fresh();
      const invite = view.invites.get(id);
      const isAdmin =
        invite !== undefined && view.groups.get(invite.group)?.admins.includes(account) === true;
      if (invite === undefined || !(isAdmin || invite.by === account))
        throw new SejfError("SEJF_NOT_FOUND", "there is no such invitation");
      const joins = view.joins.filter(({ inviteId }) => inviteId === id);
      await this.#parts.options.records.write(
        [invite, ...joins].map((one): ManifestChange => ({ kind: "delete", id: one.manifestId })),
      );
      const target = `${invite.group} invitation ${id} deleted`;
      this.#parts.audit(caller, { action: "group.invite", who: account, result: "ok", target });
    });
  }

  /** The caller asks to be a member. @throws SEJF_NOT_FOUND, SEJF_INVALID_ARGUMENT. */
  async join(caller: TokenCaller, join: StoredJoin): Promise<void> {
    assertSession(caller);
    const { account } = caller;
    const { login } = await this.#parts.enrolled(account);
    if (join.account !== account || join.recipient !== login.recipient)
      throw new SejfError(
        "SEJF_INVALID_ARGUMENT",
        "an account joins for itself, with its own recipient",
      );
    const { mac, key, keyMac } = join;
    const isFine =
      [mac, key ?? mac, keyMac ?? mac].every((one) => /^[A-Za-z0-9_-]{43}$/.test(one)) &&
      (key === undefined) === (keyMac === undefined);
    if (!isFine) throw new SejfError("SEJF_INVALID_ARGUMENT", "the request to join is malformed");
    await this.#parts.turns.run(async () => {
      const view = await this.#fresh();
      const { group } = this.#open(view, join.inviteId);
      const { records } = this.#parts.options;
      const again = view.joins.filter(
        (one) => one.account === account && one.inviteId === join.inviteId,
      );
      await records.write([
        {
          kind: "put",
          id: records.newId(),
          labels: labelsOf.join(join.inviteId, account),
          data: encode.join({ ...join, group, account, key, keyMac }),
        },
        ...again.map(({ manifestId: id }): ManifestChange => ({ kind: "delete", id })),
      ]);
      const target = `${group} invitation ${join.inviteId}`;
      this.#parts.audit(caller, { action: "group.join", who: account, result: "ok", target });
    });
  }

  /** For members of the group. @throws SEJF_NOT_FOUND. */
  async joins({ account }: TokenCaller, groupId: string): Promise<readonly StoredJoin[]> {
    const view = await this.#fresh();
    memberGroup(view, groupId, account);
    return view.joins
      .filter(({ group }) => group === groupId)
      .map(({ inviteId, account: who, recipient, mac, key, keyMac }) => ({
        inviteId,
        account: who,
        recipient,
        mac,
        key,
        keyMac,
      }));
  }

  #open(view: SealedView, id: string): InviteRecord {
    const invite = view.invites.get(id);
    if (invite === undefined || this.#parts.nowMs >= (msOf(invite.expires) ?? 0))
      throw new SejfError("SEJF_NOT_FOUND", "there is no such invitation, or it is expired");
    return invite;
  }

  /** Invitations that count no more, and what came of them. */
  #expired(view: SealedView): readonly ManifestChange[] {
    const now = this.#parts.nowMs;
    const isOver = (invite: InviteRecord): boolean => now >= (msOf(invite.expires) ?? 0);
    const over = [...view.invites.values()].filter((invite) => isOver(invite));
    const ids = new Set(over.map(({ id }) => id));
    const joins = view.joins.filter((one: JoinRecord) => ids.has(one.inviteId));
    return [...over, ...joins].map(({ manifestId: id }) => ({ kind: "delete", id }));
  }

  async #fresh(): Promise<SealedView> {
    const { records, freshness } = this.#parts.options;
    await freshness.ensure();
    return await records.view();
  }
}

function stored({ id, epoch, file, members, admins, probe }: GroupRecord): StoredGroup {
  return { id, epoch, file, members, admins, probe };
}

function memberGroup(view: SealedView, id: string, account: AccountName): GroupRecord {
  const group = view.groups.get(id);
  if (group?.members.includes(account) === true) return group;
  throw notFound();
}

function notFound(): SejfError {
  return new SejfError(
    "SEJF_NOT_FOUND",
    "there is no such group, or this account is no member of it",
  );
}

function assertMayFound(view: SealedView, account: AccountName, group: StoredGroup): void {
  if (!group.admins.includes(account))
    throw new SejfError("SEJF_INVALID_ARGUMENT", "who founds a group is an admin of it");
  const founded = [...view.groups.values()].filter(({ admins }) => admins.includes(account));
  if (founded.length >= MAX_GROUPS_FOUNDED)
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `${account} has ${MAX_GROUPS_FOUNDED} groups already`,
    );
}

/** @throws SEJF_ACCESS_DENIED. */
function assertAgreed(
  { probe }: StoredGroup,
  old: GroupRecord | undefined,
  came: readonly string[],
  joined: readonly JoinRecord[],
): void {
  const stranger = came.find((one) => !joined.some(({ account }) => account === one));
  if (stranger !== undefined)
    throw new SejfError("SEJF_ACCESS_DENIED", `${stranger} has not asked to join this group`, {
      hint: "invite: `sejf group invite` makes a code",
    });
  if (old !== undefined && old.probe !== probe)
    throw new SejfError(
      "SEJF_ACCESS_DENIED",
      `the group has probe = ${old.probe} for its life, not ${probe}`,
    );
}

/** @throws SEJF_INVALID_ARGUMENT. */
function assertGroup({ file, members, admins }: StoredGroup): void {
  const names = [...members, ...admins];
  const isFine =
    members.length <= MAX_MEMBERS &&
    names.every((name) => isAccountName(name)) &&
    new Set(members).size === members.length &&
    admins.length > 0 &&
    admins.every((name) => members.includes(name));
  if (!isFine)
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      "the members and admins of the group are malformed",
    );
  if (file.length > MAX_FILE_CHARACTERS || !isAgeFile(file))
    throw new SejfError("SEJF_INVALID_ARGUMENT", "the group's document is no age file");
}

/** SECURITY: nobody stores a secret here in the clear by mistake. */
function isAgeFile(file: string): boolean {
  try {
    return (
      bytesToUtf8(base64UrlToBytes(file).subarray(0, utf8ToBytes(AGE_HEADER).length)) === AGE_HEADER
    );
  } catch {
    return false;
  }
}
