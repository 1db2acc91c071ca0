/** Another password by who knows the present one; devices named anew and revoked. Spec: sealed 3. */
import { isSejfError, SejfError } from "../errors/index.ts";
import { chainOf, type Keyring, type KeyringDevice } from "../sealed/index.ts";
import type { AccountClient } from "./account-client.ts";
import type { DocumentStore } from "./documents.ts";
import { assertPasswords, type EnrollTools } from "./enroll.ts";
import type { Guard } from "./guarded-repository.ts";
import { type HeadMemory, sourceOfChain } from "./head-memory.ts";
import { changeKeyring, type KeyringPlace, keyringText } from "./keyring-store.ts";
import { type Passwords, startRegistrations } from "./opaque-client.ts";
import type { UnlockedAccount } from "./unlock.ts";

/** An account that was opened by its password. */
export interface ChangeOptions extends KeyringPlace {
  readonly tools: EnrollTools;
  readonly account: string;
  readonly unlocked: UnlockedAccount;
  readonly documents: DocumentStore;
  /** What this device has seen: it goes into the keyring, for the others. */
  readonly heads: HeadMemory;
  /** On a sejf server: for what needs the present delete password. */
  readonly guard?: (() => Promise<Guard>) | undefined;
}

/** Without a delete password it stays what it is. */
export type NewPasswords = Passwords;

/** All sessions end; devices stay what they are. Gives the keyring. @throws SEJF_INVALID_ARGUMENT, SEJF_ACCESS_DENIED. */
export async function changePassword(
  options: ChangeOptions,
  passwords: NewPasswords,
): Promise<Keyring> {
  const { tools, account, unlocked, heads, guard } = options;
  const { password } = passwords;
  assertPasswords(passwords);
  const { keys, keyring, client } = unlocked;
  const withHeads = (before: Keyring): Keyring => ({ ...before, heads: headsOf(before, heads) });
  if (client === undefined)
    return (await changeKeyring(options, unlocked, withHeads, { keys, password })).keyring;
  const next = { ...withHeads(keyring), version: keyring.version + 1 };
  const who = { engine: tools.engine, account, accountKey: keys.accountKey };
  const registrations = await startRegistrations(who, passwords);
  const started = await client.startPassword({ account, code: "", ...registrations.requests });
  const records = registrations.finish(started);
  const needsProof = records.delete !== undefined && started.hasDelete === true;
  const stepUp = needsProof
    ? await (await guard?.())?.login.authorize("password.delete", [account], {
        delete: records.delete,
      })
    : undefined;
  const text = await keyringText(tools, account, { keys, password }, next);
  await client.finishPassword({ ...records, keyring: { version: next.version, text } }, { stepUp });
  return next;
}

/** @throws SEJF_NOT_FOUND. */
export async function renameDevice(
  options: ChangeOptions,
  id: string,
  name: string,
): Promise<Keyring> {
  const { unlocked } = options;
  deviceIn(unlocked.keyring, id);
  await unlocked.client?.renameDevice(id, name);
  return await changeDevices(options, (device) =>
    device.id === id ? { ...device, name } : device,
  );
}

/**
 * What it signed up to now stays valid, as far as this device has seen it. @throws SEJF_NOT_FOUND; SEJF_ACCESS_DENIED
 * from a server that wants the delete password for it.
 */
export async function revokeDevice(
  options: ChangeOptions,
  id: string,
  onServer: (client: AccountClient) => Promise<void>,
): Promise<Keyring> {
  const { unlocked, heads } = options;
  deviceIn(unlocked.keyring, id);
  const revoked: Record<string, number> = {};
  const known = headsOf(unlocked.keyring, heads);
  for (const [chain, { seq }] of Object.entries(known)) {
    const source = sourceOfChain(chain);
    if (chain === chainOf(source, id)) revoked[source] = seq;
  }
  if (unlocked.client !== undefined) await untilRevoked(onServer(unlocked.client));
  // What counts of a device that was revoked before does not grow: more came after that.
  return await changeDevices(options, (device) =>
    device.id === id ? { ...device, revoked: device.revoked ?? revoked } : device,
  );
}

/** The server knows no such device where an earlier try came so far, and no further. */
async function untilRevoked(onServer: Promise<void>): Promise<void> {
  try {
    await onServer;
  } catch (error) {
    if (!isSejfError(error, "SEJF_NOT_FOUND")) throw error;
  }
}

/** The higher number of each chain. */
export function headsOf(keyring: Keyring, heads: HeadMemory): Keyring["heads"] {
  const merged = { ...keyring.heads };
  for (const [chain, head] of Object.entries(heads.toJson().heads))
    if (head.seq > (merged[chain]?.seq ?? 0)) merged[chain] = head;
  return merged;
}

async function changeDevices(
  options: ChangeOptions,
  change: (device: KeyringDevice) => KeyringDevice,
): Promise<Keyring> {
  const { unlocked, heads } = options;
  const changed = await changeKeyring(options, unlocked, (keyring) => ({
    ...keyring,
    heads: headsOf(keyring, heads),
    devices: keyring.devices.map((device) => change(device)),
  }));
  return changed.keyring;
}

function deviceIn({ devices }: Keyring, id: string): KeyringDevice {
  const device = devices.find((one) => one.id === id);
  if (device !== undefined) return device;
  throw new SejfError("SEJF_NOT_FOUND", `the account has no device ${JSON.stringify(id)}`, {
    hint: "`sejf device list` shows them",
  });
}
