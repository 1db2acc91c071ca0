/** What the commands of groups share: the account's groups, opened with its password and followed. */
import { SejfError } from "../../errors/index.ts";
import { adminsIn, recipientFingerprint } from "../../sealed/index.ts";
import {
  type AccountGroups,
  groupNameOf,
  type GroupState,
  keepGroups,
  needsSejfServer,
  unlockDevice,
} from "../../sealing/index.ts";
import type { CommandContext } from "../context.ts";
import { accountServer, ENROLL_TOOLS, telling } from "./sealed-open.ts";

/** The first argument of a command on one group. */
export const GROUP_ARGUMENT = {
  name: "group",
  help: "Its name here, or the beginning of its ID",
  required: true,
} as const;

/** And the account it is about. */
export const ACCOUNT_ARGUMENT = { name: "account", help: "USER@HOST", required: true } as const;

export interface ShownMember {
  readonly account: string;
  readonly role: "admin" | "member";
  /** Of the member's recipient. */
  readonly fingerprint: string;
}

/**
 * Asks for the password; afterwards the device seals as the groups say. @throws SEJF_UNSUPPORTED where no sejf server keeps
 * the account.
 */
export async function withGroups<T>(
  context: CommandContext,
  use: (groups: AccountGroups) => Promise<T>,
): Promise<T> {
  const { configFile } = context;
  const { config, device } = await context.sealedConnection();
  const { account } = device.secrets;
  const server = accountServer(context, config, device);
  if (server === undefined) throw needsSejfServer("a group");
  const opened = await unlockDevice({
    configFile,
    device,
    server,
    askPassword: async () => await context.passwordOfAccount(account, device.place),
    tools: ENROLL_TOOLS,
    acceptRollback: context.globals.acceptRollback,
    tell: telling(context),
  });
  const { groups } = opened;
  if (groups === undefined) throw needsSejfServer("a group");
  const result = await use(groups);
  await keepGroups({ configFile, device: opened.device, tools: ENROLL_TOOLS }, groups);
  return result;
}

/** What this account is in it. */
export function roleIn({ opened, pin, isAdmin }: GroupState): string {
  if (opened !== undefined) return isAdmin ? "admin" : "member";
  return pin.pending === true ? "pending" : "none";
}

/** As in `group list` and `group show`. */
export function groupJson(state: GroupState): Record<string, unknown> {
  const { pin, opened } = state;
  return {
    name: groupNameOf(pin),
    id: pin.id,
    epoch: pin.epoch,
    role: roleIn(state),
    used: pin.used === true,
    members: opened?.group.members.map(({ account }) => account) ?? null,
    admins: opened === undefined ? null : adminsIn(opened.group).map(({ account }) => account),
  };
}

/** As the admin signed them. @throws SEJF_NOT_FOUND while the account is no member. */
export function membersIn({ opened, pin }: GroupState): readonly ShownMember[] {
  const admins = opened === undefined ? [] : adminsIn(opened.group).map(({ account }) => account);
  if (opened !== undefined)
    return opened.group.members.map(({ account, recipient }) => ({
      account,
      role: admins.includes(account) ? "admin" : "member",
      fingerprint: recipientFingerprint(ENROLL_TOOLS.engine, recipient),
    }));
  throw new SejfError("SEJF_NOT_FOUND", `this account is no member of ${groupNameOf(pin)} (yet)`, {
    hint: "an admin of the group lets it in",
  });
}
