/**
 * An account opened with its password on a device that has it already: the keyring tells the device what is new, and the
 * groups are followed. Spec: sealed 3, 7.
 */
import { AccountGroups } from "./account-groups.ts";
import { type DeviceState, updateDevice } from "./device-file.ts";
import type { DocumentStore } from "./documents.ts";
import type { EnrollTools } from "./enroll.ts";
import { formerKeysOf } from "./former-keys.ts";
import type { HttpsServer } from "./https-json.ts";
import { type UnlockedAccount, unlockAccount } from "./unlock.ts";

export interface UnlockDeviceOptions {
  readonly configFile: string;
  readonly device: DeviceState;
  readonly server: HttpsServer | undefined;
  /** Where the keyring is without a server. */
  readonly documents?: DocumentStore | undefined;
  readonly askPassword: () => Promise<string>;
  readonly tools: EnrollTools;
  /** The user has said that the server may have gone back. */
  readonly acceptRollback: boolean;
  /** What people should know. */
  readonly tell?: ((level: "info" | "warn", message: string) => void) | undefined;
}

/** What came of it; the device's file says the same. */
export interface UnlockedDevice {
  readonly unlocked: UnlockedAccount;
  readonly device: DeviceState;
  /** Absent where no sejf server keeps the account. */
  readonly groups: AccountGroups | undefined;
}

/** @throws as `unlockAccount`; SEJF_CORRUPT for a group document that is refused. */
export async function unlockDevice(options: UnlockDeviceOptions): Promise<UnlockedDevice> {
  const { device, server, documents, tools, acceptRollback, tell = () => {} } = options;
  const { account, accountKey, keyringVersion, group } = device.secrets;
  const unlocked = await unlockAccount(
    {
      ...tools,
      account,
      accountKey,
      server,
      opaqueKey: device.opaqueKey,
      documents,
      keyringVersion: acceptRollback ? 0 : keyringVersion,
    },
    await options.askPassword(),
  );
  if (server === undefined)
    return { unlocked, device: await learn(options, unlocked, group), groups: undefined };
  const groups = new AccountGroups({
    tools,
    account,
    unlocked,
    device: group,
    acceptRollback,
    tell,
  });
  await groups.follow();
  return {
    unlocked: groups.unlocked,
    device: await learn(options, groups.unlocked, groups.device),
    groups,
  };
}

/** After changes of groups: the device seals as they say. */
export async function keepGroups(
  options: Pick<UnlockDeviceOptions, "configFile" | "device" | "tools">,
  groups: AccountGroups,
): Promise<DeviceState> {
  return await learn(options, groups.unlocked, groups.device);
}

/** What the keyring says and the device does not know yet. */
async function learn(
  { configFile, device, tools }: Pick<UnlockDeviceOptions, "configFile" | "device" | "tools">,
  { keyring }: UnlockedAccount,
  group: DeviceState["secrets"]["group"],
): Promise<DeviceState> {
  device.heads.merge({ heads: { ...keyring.heads } });
  const { secrets } = device;
  if (
    keyring.version === secrets.keyringVersion &&
    keyring.escrow.join() === secrets.escrow.join() &&
    group?.sha256 === secrets.group?.sha256
  )
    return device;
  const { formerIdentities = [] } = keyring;
  const former = await formerKeysOf(tools.engine, formerIdentities);
  const news = { keyringVersion: keyring.version, escrow: keyring.escrow, group, former };
  const changed = (state: DeviceState): DeviceState => ({
    ...state,
    secrets: { ...state.secrets, ...news },
  });
  await updateDevice(configFile, (stored) => changed(stored ?? device));
  return changed(device);
}
