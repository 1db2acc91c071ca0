/**
 * Who may become a member: whoever proves that he has the code of an invitation. A code counts once. SECURITY: requests come
 * through the server, which can repeat, hide and mix them, and knows no code. Spec: sealed 7.
 */
import { base64UrlToBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { isSejfError } from "../errors/index.ts";
import {
  type GroupMember,
  inviteId,
  isJoinMac,
  type KeyringInvite,
  type StoredJoin,
} from "../sealed/index.ts";

/** One request, and what is to be thought of it. */
export interface JoinVerdict {
  readonly join: StoredJoin;
  /** The invitation whose code it proves; `undefined`: none that is known here. */
  readonly invite: KeyringInvite | undefined;
  /** Why a person has to look at it; `undefined`: nothing speaks against it. */
  readonly doubt: string | undefined;
}

/** `invites`: those that may still be used. */
export function judgeJoins(
  engine: CryptoEngine,
  members: readonly GroupMember[],
  joins: readonly StoredJoin[],
  invites: readonly KeyringInvite[],
): readonly JoinVerdict[] {
  const proved = withoutRepeated(joins).map((join) => ({
    join,
    invite: invites.find((invite) => isProof(engine, invite, join)),
  }));
  return proved.map(({ join, invite }) => ({
    join,
    invite,
    doubt:
      invite === undefined
        ? "no code that is known here proves it"
        : doubtOf(
            join,
            invite,
            members,
            proved.filter((other) => other.join !== join && other.invite !== undefined),
          ),
  }));
}

function doubtOf(
  { account, recipient }: StoredJoin,
  invite: KeyringInvite,
  members: readonly GroupMember[],
  others: readonly Pick<JoinVerdict, "join" | "invite">[],
): string | undefined {
  if (invite.account !== undefined && invite.account !== account)
    return `the invitation was for ${invite.account}`;
  const member = members.find((one) => one.account === account);
  if (member !== undefined && member.recipient !== recipient)
    return "is a member already, with another key";
  if (others.some((other) => other.invite?.code === invite.code))
    return "others ask with the same code: somebody else has seen it";
  if (others.some(({ join }) => join.account === account && join.recipient !== recipient))
    return "asks with two different keys";
  return undefined;
}

function isProof(engine: CryptoEngine, { code: text }: KeyringInvite, join: StoredJoin): boolean {
  const code = base64UrlToBytes(text);
  const { account, recipient, mac } = join;
  return (
    join.inviteId === inviteId(engine, code) &&
    isJoinMac(engine, code, { account, recipient }, decoded(mac))
  );
}

function decoded(mac: string): Uint8Array {
  try {
    return base64UrlToBytes(mac);
  } catch (error) {
    if (!isSejfError(error)) throw error;
    return new Uint8Array(0);
  }
}

/** Each account, key and invitation once. */
function withoutRepeated(joins: readonly StoredJoin[]): readonly StoredJoin[] {
  const seen = new Set<string>();
  return joins.filter(({ inviteId: id, account, recipient, mac }) => {
    const key = [id, account, recipient, mac].join(" ");
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
