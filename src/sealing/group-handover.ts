/**
 * Groups after an account got new keys: an admin's former key signs once more, a document that knows the new ones; a member
 * has to be invited again. Spec: sealed 3, 7.
 */
import { equalBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import {
  type AccountKeys,
  deriveAccountKeys,
  type Group,
  identityToSeed,
} from "../sealed/index.ts";

/** The group with the account's present keys, and the former seed that may still sign it. */
export interface HandOver {
  readonly group: Group;
  readonly signingSeed: Uint8Array;
}

/** The group knows the account by another key than it has now. */
export function knowsFormerKey(group: Group, account: string, { recipient }: AccountKeys): boolean {
  const own = group.members.find((member) => member.account === account);
  return own !== undefined && own.recipient !== recipient;
}

/** `undefined`: none of the former keys is an admin's. */
export async function handOver(
  engine: CryptoEngine,
  group: Group,
  account: string,
  keys: AccountKeys,
  formerIdentities: readonly string[],
): Promise<HandOver | undefined> {
  for (const identity of formerIdentities) {
    const former = await deriveAccountKeys(engine, identityToSeed(identity));
    const isFormer = (key: Uint8Array): boolean => equalBytes(key, former.signingPublicKey);
    if (!group.admins.some((key) => isFormer(key))) continue;
    return {
      signingSeed: former.signingSeed,
      group: {
        ...group,
        admins: group.admins.map((key) => (isFormer(key) ? keys.signingPublicKey : key)),
        members: group.members.map((member) =>
          member.account === account
            ? { account, recipient: keys.recipient, key: keys.signingPublicKey }
            : member,
        ),
      },
    };
  }
  return undefined;
}
