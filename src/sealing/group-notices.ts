/** What people are told about groups. */
import type { GroupParams, KeyringGroup, OpenedGroup } from "../sealed/index.ts";
import { nameOf } from "./group-book.ts";
import { compressionVersion } from "./group-params.ts";
import type { JoinVerdict } from "./join-requests.ts";

export type TellGroups = (level: "info" | "warn", message: string) => void;

export function tellNoMember(tell: TellGroups, pin: KeyringGroup): void {
  tell(
    "warn",
    `The server says that this account is no member of the group ${nameOf(pin)} any more. \`sejf group use --none\` stops sealing for it.`,
  );
}

export function tellFormerKey(tell: TellGroups, pin: KeyringGroup): void {
  tell(
    "warn",
    `The group ${nameOf(pin)} knows a former key of this account: ask an admin for an invitation.`,
  );
}

/** What is left to others. */
export function tellLeft(
  tell: TellGroups,
  pin: KeyringGroup,
  { isAdmin, opened }: { readonly isAdmin: boolean; readonly opened: OpenedGroup | undefined },
): void {
  if (opened === undefined || opened.group.members.length === 1) return;
  tell(
    "info",
    isAdmin
      ? `The group ${nameOf(pin)} goes on without this account, with a new secret.`
      : `An admin of the group ${nameOf(pin)} has to remove this account from its members: tell one.`,
  );
}

/** Those who have a code and do not come in by themselves. */
export function tellDoubts(
  tell: TellGroups,
  pin: KeyringGroup,
  verdicts: readonly JoinVerdict[],
): void {
  for (const { join, invite, doubt } of verdicts)
    if (invite !== undefined && doubt !== undefined)
      tell(
        "warn",
        `${join.account} asks to join the group ${nameOf(pin)}, and ${doubt}. If that is right: \`sejf group accept ${nameOf(pin)} ${join.account}\`.`,
      );
}

export function tellVersion(
  tell: TellGroups,
  pin: KeyringGroup,
  { compression, compressionVersion: theirs }: GroupParams,
): void {
  const own = compressionVersion(compression);
  if (own !== theirs)
    tell(
      "warn",
      `The group ${nameOf(pin)} compresses with ${theirs}, this program with ${own}: equal data may be stored twice.`,
    );
}
