/**
 * Who may become a member: whoever proves that he has the code of an invitation. A code counts once. SECURITY: requests come
 * through the server, which can repeat, hide and mix them, and knows no code. Spec: sealed 7.
 */
import { base64UrlToBytes, type OwnedBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { isSejfError } from "../errors/index.ts";
import {
  type Group,
  inviteId,
  isJoinKeyMac,
  isJoinMac,
  type KeyringInvite,
  type StoredJoin,
} from "../sealed/index.ts";

const KEY_BYTES = 32;

/** One request, and what is to be thought of it. */
export interface JoinVerdict {
  readonly join: StoredJoin;
  /** The invitation whose code it proves; `undefined`: none that is known here. */
  readonly invite: KeyringInvite | undefined;
  /** The key that the account signs with, where the invitation makes admins and the code proves it. */
  readonly key: OwnedBytes | undefined;
  /** Why a person has to look at it; `undefined`: nothing speaks against it. */
  readonly doubt: string | undefined;
}

/** `invites`: those that may still be used. */
export function judgeJoins(
  engine: CryptoEngine,
  group: Group,
  joins: readonly StoredJoin[],
  invites: readonly KeyringInvite[],
): readonly JoinVerdict[] {
  const proved = withoutRepeated(joins).map((join) => {
    const invite = invites.find((one) => isProof(engine, one, join));
    return { join, invite, key: invite === undefined ? undefined : keyIn(engine, invite, join) };
  });
  return proved.map(({ join, invite, key }) => ({
    join,
    invite,
    key,
    doubt:
      invite === undefined
        ? "no code that is known here proves it"
        : doubtOf(
            { join, invite, key },
            group,
            proved.filter((other) => other.join !== join && other.invite !== undefined),
          ),
  }));
}

function doubtOf(
  { join: { account, recipient }, invite, key }: Proved,
  group: Group,
  others: readonly Pick<JoinVerdict, "join" | "invite">[],
): string | undefined {
  if (invite.account !== undefined && invite.account !== account)
    return `the invitation was for ${invite.account}`;
  const member = group.members.find((one) => one.account === account);
  if (member !== undefined && member.recipient !== recipient)
    return "is a member already, with another key";
  if (invite.admin === true && key === undefined)
    return "the program there is too old for an admin's";
  if (member !== undefined && invite.admin !== true)
    return "is a member already, and the code makes no admin";
  if (others.some((other) => other.invite?.code === invite.code))
    return "others ask with the same code: somebody else has seen it";
  if (others.some(({ join }) => join.account === account && join.recipient !== recipient))
    return "asks with two different keys";
  return undefined;
}

interface Proved {
  readonly join: StoredJoin;
  readonly invite: KeyringInvite;
  readonly key: OwnedBytes | undefined;
}

function keyIn(
  engine: CryptoEngine,
  invite: KeyringInvite,
  { account, recipient, key: text = "", keyMac = "" }: StoredJoin,
): OwnedBytes | undefined {
  if (invite.admin !== true) return undefined;
  const key = decoded(text);
  const code = base64UrlToBytes(invite.code);
  const isProved =
    key.length === KEY_BYTES &&
    isJoinKeyMac(engine, code, { account, recipient, key }, decoded(keyMac));
  return isProved ? key : undefined;
}

function isProof(engine: CryptoEngine, { code: text }: KeyringInvite, join: StoredJoin): boolean {
  const code = base64UrlToBytes(text);
  const { account, recipient, mac } = join;
  return (
    join.inviteId === inviteId(engine, code) &&
    isJoinMac(engine, code, { account, recipient }, decoded(mac))
  );
}

function decoded(text: string): OwnedBytes {
  try {
    return base64UrlToBytes(text);
  } catch (error) {
    if (!isSejfError(error)) throw error;
    return new Uint8Array(0);
  }
}

/** Each account, key and invitation once. */
function withoutRepeated(joins: readonly StoredJoin[]): readonly StoredJoin[] {
  const seen = new Set<string>();
  return joins.filter((join) => {
    const { inviteId: id, account, recipient, mac } = join;
    const key = [id, account, recipient, mac, join.key, join.keyMac].join(" ");
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
